from collections.abc import Callable
from typing import Any

import pytest

from consumers import patience
from consumers.patience import FellBehind, Patience, TargetHaltError
from schemas.faults import TransportFault
from schemas.metrics import ReplayMetrics
from schemas.ports import AnswerUnknown, CallFailed, CallRefused, PartitionLost


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


@pytest.mark.parametrize("code", ["ErrorCodeNobodyKnows", TransportFault.HTTP_UNAUTHORIZED])
def test_what_the_whole_server_has_halts(patient: Patience, waiting: Waiting, code: str) -> None:
    with pytest.raises(TargetHaltError, match="target"):
        patient.endure(waiting.failing(CallRefused(code, "")))


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
