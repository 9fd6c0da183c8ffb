"""A replay rests at the barrier and opens on an order: then nothing is written there, whatever arrives or dies."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.change import Marks, Version
from schemas.codec import decode, encode

KINDS = ("death", "partition lost", "answer unknown", "busy", "late", "very late")
READ = Marks(is_read=True)
WRITING = frozenset(
    {"upload", "create", "update", "move", "delete", "create_folder", "rename_folder", "move_folder", "delete_folder"}
)


def filled(world: Any) -> Any:
    source = world.source()
    source.folder("work-s", "Work")
    source.save("a", b"first")
    source.save("b", b"second", "work-s")
    return source


def activity(source: Any) -> None:
    source.save("a", b"first, edited")
    source.mark("b", READ)
    source.save("c", b"third", "work-s")
    source.move("b", "inbox-s")


def late_changes(source: Any) -> None:
    """What a broken or returned feed might still write."""
    source.save("d", b"late")
    source.mark("a", READ)
    source.delete("b")
    source.folder("late-s", "Late")
    source.reopen()


@pytest.fixture
def drained(world: Any) -> tuple[Any, Any]:
    source = filled(world)
    activity(source)
    source.close()
    world.replay()
    return world, source


def test_the_barrier_is_drained_when_everything_before_it_is_applied(drained: tuple[Any, Any]) -> None:
    world, source = drained
    record = world.mailbox_record()
    assert (record.role, record.promotion, record.opening) == ("DRAINED", "p1", "t")
    assert record.barrier == record.applied == Version(generation=1, sequence=source.sequence)
    assert record.unsettled == ()
    world.assert_exact(source)


def test_a_mailbox_that_is_behind_is_not_drained(world: Any) -> None:
    source = filled(world)
    world.order("PAUSE")
    world.replay()
    source.close()
    world.replay()
    assert world.mailbox_record().role == "MIRRORING"
    world.order("OPEN")
    world.replay()
    assert world.mailbox_record().role == "MIRRORING"


def test_open_writes_the_role_with_the_place_of_the_order(drained: tuple[Any, Any]) -> None:
    world, source = drained
    world.order("OPEN")
    world.replay()
    record = world.mailbox_record()
    assert (record.role, record.promotion, record.opened_at >= 0) == ("OPEN", "p1", True)
    assert world.owned.positions[world.topics.orders("t")] == 1
    world.assert_exact(source)


def test_a_barrier_that_names_another_target_opens_nothing_here(world: Any) -> None:
    source = filled(world)
    source.close("other")
    world.replay()
    world.order("OPEN", accepted=True)
    world.replay()
    assert world.mailbox_record().role == "DRAINED"


def test_what_an_operator_accepts_is_opened_as_it_stands(world: Any) -> None:
    source = filled(world)
    world.replay()
    world.order("PAUSE")
    world.replay()
    source.save("c", b"never applied")
    source.close()
    world.replay()
    world.order("OPEN", accepted=True)
    world.replay()
    record = world.mailbox_record()
    assert (record.role, record.behind, record.own_offset, record.unsettled) == ("OPEN", "", -1, ())
    assert record.barrier is None


@pytest.mark.parametrize(
    "kind", ["PAUSE", "RESUME", "RELEASE", "SKIP", "REDRIVE", "REDRIVE_FROM_EVIDENCE", "DROP", "OPEN"]
)
def test_nothing_is_written_after_open_whatever_is_ordered_or_logged(drained: tuple[Any, Any], kind: str) -> None:
    world, source = drained
    world.checksum_interval_seconds = 1.0
    world.order("OPEN")
    world.replay()
    record, items, orders = world.mailbox_record(), world.item_records(), world.orders()
    world.target.calls.clear()
    late_changes(source)
    source.prove()
    world.order(kind, world.making.key("a"), accepted=True)
    world.replay()
    world.replay()
    assert world.target.calls == []
    assert but_for_the_order(world) == but_for_the_order(world, record)
    assert world.item_records() == items
    assert world.orders() == orders


def test_nothing_is_written_after_open_of_a_mailbox_nobody_names_any_more(drained: tuple[Any, Any]) -> None:
    world, source = drained
    world.order("OPEN")
    world.replay()
    record = world.mailbox_record()
    world.addresses = {}
    late_changes(source)
    world.replay()
    assert world.mailbox_record() == record


def test_other_mailboxes_go_on_beside_one_that_is_open(drained: tuple[Any, Any]) -> None:
    world, _ = drained
    world.order("OPEN")
    world.replay()
    other = "f" * 20
    world.addresses = {**world.addresses, other: "other@target.test"}
    source = world.source(other)
    source.save("z", b"of another")
    world.replay()
    assert world.mailbox_record(other).applied.sequence == source.sequence


def test_after_the_barrier_nothing_is_asked_of_the_feed(drained: tuple[Any, Any]) -> None:
    world, source = drained
    source.sequence += 1
    source.save("d", b"after a gap")
    world.order("REDRIVE", world.making.key("a"))
    world.replay()
    assert world.orders() == []


@pytest.mark.parametrize("cut", [1, 1000])
def test_what_a_broken_feed_writes_after_the_barrier_is_not_applied(new_world: Callable[..., Any], cut: int) -> None:
    world = new_world(cut=cut)
    source = filled(world)
    source.close()
    expected = source.expected()
    source.save("d", b"after the barrier")
    source.delete("a")
    source.begin_seed()
    world.replay()
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == expected
    assert world.mailbox_record().role == "DRAINED"
    assert world.orders() == []


def but_for_the_order(world: Any, record: Any = None) -> Any:
    """The mailbox's record, but for which order about its role was read last."""
    return replace(record or world.mailbox_record(), ordered_offset=-1, ordered_at=0)


def of_another_promotion(world: Any) -> None:
    """Have the order given last come from another promotion."""
    given = world.ordered[-1]
    world.ordered[-1] = replace(given, value=encode(replace(decode(given.value), promotion="p2")))


@pytest.mark.parametrize("first", ["", "OPEN"])
def test_an_undoing_of_another_promotion_ends_no_rest(drained: tuple[Any, Any], first: str) -> None:
    world, _ = drained
    if first:
        world.order(first)
    world.replay()
    record = world.mailbox_record()
    world.order("REOPEN")
    of_another_promotion(world)
    world.replay()
    assert but_for_the_order(world) == but_for_the_order(world, replace(record, reopened="p2"))


def test_an_undoing_is_noted_where_there_is_nothing_to_undo(world: Any) -> None:
    """Whoever waits for it knows then that no order before it is under way."""
    filled(world)
    world.replay()
    world.order("REOPEN")
    of_another_promotion(world)
    world.replay()
    record = world.mailbox_record()
    assert (record.role, record.reopened) == ("MIRRORING", "p2")


@pytest.mark.parametrize(("accepted", "role"), [(False, "DRAINED"), (True, "OPEN")])
def test_the_barrier_of_another_promotion_opens_nothing_without_a_word(
    drained: tuple[Any, Any], role: str, *, accepted: bool
) -> None:
    world, _ = drained
    world.order("OPEN", accepted=accepted)
    of_another_promotion(world)
    world.replay()
    assert world.mailbox_record().role == role


def test_staging_is_clean_when_the_target_is_opened(drained: tuple[Any, Any]) -> None:
    world, _ = drained
    world.target.add_item(next(iter(world.mailbox_record().staging.values())), b"left by a doubt")
    world.rests, world.rest_seconds = 1, 0
    assert world.target.staged() != []
    world.order("OPEN")
    world.replay()
    assert world.mailbox_record().role == "OPEN"
    assert world.target.staged() == []


def test_a_new_generation_ends_the_rest_and_is_applied(drained: tuple[Any, Any]) -> None:
    world, source = drained
    source.save("d", b"fourth")
    source.log.pop()
    source.reopen()
    world.replay()
    record = world.mailbox_record()
    assert (record.role, record.barrier, record.generation) == ("MIRRORING", None, 2)
    world.assert_exact(source)


def test_a_reopened_target_is_applied_to_again(drained: tuple[Any, Any]) -> None:
    world, source = drained
    world.order("OPEN")
    world.replay()
    world.order("REOPEN")
    world.replay()
    source.reopen()
    source.save("d", b"fourth")
    world.replay()
    assert world.mailbox_record().role == "MIRRORING"
    world.assert_exact(source)


@pytest.mark.parametrize("kind", KINDS)
def test_one_adversity_at_any_boundary_leaves_the_target_exact_and_open(
    new_world: Callable[..., Any], adversity: Any, kind: str
) -> None:
    def play(strikes: dict[int, str]) -> Any:
        world = new_world()
        source = filled(world)
        world.replay()
        activity(source)
        source.close()
        struck = adversity(strikes)
        world.replay_through(struck)
        world.order("OPEN")
        world.replay_through(struck)
        late_changes_begin = len(world.target.calls)
        assert world.mailbox_record().role == "OPEN"
        world.assert_exact(source)
        late_changes(source)
        world.replay()
        assert not WRITING & set(world.target.calls[late_changes_begin:])
        return struck

    undisturbed = play({})
    assert undisturbed.places(kind)
    for number in undisturbed.places(kind):
        try:
            play({number: kind})
        except AssertionError as error:
            error.add_note(f"{kind} at {undisturbed.boundaries[number]}, boundary {number}")
            raise


def test_a_mailbox_opened_while_it_was_behind_is_not_tried_again(world: Any) -> None:
    """Its retry was due later: going back for it would read the whole partition from nowhere."""
    source = filled(world)
    world.replay()
    source.save("c", b"refused")
    world.target.refuse_content[b"refused"] = "ErrorQuotaExceeded"
    source.close()
    is_ordered = False

    def order_when_behind(_name: str, _when: str) -> None:
        nonlocal is_ordered
        if world.mailbox_record().behind and not is_ordered:
            is_ordered = True
            world.order("OPEN", accepted=True)

    world.rests, world.rest_seconds = 60, 2
    world.seeks.clear()
    world.replay_hooked(order_when_behind)
    assert world.mailbox_record().role == "OPEN"
    assert world.seeks == []
