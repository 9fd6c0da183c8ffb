"""Who waits for what: failures that heal are waited out, wider ones stop the mailbox or the process (design §7)."""

import logging
import time
from collections.abc import Callable

from schemas.faults import Disposition, TransportFault, disposition_of
from schemas.metrics import ReplayMetrics
from schemas.ports import CallFailed, PartitionLost
from schemas.refusals import RefusalWatch

log = logging.getLogger(__name__)

WAIT_SECONDS_FIRST = 0.1
WAIT_SECONDS_MAX = 30.0
RETRY_SECONDS_MAX = 30.0
REFUSED_WAIT_SECONDS = 1.0
REFUSED_SECONDS_MAX = 3.0
"""A server that refuses us is tried again soon, in case the answer was odd, and then left to its mailbox's retries."""
THROTTLED_SECONDS_MAX = 300.0
SLICE_SECONDS = 0.1


class FellBehind(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """One mailbox can't go on now; the others can."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TargetHaltError(Exception):
    """The target or we ourselves are in a state no mailbox can work in; a person has to act."""


class Patience:
    """Repeats work that fails in a way that heals, for as long as the partition is ours."""

    def __init__(
        self,
        still_owned: Callable[[], bool],
        metrics: ReplayMetrics,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        refusals: RefusalWatch | None = None,
    ) -> None:
        self._refusals = refusals or RefusalWatch()
        self._still_owned = still_owned
        self._metrics = metrics
        self._sleep = sleep
        self._monotonic = monotonic

    def endure(self, work: Callable[[], None]) -> None:
        """Do work until it succeeds; FellBehind, TargetHaltError or PartitionLost if waiting does not help."""
        wait_seconds = WAIT_SECONDS_FIRST
        started, answers = self._monotonic(), self._refusals.answers
        while True:
            try:
                return work()
            except CallFailed as failure:
                self._judge(failure)
                is_others_turn = self._refusals.answers > answers
                if self._is_hopeless(failure, self._monotonic() - started, is_others_turn=is_others_turn):
                    raise FellBehind(failure.code) from failure
                least_seconds = REFUSED_WAIT_SECONDS if _is_refusal(failure) else 0.0
                self._wait(max(failure.back_off_seconds, wait_seconds, least_seconds))
                wait_seconds = min(2 * wait_seconds, WAIT_SECONDS_MAX)

    def require_owned(self) -> None:
        """Raise PartitionLost where we are asked to stop: between two runs, nothing is left half done."""
        if not self._still_owned():
            raise PartitionLost("asked to stop between two runs")

    def _judge(self, failure: CallFailed) -> None:
        disposition = disposition_of(failure.code)
        self._metrics.call_failures.labels(code=failure.code).inc()
        log.warning("call failed", extra={"code": failure.code, "disposition": disposition.value})
        now = int(self._monotonic() * 1000)
        if _is_refusal(failure) and self._refusals.must_halt(now, failure.mailbox, failure.operation):
            raise TargetHaltError(f"target: {failure}") from failure
        if disposition in {Disposition.PAUSE, Disposition.PARK}:
            raise FellBehind(failure.code) from failure

    @staticmethod
    def _is_hopeless(failure: CallFailed, waited_seconds: float, *, is_others_turn: bool) -> bool:
        """Tell a fault that may be one mailbox's alone from a server that is away: the others must go on.

        `is_others_turn`: the server answered somebody since; then one that is throttled for long may be so alone.
        """
        is_server_away = failure.code == TransportFault.CONNECTION_REFUSED
        is_throttled = disposition_of(failure.code) is Disposition.THROTTLE
        if is_throttled and is_others_turn and waited_seconds > THROTTLED_SECONDS_MAX:
            return True
        limit_seconds = REFUSED_SECONDS_MAX if _is_refusal(failure) else RETRY_SECONDS_MAX
        return waited_seconds > limit_seconds and not is_server_away and not is_throttled

    def _wait(self, seconds: float) -> None:
        until = self._monotonic() + seconds
        while (left := until - self._monotonic()) > 0:
            if not self._still_owned():
                raise PartitionLost("given up while waiting for the target")
            self._sleep(min(SLICE_SECONDS, left))
        if not self._still_owned():
            raise PartitionLost("given up while waiting for the target")


def _is_refusal(failure: CallFailed) -> bool:
    """Tell whether the server refuses us or our request: one odd answer, or a matter for a person."""
    return disposition_of(failure.code) is Disposition.HALT
