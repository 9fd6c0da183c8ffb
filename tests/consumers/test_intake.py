from dataclasses import replace
from typing import Any

import pytest

from consumers.intake import Intake, Verdict
from consumers.ledger import Ledger
from schemas.change import ItemDeleted, SeedBegin
from schemas.state import TargetMailbox

TAKE, SKIP, LOST = Verdict.TAKE, Verdict.SKIP, Verdict.LOST


@pytest.fixture
def judge(making: Any, ledger: Ledger) -> Any:
    intake = Intake(ledger)

    def judged(sequence: int, generation: int = 1, *, is_seed: bool = False, mailbox: str = making.mailbox) -> Verdict:
        operation = SeedBegin(previous=None, reason="") if is_seed else ItemDeleted(ref=making.ref("a"))
        return intake.judge(making.received(making.change(operation, sequence, generation, mailbox)))

    return judged


@pytest.fixture
def applied(making: Any, ledger: Ledger) -> TargetMailbox:
    record = TargetMailbox(mailbox=making.mailbox, generation=1, applied_sequence=4)
    ledger.put_mailbox(record)
    return record


def test_the_next_change_is_taken_and_the_one_after_it_before_the_first_is_applied(
    judge: Any, applied: TargetMailbox
) -> None:
    assert [judge(5), judge(6), judge(7)] == [TAKE, TAKE, TAKE]
    assert applied.applied_sequence == 4


@pytest.mark.usefixtures("applied")
def test_what_was_applied_or_taken_before_is_skipped(judge: Any) -> None:
    assert [judge(3), judge(4), judge(5), judge(5)] == [SKIP, SKIP, TAKE, SKIP]
    assert judge(9, generation=0) == SKIP


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize(("sequence", "generation"), [(6, 1), (1, 2), (5, 2)])
def test_a_gap_is_a_loss_and_nothing_after_it_is_taken_until_a_seed(judge: Any, sequence: int, generation: int) -> None:
    assert judge(sequence, generation) == LOST
    assert [judge(sequence + 1, generation), judge(5)] == [SKIP, SKIP]
    assert judge(sequence + 2, generation, is_seed=True) == TAKE
    assert judge(sequence + 3, generation) == TAKE


@pytest.mark.usefixtures("applied")
def test_a_seed_is_taken_across_any_gap_and_in_a_new_generation(judge: Any) -> None:
    assert judge(9, is_seed=True) == TAKE
    assert [judge(10), judge(12)] == [TAKE, LOST]
    assert judge(1, generation=2, is_seed=True) == TAKE
    assert judge(2, generation=2) == TAKE


def test_a_gap_is_named_once_unless_a_seed_filled_it(making: Any, ledger: Ledger, applied: TargetMailbox) -> None:
    intake = Intake(ledger)

    def judged(sequence: int, operation: Any) -> Verdict:
        return intake.judge(making.received(making.change(operation, sequence)))

    deletion, seed = ItemDeleted(ref=making.ref("a")), SeedBegin(previous=None, reason="")
    assert judged(applied.applied_sequence + 2, deletion) == LOST
    assert [intake.lost(), intake.lost()] == [{making.mailbox}, set()]
    judged(applied.applied_sequence + 3, deletion)
    judged(applied.applied_sequence + 4, seed)
    assert intake.lost() == set()


@pytest.mark.usefixtures("applied")
def test_an_old_seed_is_skipped(judge: Any) -> None:
    assert judge(4, is_seed=True) == SKIP


def test_a_waiting_mailbox_takes_nothing_but_a_seed(judge: Any, ledger: Ledger, applied: TargetMailbox) -> None:
    ledger.put_mailbox(replace(applied, waiting="lost sequence"))
    assert [judge(5), judge(7)] == [SKIP, SKIP]
    assert [judge(8, is_seed=True), judge(9)] == [TAKE, TAKE]


def test_a_mailbox_behind_takes_nothing_and_begins_where_it_stopped(
    judge: Any, ledger: Ledger, applied: TargetMailbox
) -> None:
    assert [judge(5), judge(6)] == [TAKE, TAKE]
    ledger.put_mailbox(replace(applied, behind="ErrorQuotaExceeded"))
    assert [judge(7), judge(8, is_seed=True)] == [SKIP, SKIP]
    ledger.put_mailbox(applied)
    assert [judge(5), judge(6)] == [TAKE, TAKE]


def test_what_was_let_through_and_not_applied_is_taken_again_once_forgotten(making: Any, ledger: Ledger) -> None:
    intake = Intake(ledger)
    change = making.received(making.change(SeedBegin(previous=None, reason=""), 1))
    assert [intake.judge(change), intake.judge(change)] == [TAKE, SKIP]
    intake.forget(making.mailbox)
    assert intake.judge(change) == TAKE


@pytest.mark.usefixtures("applied")
def test_a_gap_of_one_mailbox_is_nothing_to_another(judge: Any) -> None:
    assert judge(9) == LOST
    assert judge(1, generation=0, mailbox="ffffffffffffffffffff") == TAKE
