from dataclasses import dataclass, field

import pytest

from deploy.verification.paced import PacedSession
from schemas.faults import TransportFault
from schemas.ports import Answers, AnswerUnknown, CallFailed, CallRefused


@dataclass(slots=True)
class Scripted:
    """A session that fails as told, and a clock that goes by sleeping only."""

    failures: list[CallFailed] = field(default_factory=list)
    server_version: str = "15.1"
    now: float = 0.0
    sent_at: list[float] = field(default_factory=list)

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        assert (operation, mailbox, body, expected) == ("FindItem", "m", "b", 1)
        self.sent_at.append(self.now)
        if self.failures:
            raise self.failures.pop(0)
        return Answers((), 0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def paced(self, calls_per_second: float) -> PacedSession:
        return PacedSession(self, calls_per_second, self.sleep, lambda: self.now)


def test_calls_keep_to_the_pace() -> None:
    inner = Scripted()
    session = inner.paced(4.0)
    for _ in range(5):
        session.call("FindItem", "m", "b", 1)
    assert inner.sent_at == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    "failure", [CallRefused("ErrorServerBusy", "busy", 7.0), AnswerUnknown(TransportFault.TIMED_OUT, "slow")], ids=str
)
def test_a_read_is_repeated_after_the_back_off_the_server_asked_for(failure: CallFailed) -> None:
    inner = Scripted([failure])
    inner.paced(0.0).call("FindItem", "m", "b", 1)
    assert inner.sent_at[1] >= max(failure.back_off_seconds, 0.5)


def test_what_does_not_heal_is_not_repeated() -> None:
    inner = Scripted([CallRefused("ErrorNonExistentMailbox", "gone")])
    with pytest.raises(CallRefused):
        inner.paced(0.0).call("FindItem", "m", "b", 1)
    assert len(inner.sent_at) == 1


def test_a_writing_call_never_leaves() -> None:
    with pytest.raises(ValueError, match="no reading call"):
        Scripted().paced(0.0).call("DeleteItem", "m", "b", 1)
