"""The lab's SMTP entry: takes mail for the lab's mailboxes and delivers it at the server where each lives now.

Where that is, is asked for every recipient anew, as transport looks into the directory for every message.
"""

import urllib.parse
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.lab.exchange.process import ExchangeConnection

DELIVERY_SECONDS_MAX = 30.0
Home = Callable[[str], tuple[ExchangeConnection, str] | None]
"""Where an address lives now and its mailbox there; None for one that nobody knows."""


class SmtpEntry:
    """Listens on 127.0.0.1; use it as a context manager."""

    def __init__(self, home: Home, port: int = 0) -> None:
        self._home = home
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._controller.server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._controller.stop()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse a recipient nobody knows, as Exchange's recipient filter does."""
        del server, session, options
        if self._home(address) is None:
            return "550 5.1.1 User unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Deliver to every recipient; a server that is away makes the sender try again."""
        del server, session
        content: Any = envelope.content
        for address in envelope.rcpt_tos:
            home = self._home(address)
            if home is None or not _deliver(*home, bytes(content)):
                return "451 4.3.0 Not delivered, try again later"
        return "250 OK"


def _deliver(connection: ExchangeConnection, address: str, message: bytes) -> bool:
    url = f"{connection.control}deliver?address={urllib.parse.quote(address)}"
    try:
        answer = requests.post(
            url, data=message, auth=(connection.user, connection.password), timeout=DELIVERY_SECONDS_MAX
        )
    except requests.RequestException:
        return False
    return answer.ok
