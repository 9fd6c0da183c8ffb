"""All users of the source, at work at a bounded rate whatever happens to their server.

A call without an answer is unknown: they look what is there, as people do, and go on.
"""

import random
import threading
import time
from collections.abc import Sequence
from typing import Final

from deploy.lab.chaos.truth import UNKNOWN_CODES, Scribe
from deploy.lab.chaos.user import Letterbox
from deploy.lab.chaos.workload import ACTIONS, User
from deploy.lab.session import ServerAddress, SessionError, UserSession

RATE_PER_SECOND: Final = 8.0
CALL_TIMEOUT_SECONDS: Final = 6.0
_PAUSE_SECONDS: Final = 0.5


class Crowd:
    """All users of the source, acting one after another in one thread until told to rest."""

    def __init__(self, address: ServerAddress, mailboxes: Sequence[str], scribe: Scribe, seed: int) -> None:
        self._address = address
        self._mailboxes = mailboxes
        self._scribe = scribe
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - a seeded choice is no secret
        self._stop = threading.Event()
        self._users = self._arrive()

    def fill(self, items_each: int) -> None:
        """Give every mailbox two folders and some items before anything runs; raises SessionError."""
        for user in self._users:
            for _ in range(2):
                user.act("create_folder")
            for _ in range(items_each):
                user.act("receive")

    def act(self, seconds: float) -> None:
        """Act for so long, or until `rest`, at a bounded rate, whatever happens to the server."""
        names, weights = list(ACTIONS), [weight for _, weight in ACTIONS.values()]
        began, done = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds and not self._stop.is_set():
            if done / RATE_PER_SECOND > elapsed:
                self._stop.wait(done / RATE_PER_SECOND - elapsed)
                continue
            action = self._chance.choices(names, weights)[0]
            user = self._chance.choice(self._users)
            done += 1
            try:
                user.act(action)
            except SessionError as error:
                self._recover(error)

    def rest(self) -> None:
        """End `act`."""
        self._stop.set()

    def _recover(self, error: SessionError) -> None:
        """Look again what is there; where the connection is gone, on a new one, as soon as the server answers."""
        while not self._stop.is_set():
            try:
                if error.code in UNKNOWN_CODES:
                    self._users = self._arrive()
                else:
                    for user in self._users:
                        user.box.look()
            except SessionError as again:
                error = again
                self._stop.wait(_PAUSE_SECONDS)
            else:
                return

    def _arrive(self) -> list[User]:
        session = UserSession(self._address, timeout_seconds=CALL_TIMEOUT_SECONDS)
        users = []
        for address in self._mailboxes:
            box = Letterbox(session, address)
            box.look()
            users.append(User(box, self._scribe, self._chance, self._seed))
        return users
