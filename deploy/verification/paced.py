"""A session that only reads: it keeps to a pace, waits out what heals, and repeats, because reading is repeatable."""

import time
from collections.abc import Callable

from schemas.faults import Disposition, disposition_of
from schemas.halving import may_be_one_items
from schemas.ports import Answers, CallFailed, EwsSession

ATTEMPTS_MAX = 8
ATTEMPTS_OF_AN_ITEM_MAX = 3
"""What may be the fault of one item is left to whoever can halve its batch."""
WAIT_SECONDS_FIRST = 0.5
WAIT_SECONDS_MAX = 60.0
READING = frozenset({"FindItem", "GetItem", "GetFolder", "GetAttachment", "SyncFolderHierarchy"})


class PacedSession:
    """`schemas.ports.EwsSession` over another one; `calls_per_second` bounds it, 0 does not."""

    def __init__(
        self,
        session: EwsSession,
        calls_per_second: float,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._spacing_seconds = 1.0 / calls_per_second if calls_per_second else 0.0
        self._sleep = sleep
        self._monotonic = monotonic
        self._next_at = 0.0
        self.server_version = session.server_version

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        """Send one reading operation; CallFailed if it does not heal, ValueError for one that writes."""
        if operation not in READING:
            raise ValueError(f"{operation} is no reading call")
        wait_seconds = WAIT_SECONDS_FIRST
        for attempt in range(ATTEMPTS_MAX):
            self._keep_pace()
            try:
                answers = self._session.call(operation, mailbox, body, expected)
            except CallFailed as failure:
                heals = disposition_of(failure.code) in {Disposition.RETRY, Disposition.THROTTLE}
                attempts_max = ATTEMPTS_OF_AN_ITEM_MAX if may_be_one_items(failure) else ATTEMPTS_MAX
                if not heals or attempt >= attempts_max - 1:
                    raise
                self._sleep(max(failure.back_off_seconds, wait_seconds))
                wait_seconds = min(2 * wait_seconds, WAIT_SECONDS_MAX)
            else:
                self.server_version = self._session.server_version
                return answers
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _keep_pace(self) -> None:
        now = self._monotonic()
        if now < self._next_at:
            self._sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + self._spacing_seconds
