"""How hard one server may be asked: shared by every session of a process to it.

State: until when the server asked to be left alone, how many calls may be under way at once, how many are, and what
was refused since anything was answered.
Order: a call waits for its turn, never for a back-off: that one is refused at once, with the time that is left.
Failure: nothing is kept; a process that starts again begins carefully and finds its measure anew.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from schemas.refusals import RefusalWatch

BACK_OFF_SECONDS_MAX = 600.0
CALLS_AT_ONCE_MAX_DEFAULT = 8
CALLS_AT_ONCE_FIRST = 2
ANSWERED_UNTIL_ONE_MORE = 20


class Throttle:
    """Additive increase, multiplicative decrease of the calls at once (Chiu and Jain 1989), and the back-off."""

    def __init__(
        self, calls_at_once_max: int = CALLS_AT_ONCE_MAX_DEFAULT, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls_max = calls_at_once_max
        self._monotonic = monotonic
        self._turn = threading.Condition()
        self._until = 0.0
        self._limit = min(CALLS_AT_ONCE_FIRST, calls_at_once_max)
        self._under_way = 0
        self._answered = 0
        self.refusals = RefusalWatch()

    @property
    def calls_at_once(self) -> int:
        """How many calls may be under way at once now."""
        return self._limit

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more call may be sent; the block is that call."""
        with self._turn:
            self._turn.wait_for(lambda: self._under_way < self._limit)
            self._under_way += 1
        try:
            yield
        finally:
            with self._turn:
                self._under_way -= 1
                self._turn.notify_all()

    def answered(self) -> None:
        """Note a call that was not throttled: after enough of them one more may go at once."""
        self.refusals.answered()
        with self._turn:
            self._answered += 1
            if self._answered >= ANSWERED_UNTIL_ONE_MORE and self._limit < self._calls_max:
                self._answered, self._limit = 0, self._limit + 1
                self._turn.notify_all()

    def back_off(self, seconds: float) -> None:
        """Hold all calls for this long at least, and go on with half as many at once."""
        with self._turn:
            now = self._monotonic()
            if now >= self._until:
                # the answers to calls that were under way together count once
                self._limit = max(1, self._limit // 2)
            self._answered = 0
            self._until = max(self._until, now + min(seconds, BACK_OFF_SECONDS_MAX))

    def remaining_seconds(self) -> float:
        """Return how long calls must still be held."""
        return max(0.0, self._until - self._monotonic())
