import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from consumers import patience
from consumers.patience import FellBehind, Patience, TargetHaltError
from schemas.faults import TransportFault
from schemas.metrics import ReplayMetrics
from schemas.ports import AnswerUnknown, CallFailed, CallRefused, PartitionLost
from schemas.refusals import SPAN_MS_MIN, RefusalWatch


class Waiting:
    """A clock that sleeping moves, and how long was slept at a stretch between attempts."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self.attempts_at: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now_seconds += seconds

    def monotonic(self) -> float:
        return self.now_seconds

    def failing(self, *failures: CallFailed) -> Callable[[], None]:
        left = list(failures)

        def work() -> None:
            self.attempts_at.append(round(self.now_seconds, 3))
            if left:
                raise left.pop(0)

        return work


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(patience, "WAIT_SECONDS_FIRST", 0.1)
    return Waiting()


@pytest.fixture
def patient(waiting: Waiting, metrics: ReplayMetrics) -> Patience:
    return Patience(lambda: True, metrics, waiting.sleep, waiting.monotonic)


BUSY = CallRefused("ErrorServerBusy", "")


def test_what_heals_is_tried_again_after_ever_longer_waits(patient: Patience, waiting: Waiting) -> None:
    patient.endure(waiting.failing(BUSY, AnswerUnknown(TransportFault.RESET, ""), BUSY))
    assert waiting.attempts_at == pytest.approx([0.0, 0.1, 0.3, 0.7])


def test_a_back_off_the_server_asks_for_is_waited_out(patient: Patience, waiting: Waiting) -> None:
    patient.endure(waiting.failing(CallRefused("ErrorServerBusy", "", back_off_seconds=7.0)))
    assert waiting.attempts_at == pytest.approx([0.0, 7.0])


@pytest.mark.parametrize("code", ["ErrorQuotaExceeded", "ErrorMailboxMoveInProgress", "folder-unknown"])
def test_what_only_the_mailbox_has_makes_it_fall_behind(patient: Patience, waiting: Waiting, code: str) -> None:
    with pytest.raises(FellBehind) as raised:
        patient.endure(waiting.failing(CallRefused(code, "")))
    assert raised.value.code == code


ODD_CODES = ["ErrorCodeNobodyKnows", TransportFault.HTTP_UNAUTHORIZED, TransportFault.HTTP_FORBIDDEN]


def refused(code: str, mailbox: str = "a", operation: str = "MoveItem") -> CallRefused:
    failure = CallRefused(code, "")
    failure.mailbox, failure.operation = mailbox, operation
    return failure


@pytest.mark.parametrize("code", ODD_CODES)
def test_one_odd_answer_is_tried_again_after_a_moment(patient: Patience, waiting: Waiting, code: str) -> None:
    patient.endure(waiting.failing(refused(code)))
    assert waiting.attempts_at == pytest.approx([0.0, patience.REFUSED_WAIT_SECONDS])


@pytest.mark.parametrize("code", ODD_CODES)
def test_a_mailbox_that_is_refused_again_falls_behind_and_says_why(
    patient: Patience, waiting: Waiting, code: str
) -> None:
    with pytest.raises(FellBehind) as raised:
        patient.endure(waiting.failing(*[refused(code)] * 100))
    assert raised.value.code == code
    assert waiting.now_seconds < patience.RETRY_SECONDS_MAX


@pytest.mark.parametrize("other", [("b", "MoveItem"), ("a", "UploadItems")], ids=["mailbox", "call"])
def test_refusals_on_more_than_one_mailbox_or_call_over_minutes_halt(
    patient: Patience, waiting: Waiting, other: tuple[str, str]
) -> None:
    with pytest.raises(TargetHaltError, match="target"):  # noqa: PT012 - the time passes between the refusals
        for _ in range(20):
            for mailbox, operation in (("a", "MoveItem"), other):
                with contextlib.suppress(FellBehind):
                    patient.endure(waiting.failing(*[refused("http-forbidden", mailbox, operation)] * 100))
            waiting.now_seconds += 60.0
    assert waiting.now_seconds * 1000 >= SPAN_MS_MIN


def test_refusals_of_one_mailbox_never_halt(patient: Patience, waiting: Waiting) -> None:
    for _ in range(50):
        with pytest.raises(FellBehind):
            patient.endure(waiting.failing(*[refused("http-forbidden")] * 100))
        waiting.now_seconds += 60.0


def test_other_exceptions_pass_through(patient: Patience) -> None:
    def work() -> None:
        raise PartitionLost("gone")

    with pytest.raises(PartitionLost):
        patient.endure(work)


def test_waiting_ends_when_the_partition_is_not_ours_any_more(waiting: Waiting, metrics: ReplayMetrics) -> None:
    impatient = Patience(lambda: waiting.now_seconds < 2.0, metrics, waiting.sleep, waiting.monotonic)
    with pytest.raises(PartitionLost):
        impatient.endure(waiting.failing(CallRefused("ErrorServerBusy", "", back_off_seconds=60.0)))
    assert waiting.now_seconds == pytest.approx(2.0, abs=patience.SLICE_SECONDS)


def test_a_mailbox_that_never_heals_falls_behind_for_the_others(patient: Patience, waiting: Waiting) -> None:
    endless: Any = [AnswerUnknown(TransportFault.TIMED_OUT, "")] * 100
    with pytest.raises(FellBehind):
        patient.endure(waiting.failing(*endless))
    assert waiting.now_seconds > patience.RETRY_SECONDS_MAX


@pytest.mark.parametrize("code", [TransportFault.CONNECTION_REFUSED, "ErrorServerBusy"])
def test_a_server_that_is_away_or_throttles_is_waited_for_as_long_as_it_takes(
    patient: Patience, waiting: Waiting, code: str
) -> None:
    patient.endure(waiting.failing(*[CallRefused(code, "")] * 50))
    assert waiting.now_seconds > 5 * patience.RETRY_SECONDS_MAX


def test_a_mailbox_that_is_throttled_alone_for_long_falls_behind(waiting: Waiting, metrics: ReplayMetrics) -> None:
    refusals = RefusalWatch()
    throttled = Patience(lambda: True, metrics, waiting.sleep, waiting.monotonic, refusals)

    def work() -> None:
        refusals.answered()  # a call of another mailbox
        raise BUSY

    with pytest.raises(FellBehind):
        throttled.endure(work)
    assert waiting.now_seconds > patience.THROTTLED_SECONDS_MAX
