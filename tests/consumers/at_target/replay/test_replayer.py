"""Rules of the whole replay, one by one; what adversity does to them is in test_exactness.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consumers.dead_letters import DeadLetterLimitError
from schemas.change import Marks
from schemas.codec import decode
from schemas.state import ItemState

FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",), importance="High")
READ = Marks(is_read=True)
LIMIT = "dead-letter-limit"


def known(source: Any) -> None:
    """Three items and two folders that are committed before what a test is about."""
    source.folder("work-s", "Work")
    source.folder("plans-s", "Plans", "work-s")
    source.save("a", b"first")
    source.save("b", b"second", "work-s")
    source.save("c", b"third", "plans-s")


@contextmanager
def failing_at(place: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note(place)
        raise


def test_an_item_that_is_moved_keeps_its_stamp_and_sends_no_content(world: Any) -> None:
    source = world.source()
    known(source)
    world.replay()
    world.target.calls.clear()
    source.move("a", "work-s")
    source.mark("b", FLAGGED)
    world.replay()
    world.assert_exact(source)
    assert {"upload", "create"} & set(world.target.calls) == set()
    assert world.target.calls.count("move") == 1


def test_a_seed_of_an_unchanged_mailbox_writes_nothing_at_the_target(world: Any) -> None:
    source = world.source()
    known(source)
    world.replay()
    world.target.calls.clear()
    source.seed()
    world.replay()
    assert {"upload", "create", "update", "move", "delete", "create_folder"} & set(world.target.calls) == set()


def test_users_deletions_are_soft_and_superseded_items_are_gone_for_good(world: Any) -> None:
    source = world.source()
    known(source)
    world.replay()
    source.save("a", b"first, edited")
    source.delete("b")
    world.replay()
    assert [i.content for i in world.target.recoverable] == [b"second"]


def test_new_content_stands_in_for_what_a_user_moved_away(world: Any) -> None:
    source = world.source()
    known(source)
    world.replay()
    ids = {item.content: i for i, item in world.target.items.items()}
    world.target.move(world.making.address, [ids[b"first"]], world.target.items[ids[b"second"]].folder_id)
    source.save("a", b"first, edited")
    world.replay()
    visible = world.target.visible()
    assert visible.pop("foreign")
    assert visible == source.expected()


def test_new_content_leaves_the_copy_of_what_a_user_deleted(world: Any) -> None:
    source = world.source()
    known(source)
    world.replay()
    item_id, item = next((i, item) for i, item in world.target.items.items() if item.content == b"first")
    copy_id = world.target.add_item(world.foreign_folder_id, b"first", item.stamp)
    world.target.delete(world.making.address, [item_id], hard=False)
    source.save("a", b"first, edited")
    world.replay()
    assert copy_id in world.target.items


def test_content_the_target_refuses_parks_its_item_alone_with_the_evidence(world: Any) -> None:
    source = world.source()
    world.target.refuse_content[b"bad"] = "ErrorCorruptData"
    source.save("a", b"bad")
    source.mark("a", FLAGGED)
    source.save("b", b"good")
    world.replay()
    assert source.making.key("a") not in world.target.visible()
    assert world.target.visible()[source.making.key("b")] == source.expected()[source.making.key("b")]
    letters = [decode(r.value) for r in world.owned.history(world.topics.dead_letters("t"))]
    assert [(letter.reason, letter.change) for letter in letters] == [("ErrorCorruptData", world.log[3].value)]
    (record,) = [r for r in world.item_records() if r.item == source.making.key("a")]
    assert (record.state, record.marks) == (ItemState.PARKED, FLAGGED)


def test_a_parked_item_is_placed_by_the_answer_to_a_want_and_discarded_by_a_deletion(world: Any) -> None:
    source = world.source()
    world.target.refuse_content |= {b"bad": "ErrorCorruptData"}
    source.save("a", b"bad")
    source.save("b", b"bad")
    world.replay()
    world.target.refuse_content.clear()
    source.name("a", "t")
    source.delete("b")
    world.replay()
    world.assert_exact(source)


def test_a_lost_change_makes_the_mailbox_wait_and_orders_one_seed(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    source.lose()
    source.save("b", b"second")
    source.save("c", b"third")
    world.replay()
    assert world.mailbox_record().waiting == "lost sequence"
    assert world.orders() == [("SEED", ())]
    assert set(world.target.visible()) == {source.making.key("a"), "foreign"}


def test_a_loss_in_the_batch_of_a_seed_makes_the_mailbox_wait(world: Any) -> None:
    source = world.source()
    source.lose()
    source.save("a", b"first")
    world.replay()
    assert world.mailbox_record().waiting == "lost sequence"


def test_a_seed_after_a_loss_is_taken_with_what_follows_it_in_the_same_batch(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    source.lose()
    source.save("b", b"second")
    world.replay()
    source.seed()
    world.replay()
    world.assert_exact(source, orders=True)
    assert world.orders() == [("SEED", ())]


def test_a_change_of_an_unknown_item_orders_its_content_and_the_answer_places_it(world: Any) -> None:
    source = world.source()
    source.items["a"] = ("inbox-s", b"first", READ, "ck")
    source.mark("a", FLAGGED)
    world.replay()
    assert world.orders() == [("WANT", (source.making.key("a"),))]
    source.name("a", "t")
    world.replay()
    world.assert_exact(source, orders=True)


def test_a_want_is_ordered_although_its_process_died_at_any_boundary(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def play(strikes: dict[int, str]) -> tuple[Any, Any]:
        world = new_world()
        source = world.source()
        world.replay()
        source.items["a"] = ("inbox-s", b"first", READ, "ck")
        source.mark("a", FLAGGED)
        struck = adversity(strikes)
        world.replay_through(struck)
        return world, struck

    _, undisturbed = play({})
    for number in undisturbed.places("death"):
        world, _ = play({number: "death"})
        with failing_at(f"death at {undisturbed.boundaries[number]}, boundary {number}"):
            assert ("WANT", (world.making.key("a"),)) in world.orders()


def test_an_item_a_user_deleted_at_the_target_is_asked_for_again(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    (item_id,) = [i for i in world.target.items if i not in world.foreign.values()]
    del world.target.items[item_id]
    source.mark("a", FLAGGED)
    world.replay()
    assert world.orders() == [("WANT", (source.making.key("a"),))]
    source.name("a", "t")
    world.replay()
    assert world.target.visible()[source.making.key("a")] == source.expected()[source.making.key("a")]


def test_a_mark_of_an_item_changed_at_the_target_wins_and_the_rest_stays(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    for item in world.target.items.values():
        item.change_key = f"users-{item.change_key}"
    source.mark("a", FLAGGED)
    world.replay()
    world.assert_exact(source)


def test_a_folder_deleted_after_its_making_was_cut_off_goes_at_the_target_too(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def play(strikes: dict[int, str]) -> tuple[Any, Any, Any]:
        world = new_world()
        source = world.source()
        source.folder("new-s", "New")
        struck = adversity(strikes)
        world.replay_through(struck)
        source.drop_folder("new-s")
        world.replay()
        return world, source, struck

    _, _, undisturbed = play({})
    for number in undisturbed.places("death"):
        world, source, _ = play({number: "death"})
        with failing_at(f"death at {undisturbed.boundaries[number]}, boundary {number}"):
            world.assert_exact(source)


def test_many_changes_parked_one_after_the_other_hold_their_mailbox_and_no_other(world: Any) -> None:
    world.addresses["ffffffffffffffffffff"] = "second@target.test"
    source, other = world.source(), world.source("ffffffffffffffffffff")
    world.cut = 2
    world.target.refuse_content |= {b"bad": "ErrorCorruptData"}
    for number in range(103):
        source.save(f"a{number}", b"bad")
        other.save(f"b{number}", b"good")
    world.replay()
    record = world.mailbox_record()
    assert (record.tripped, record.behind) == (LIMIT, LIMIT)
    assert sum(r.state is ItemState.PARKED for r in world.item_records()) == 100
    assert other.expected().items() <= world.target.visible().items()
    world.order("RELEASE")
    world.replay()
    assert sum(r.state is ItemState.PARKED for r in world.item_records()) == 103
    assert world.mailbox_record().behind == ""


def test_what_held_a_mailbox_can_be_mended_and_then_nothing_is_parked(world: Any) -> None:
    source = world.source()
    world.target.refuse_content |= {b"bad": "ErrorCorruptData"}
    for number in range(103):
        source.save(f"a{number}", b"bad")
    world.replay()
    assert world.item_records() == []
    world.target.refuse_content.clear()
    world.order("RESUME")
    world.replay()
    world.assert_exact(source)


def test_several_mailboxes_at_the_limit_stop_the_line(world: Any) -> None:
    world.target.refuse_content |= {b"bad": "ErrorCorruptData"}
    for number in range(4):
        mailbox = f"{number:x}" * 20
        world.addresses[mailbox] = f"user{number}@target.test"
        source = world.source(mailbox)
        for one in range(101):
            source.save(f"a{number}-{one}", b"bad")
    with pytest.raises(DeadLetterLimitError, match="mailboxes within an hour"):
        world.replay()


def test_a_want_whose_order_was_lost_is_asked_again(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    world.target.items.pop(next(i for i, m in world.target.items.items() if m.content == b"first"))
    source.mark("a", Marks(is_read=True))
    world.replay()
    assert [kind for kind, _ in world.orders()] == ["WANT"]
    world.rest_seconds, world.rests = 600, 10
    world.replay()
    assert [kind for kind, _ in world.orders()] == ["WANT", "WANT"]
