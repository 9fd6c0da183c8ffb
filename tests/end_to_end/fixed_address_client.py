"""An ordinary exchangelib client that knows one address, that of the front door, and is never told of a promotion."""

import threading
import time
from dataclasses import dataclass

from exchangelib import BASIC, IMPERSONATION, Account, Configuration, Credentials, Message
from exchangelib.errors import EWSError
from exchangelib.version import EXCHANGE_2013, Version
from requests import RequestException

PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client: when it ended, which inbox answered ("" where it failed)."""

    ended: float
    inbox: str


class FixedAddressClient:
    """One user's client; opens its mailbox anew for everything it does, as a program does that is started each time."""

    def __init__(self, url: str, address: str, user: str, password: str) -> None:
        self._address = address
        self._configuration = Configuration(
            service_endpoint=url,
            credentials=Credentials(user, password),
            auth_type=BASIC,
            version=Version(build=EXCHANGE_2013),
        )
        self.asked: list[Asked] = []

    def _account(self) -> Account:
        return Account(self._address, config=self._configuration, access_type=IMPERSONATION, autodiscover=False)

    def inbox(self) -> str:
        """Return the id of the inbox that answers."""
        return str(self._account().inbox.id)

    def newest(self) -> str:
        """Return the subject of the newest message."""
        (found,) = self._account().inbox.all().order_by("-datetime_received").only("subject")[:1]
        return str(found.subject)

    def write(self, subject: str) -> None:
        """Write a message into the inbox."""
        account = self._account()
        Message(account=account, folder=account.inbox, subject=subject, body="hello").save()

    def ask_until(self, stop: threading.Event) -> None:
        """Ask for the inbox again and again; what came of it stands in `asked`."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                found = self.inbox()
            except (EWSError, RequestException):
                found = ""
            self.asked.append(Asked(time.monotonic(), found))
