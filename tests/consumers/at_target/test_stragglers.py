"""Who is behind and where it goes on; what follows from it for the whole replay is in replay/test_falling_behind.py."""

from dataclasses import replace
from typing import Any

import pytest

from consumers.folder_map import FolderMap
from consumers.intake import Intake, Verdict
from consumers.ledger import Ledger
from consumers.patience import Patience
from consumers.run import Run
from consumers.staging import Staging
from consumers.stragglers import RETRY_SECONDS, Stragglers
from consumers.tidying import Tidying
from schemas.change import SeedBegin
from schemas.metrics import ReplayMetrics
from schemas.ports import CallRefused
from schemas.state import TargetMailbox


class Rear:
    """Stragglers with a clock, and a settling that can be made to fail."""

    def __init__(self, target: Any, ledger: Ledger, metrics: ReplayMetrics) -> None:
        self.now_seconds = 0
        self.settled: list[tuple[str, str, list[str], bool]] = []
        self.refusal = ""
        staging = Staging(target, ledger, FolderMap(target, ledger, lambda: None), "abc", portable_only=False)
        self.intake = Intake(ledger)
        self.stragglers = Stragglers(
            ledger,
            self.intake,
            Patience(lambda: True, metrics),
            Tidying(staging, ledger, self._clock, metrics),
            self._settle,
            self._clock,
        )

    def _clock(self) -> int:
        return 1000 * self.now_seconds

    def _settle(self, run: Run) -> None:
        if self.refusal:
            raise CallRefused(self.refusal, "struck")
        self.settled.append((run.mailbox, run.address, run.open_items, run.is_sent))


@pytest.fixture
def rear(target: Any, ledger: Ledger, metrics: ReplayMetrics) -> Rear:
    return Rear(target, ledger, metrics)


def test_a_mailbox_keeps_the_offset_where_it_first_stopped(rear: Rear, ledger: Ledger) -> None:
    rear.stragglers.fall_behind("m", 40, "ErrorQuotaExceeded")
    rear.stragglers.fall_behind("m", 70, "ErrorAccessDenied")
    record = ledger.mailbox("m")
    assert (record.own_offset, record.behind) == (40, "ErrorAccessDenied")


def test_a_mailbox_is_due_once_after_a_while(rear: Rear) -> None:
    rear.stragglers.fall_behind("m", 40, "ErrorQuotaExceeded")
    rear.now_seconds = RETRY_SECONDS - 1
    assert rear.stragglers.due({"m": "m@target.test"}) == {}
    rear.now_seconds = RETRY_SECONDS
    assert [rear.stragglers.due({"m": "m@target.test"}), rear.stragglers.due({"m": "m@target.test"})] == [{"m": 40}, {}]


@pytest.mark.parametrize(("committed", "expected"), [(None, None), (100, 40), (30, 30)])
def test_reading_begins_where_the_last_of_all_stopped(
    rear: Rear, ledger: Ledger, owned: Any, commit: Any, committed: int | None, expected: int | None
) -> None:
    rear.stragglers.fall_behind("m", 40, "ErrorQuotaExceeded")
    rear.stragglers.fall_behind("n", 60, "ErrorQuotaExceeded")
    ledger.put_mailbox(TargetMailbox(mailbox="level"))
    commit(ledger, owned)
    assert rear.stragglers.start_offset(committed) == expected


def test_resuming_forgets_the_offset_and_what_the_intake_had_let_through(
    rear: Rear, ledger: Ledger, making: Any
) -> None:
    change = making.received(making.change(SeedBegin(previous=None, reason=""), 1))
    rear.intake.judge(change)
    rear.stragglers.fall_behind(making.mailbox, 40, "ErrorQuotaExceeded")
    rear.stragglers.resume([making.mailbox], {}, 40)
    record = ledger.mailbox(making.mailbox)
    assert (record.behind, record.own_offset) == ("", -1)
    assert rear.intake.judge(change) is Verdict.TAKE


def test_open_intents_are_settled_before_the_mailbox_goes_on(rear: Rear, ledger: Ledger) -> None:
    ledger.put_mailbox(replace(TargetMailbox(mailbox="m"), unsettled=("a", "b"), behind="x", own_offset=40))
    rear.stragglers.resume(["m"], {"m": "first@target.test"}, 40)
    assert rear.settled == [("m", "first@target.test", ["a", "b"], True)]
    assert ledger.mailbox("m") == TargetMailbox(mailbox="m")


@pytest.mark.parametrize(
    ("addresses", "refusal", "behind"),
    [({}, "", "not-registered"), ({"m": "first@target.test"}, "ErrorQuotaExceeded", "ErrorQuotaExceeded")],
)
def test_a_mailbox_that_can_not_be_settled_stays_behind_and_is_tried_again(
    rear: Rear, ledger: Ledger, addresses: dict[str, str], refusal: str, behind: str
) -> None:
    rear.refusal = refusal
    ledger.put_mailbox(replace(TargetMailbox(mailbox="m"), unsettled=("a",)))
    rear.stragglers.resume(["m"], addresses, 40)
    record = ledger.mailbox("m")
    assert (record.behind, record.own_offset, record.unsettled) == (behind, 40, ("a",))
    rear.now_seconds = RETRY_SECONDS
    assert rear.stragglers.due({"m": "m@target.test"}) == {"m": 40}


def test_a_level_mailbox_is_not_written_again(rear: Rear, ledger: Ledger) -> None:
    rear.stragglers.resume(["m"], {"m": "first@target.test"}, 40)
    assert not ledger.is_dirty


def test_one_without_an_address_waits_until_it_has_one_and_no_longer(rear: Rear) -> None:
    rear.stragglers.fall_behind("m", 40, "not-registered")
    assert rear.stragglers.due({}) == {}
    assert rear.stragglers.due({"m": "m@target.test"}) == {"m": 40}
