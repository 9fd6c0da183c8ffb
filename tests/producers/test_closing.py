"""A feed's role ends with a barrier: after it nothing is captured, whatever is ordered and whoever dies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers import item_look
from schemas.change import Barrier, ItemSaved, ItemUnreadable, SeedBegin, SeedEnd, Version
from schemas.codec import decode
from schemas.faults import ReplicationFault
from schemas.ports import CallRefused
from schemas.state import MailboxRecord, Order, SourceRole
from schemas.topics import mailbox_key

from .replica import assert_equal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Rig


def record_of(rig: Rig) -> MailboxRecord:
    found = decode(rig.owned.get(rig.topics.mailboxes, mailbox_key(rig.mailbox)) or b"")
    assert isinstance(found, MailboxRecord)
    return found


def order(rig: Rig, kind: str, *items: str, planned: bool = False, seconds: int = 60) -> None:
    rig.order(
        Order(
            mailbox=rig.mailbox, kind=kind, items=items, target="one", reason="test", issued_at=500,
            until=500 + 1000 * seconds, promotion="p1", planned=planned,
        )
    )  # fmt: skip


def barriers(rig: Rig) -> list[Barrier]:
    return [c.operation for c in rig.changes() if isinstance(c.operation, Barrier)]


@pytest.fixture
def copied(rig: Rig) -> Rig:
    """A mailbox with one item, captured."""
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    return rig


@pytest.mark.parametrize(
    ("code", "is_waited_for"), [(ReplicationFault.NO_PORTABLE_FORM, False), ("ErrorTimeoutExpired", True)]
)
def test_a_planned_close_waits_for_no_item_that_can_never_be_read(
    copied: Rig, code: str, *, is_waited_for: bool
) -> None:
    item_id = copied.source.add(copied.source.inbox)
    copied.source.items_by_id[item_id].refusals["export"] = code
    copied.spin(3)
    order(copied, "CLOSE", planned=True, seconds=3600)
    copied.spin(3)
    assert bool(barriers(copied)) is not is_waited_for


def test_a_first_copy_ends_beside_an_item_that_can_never_be_read(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["export"] = ReplicationFault.NO_PORTABLE_FORM
    rig.spin(6)
    assert [type(c.operation) for c in rig.changes()][-2:] == [ItemUnreadable, SeedEnd]
    assert record_of(rig).seed_begun == 0


def refuse() -> None:
    raise CallRefused("connection-refused", "dead")


def test_a_close_without_a_source_writes_barrier_role_and_position_in_one_transaction(copied: Rig) -> None:
    last = copied.changes()[-1].version
    order(copied, "CLOSE")
    copied.owned.failing.append("lost")
    copied.spin(1)
    assert not barriers(copied)
    assert record_of(copied).role == SourceRole.MIRRORING
    assert not copied.owned.positions
    copied.source.calls.clear()
    copied.spin(1)
    (barrier,) = barriers(copied)
    record = record_of(copied)
    assert copied.owned.positions == {copied.orders_topic: 1}
    assert (record.role, record.barrier) == (SourceRole.FENCED, Version(generation=1, sequence=last.sequence + 1))
    assert copied.changes()[-1].version == record.barrier
    assert (barrier.promotion, barrier.target, barrier.planned, barrier.complete) == ("p1", "one", False, False)
    assert barrier.certain_up_to == record.certain_up_to > 0
    assert copied.source.calls == []


def test_after_the_barrier_nothing_is_captured(copied: Rig) -> None:
    order(copied, "CLOSE")
    copied.spin(1)
    said = len(copied.changes())
    copied.source.add(copied.source.inbox)
    copied.source.calls.clear()
    copied.spin(20)
    copied.crash()
    copied.spin(20)
    assert len(copied.changes()) == said
    assert copied.source.calls == []


@pytest.mark.parametrize("kind", ["WANT", "SEED", "PAUSE", "RESUME", "CLOSE"])
def test_after_the_barrier_other_orders_are_refused_and_passed(copied: Rig, kind: str) -> None:
    order(copied, "CLOSE")
    copied.spin(1)
    said, before = len(copied.changes()), record_of(copied)
    order(copied, kind, "0" * 32)
    copied.spin(5)
    assert len(copied.changes()) == said
    after = record_of(copied)
    assert replace(after, ordered_offset=before.ordered_offset, ordered_at=before.ordered_at) == before
    assert copied.owned.positions == {copied.orders_topic: 2}


def test_a_want_in_the_same_breath_as_the_close_is_answered_only_before_it(copied: Rig) -> None:
    order(copied, "WANT", "0" * 32)
    order(copied, "CLOSE")
    order(copied, "WANT", "1" * 32)
    copied.spin(3)
    assert isinstance(copied.changes()[-1].operation, Barrier)
    assert record_of(copied).barrier == copied.changes()[-1].version
    assert [c.sequence for c in copied.changes()] == list(range(1, len(copied.changes()) + 1))


def test_a_planned_close_reads_the_source_until_a_round_begun_after_it_finds_nothing(copied: Rig) -> None:
    copied.source.add(copied.source.inbox)
    copied.source.before("items", lambda: copied.source.add(copied.source.inbox))
    order(copied, "CLOSE", planned=True)
    copied.spin(1, milliseconds=0)
    assert record_of(copied).role == SourceRole.CLOSED
    assert not barriers(copied)
    copied.spin(40)
    (barrier,) = barriers(copied)
    assert (barrier.planned, barrier.complete, barrier.owed, barrier.pending) == (True, True, 0, 0)
    saved = [c for c in copied.changes() if isinstance(c.operation, ItemSaved)]
    assert len({c.operation.ref.item for c in saved if isinstance(c.operation, ItemSaved)}) == 3
    assert copied.changes()[-1].version == record_of(copied).barrier
    assert barrier.certain_up_to >= record_of(copied).closed_at


def test_a_round_that_was_under_way_at_the_close_does_not_count(copied: Rig) -> None:
    """Begun in the same millisecond, and the mail came after it had looked."""
    copied.rest()
    copied.source.before("probe", lambda: order(copied, "CLOSE", planned=True))
    while not copied.owned.log[copied.orders_topic]:
        copied.spin(1, milliseconds=0)
    copied.source.add(copied.source.inbox)
    copied.spin(1, milliseconds=0)
    assert not barriers(copied)
    copied.spin(40)
    assert [b.complete for b in barriers(copied)] == [True]
    assert sum(isinstance(c.operation, ItemSaved) for c in copied.changes()) == 2


def test_a_planned_close_gives_up_when_its_time_is_over_and_says_so(copied: Rig) -> None:
    for _ in range(200):
        copied.source.before("probe", refuse)
    order(copied, "CLOSE", planned=True, seconds=30)
    copied.spin(25)
    assert not barriers(copied)
    copied.spin(20)
    (barrier,) = barriers(copied)
    assert (barrier.planned, barrier.complete) == (True, False)
    assert record_of(copied).role == SourceRole.FENCED


def test_a_source_that_dies_in_a_planned_close_is_fenced_by_an_unplanned_one(copied: Rig) -> None:
    for _ in range(200):
        copied.source.before("probe", refuse)
    order(copied, "CLOSE", planned=True, seconds=3000)
    copied.spin(10)
    order(copied, "CLOSE")
    copied.spin(1)
    (barrier,) = barriers(copied)
    assert (barrier.planned, barrier.complete) == (False, False)


def test_a_paused_mailbox_is_fenced_at_once_and_never_called_complete(copied: Rig) -> None:
    order(copied, "PAUSE")
    copied.spin(2)
    order(copied, "CLOSE", planned=True)
    copied.spin(1)
    assert [b.complete for b in barriers(copied)] == [False]


def test_a_round_under_way_is_dropped_by_an_unplanned_close_and_leaves_no_gap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_look, "PART_DRAFTS_MAX", 10)
    for _ in range(120):
        rig.source.add(rig.source.inbox)
    rig.source.page_items_max = 10
    rig.spin(2)
    assert rig.changes()
    order(rig, "CLOSE")
    rig.spin(5)
    assert isinstance(rig.changes()[-1].operation, Barrier)
    assert [c.sequence for c in rig.changes()] == list(range(1, len(rig.changes()) + 1))
    assert len([c for c in rig.changes() if isinstance(c.operation, ItemSaved)]) < 120


def test_a_feed_that_may_not_capture_obeys_and_asks_the_source_nothing(copied: Rig) -> None:
    copied.crash()
    copied.is_capturing = False
    copied.source.calls.clear()
    copied.spin(3)
    said = len(copied.changes())
    order(copied, "CLOSE", planned=True)
    copied.spin(3)
    assert [b.complete for b in barriers(copied)] == [False]
    assert len(copied.changes()) == said + 1
    assert copied.source.calls == []


def test_a_fenced_mailbox_stays_so_when_the_state_is_lost(copied: Rig) -> None:
    order(copied, "CLOSE")
    copied.spin(2)
    before, said = record_of(copied), len(copied.changes())
    copied.owned.state.clear()
    copied.crash()
    copied.source.add(copied.source.inbox)
    copied.spin(10)
    found = record_of(copied)
    assert (found.role, found.barrier, found.next_sequence) == (before.role, before.barrier, before.next_sequence)
    assert len(copied.changes()) == said
    order(copied, "REOPEN")
    copied.spin(20)
    assert record_of(copied).generation == 2
    assert_equal(copied)


def test_a_mailbox_that_was_never_captured_is_not_closed(rig: Rig) -> None:
    rig.is_capturing = False
    order(rig, "CLOSE")
    rig.spin(3)
    assert not rig.changes()
    assert rig.owned.positions == {rig.orders_topic: 1}


def test_a_reopened_mailbox_begins_a_generation_that_names_the_barrier_and_misses_nothing(copied: Rig) -> None:
    order(copied, "CLOSE")
    copied.spin(2)
    barrier = record_of(copied).barrier
    copied.source.add(copied.source.inbox)
    order(copied, "REOPEN")
    copied.spin(20)
    first = next(c for c in copied.changes() if c.generation == 2)
    assert first.version == Version(generation=2, sequence=1)
    assert first.operation == SeedBegin(previous=barrier, reason="reopened")
    record = record_of(copied)
    assert (record.role, record.barrier, record.promotion) == (SourceRole.MIRRORING, None, "")
    assert_equal(copied)


def test_an_undoing_is_noted_where_there_is_nothing_to_undo(copied: Rig) -> None:
    order(copied, "REOPEN")
    copied.spin(2)
    record = record_of(copied)
    assert (record.role, record.generation, record.reopened) == (SourceRole.MIRRORING, 1, "p1")


def test_reopening_before_the_barrier_keeps_the_generation(copied: Rig) -> None:
    for _ in range(3):
        copied.source.before("probe", refuse)
    order(copied, "CLOSE", planned=True)
    copied.spin(1)
    order(copied, "REOPEN")
    copied.source.add(copied.source.inbox)
    copied.spin(20)
    assert not barriers(copied)
    assert (record_of(copied).role, record_of(copied).generation) == (SourceRole.MIRRORING, 1)
    assert_equal(copied)


def test_close_and_reopen_in_one_breath_leave_no_barrier(copied: Rig) -> None:
    order(copied, "CLOSE")
    order(copied, "REOPEN")
    copied.source.add(copied.source.inbox)
    copied.spin(20)
    assert not barriers(copied)
    assert record_of(copied).generation == 1
    assert_equal(copied)


@pytest.mark.parametrize("failure", ["lost", "unclear"])
@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("number", range(6))
def test_a_death_at_any_transaction_leaves_one_barrier_at_the_end_of_a_dense_log(
    copied: Rig, number: int, failure: str, *, planned: bool
) -> None:
    copied.source.add(copied.source.inbox)
    order(copied, "CLOSE", planned=planned)
    copied.owned.failing += ["" for _ in range(number)] + [failure]
    copied.spin(40)
    assert len(barriers(copied)) == 1
    assert isinstance(copied.changes()[-1].operation, Barrier)
    assert record_of(copied).barrier == copied.changes()[-1].version
    assert [c.sequence for c in copied.changes()] == list(range(1, len(copied.changes()) + 1))
    if planned:
        assert barriers(copied)[0].complete
        assert sum(isinstance(c.operation, ItemSaved) for c in copied.changes()) >= 2


def test_orders_are_looked_for_while_the_source_is_slow(copied: Rig) -> None:
    """Two mailboxes whose calls take long: the close of the first is obeyed before the second is read."""
    copied.registered = {"0" * 20: "ben@source.test", **copied.registered}
    copied.spin(3)

    def slow() -> None:
        copied.now += 5_000
        order(copied, "CLOSE")
        copied.source.before("probe", lambda: pytest.fail("the close waits behind a slow source"))

    copied.now += 60_000
    copied.source.before("probe", slow)
    copied.spin(2)
    copied.source.hooks["probe"].clear()
    copied.spin(1)
    assert barriers(copied)


STEPS = (
    "CLOSE",
    "CLOSE PLANNED",
    "REOPEN",
    "WANT",
    "SEED",
    "PAUSE",
    "RESUME",
    "add",
    "move away",
    "rest",
    "crash",
    "lost",
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_no_sequence_of_orders_captures_between_a_barrier_and_the_next_generation(
    new_rig: Callable[[], Rig], steps: list[str]
) -> None:
    rig = new_rig()
    rig.source.add(rig.source.inbox)
    rig.spin(3)
    for step in steps:
        match step:
            case "add":
                rig.source.add(rig.source.inbox)
            case "move away":
                rig.source.delete(next(iter(rig.source.items_by_id), "")) if rig.source.items_by_id else None
            case "rest":
                rig.spin(3)
            case "crash":
                rig.crash()
            case "lost":
                rig.owned.failing.append("unclear")
                rig.spin(1)
            case "CLOSE PLANNED":
                order(rig, "CLOSE", planned=True, seconds=20)
            case _:
                order(rig, step, *(["0" * 32] if step == "WANT" else []))
    rig.spin(4)
    ended: set[int] = set()
    sequences: dict[int, list[int]] = {}
    for change in rig.changes():
        assert change.generation not in ended, "something was captured after a barrier"
        sequences.setdefault(change.generation, []).append(change.sequence)
        if isinstance(change.operation, Barrier):
            ended.add(change.generation)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    order(rig, "RESUME")
    order(rig, "REOPEN")
    order(rig, "RESUME")
    rig.spin(30)
    assert_equal(rig)


# -- orders read again -----------------------------------------------------------------------------------------------


def test_a_close_that_is_read_again_after_a_return_fences_nothing(copied: Rig) -> None:
    """The position of the orders is lost, and they are read from the start of their topic."""
    order(copied, "CLOSE")
    copied.spin(5)
    order(copied, "REOPEN")
    copied.spin(5)
    rig_order_of(copied, "CLOSE", "p2")
    copied.spin(5)
    rig_order_of(copied, "REOPEN", "p2")
    copied.spin(20)
    before = record_of(copied)
    assert before.role == SourceRole.MIRRORING
    copied.crash()
    copied.owned.positions.pop(copied.orders_topic)
    copied.spin(60)
    after = record_of(copied)
    assert after.role == SourceRole.MIRRORING
    assert (after.generation, after.ordered_offset) == (before.generation, 3)


def rig_order_of(rig: Rig, kind: str, promotion: str) -> None:
    rig.order(
        Order(
            mailbox=rig.mailbox, kind=kind, items=(), target="one", reason="test", issued_at=rig.now,
            promotion=promotion,
        )
    )  # fmt: skip


def test_a_later_order_of_a_topic_made_anew_is_obeyed_although_its_offset_is_lower(copied: Rig) -> None:
    for kind in ("CLOSE", "REOPEN"):
        order(copied, kind)
        copied.spin(5)
    copied.crash()
    copied.owned.log[copied.orders_topic].clear()
    copied.owned.positions.pop(copied.orders_topic)
    rig_order_of(copied, "CLOSE", "p2")
    copied.spin(5)
    assert record_of(copied).role == SourceRole.FENCED


@pytest.mark.parametrize("kept", ["MIRRORING", "FENCED"])
def test_where_the_state_is_lost_orders_that_the_log_has_gone_past_are_void(copied: Rig, kept: str) -> None:
    order(copied, "CLOSE")
    copied.spin(5)
    if kept == "MIRRORING":
        order(copied, "REOPEN")
    copied.spin(20)
    copied.owned.appended_at[copied.topics.changes] = copied.now
    copied.crash()
    copied.owned.state.clear()
    copied.owned.positions.clear()
    copied.spin(20)
    assert record_of(copied).role == kept
    rig_order_of(copied, "CLOSE" if kept == "MIRRORING" else "REOPEN", "p1")
    copied.spin(5)
    assert record_of(copied).role != kept
