"""A target that holds a part of each mailbox: what is out of scope is never there, what comes in is asked for."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from consumers.feed_orders import FeedOrders
from consumers.scope import Scope
from schemas.change import Marks
from schemas.codec import decode, encode
from schemas.ports import PartitionLost

READ = Marks(is_read=True)
DAY_MS = 86_400_000


@pytest.fixture
def partial(new_world: Callable[..., Any]) -> Callable[[], tuple[Any, Any]]:
    """Returns a maker of a world that leaves out "Old", with an item inside, one outside and one below it."""

    def make() -> tuple[Any, Any]:
        world = new_world(scope=Scope(folders_left_out=("Old",)))
        source = world.source()
        source.folder("old-s", "Old")
        source.folder("below-s", "Below", "old-s")
        source.save("in", b"in scope")
        source.save("out", b"out of scope", "old-s")
        source.save("below", b"below it", "below-s")
        world.replay()
        return world, source

    return make


def held(world: Any) -> set[bytes]:
    return {content for states in world.target.visible().values() for _, content, _ in states} - {b"mine"}


def test_what_is_left_out_is_not_at_the_target_and_its_marks_ask_for_nothing(
    partial: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = partial()
    source.mark("out", READ)
    source.delete("below")
    world.replay()
    assert held(world) == {b"in scope"}
    assert world.target.tree() == {"msgfolderroot/Mine"}
    assert world.orders() == []


def test_what_comes_into_scope_is_asked_of_the_feed_and_placed_by_its_answer(
    partial: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = partial()
    source.move("out", "inbox-s")
    world.replay()
    assert world.orders() == [("WANT", (world.making.key("out"),))]
    source.name("out", "t")
    world.replay()
    assert held(world) == {b"in scope", b"out of scope"}


def test_what_leaves_the_scope_is_withdrawn_whatever_happens_on_the_way(
    partial: Callable[[], tuple[Any, Any]], adversity: Any
) -> None:
    world, source = partial()
    source.move("in", "old-s")
    undisturbed = adversity()
    world.replay_through(undisturbed)
    for kind in ("death", "answer unknown", "late"):
        for number in undisturbed.places(kind):
            world, source = partial()
            source.move("in", "old-s")
            world.replay_through(adversity({number: kind}))
            assert held(world) == set(), (kind, number)
            assert world.target.staged() == []
            source.move("in", "inbox-s")
            world.replay()
            assert world.orders() == [("WANT", (world.making.key("in"),))]


def test_a_folder_that_leaves_the_scope_makes_its_mailbox_be_said_again_and_goes_with_its_items(
    partial: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = partial()
    source.folder("work-s", "Work")
    source.save("job", b"job", "work-s")
    world.replay()
    assert held(world) == {b"in scope", b"job"}
    source.folder("work-s", "Work", "old-s")
    world.replay()
    assert world.orders() == [("SEED", ())]
    source.seed()
    world.replay()
    assert held(world) == {b"in scope"}
    assert world.target.tree() == {"msgfolderroot/Mine"}
    assert world.orders() == [("SEED", ())]


def test_another_scope_in_the_settings_makes_every_mailbox_be_said_again_once(
    partial: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = partial()
    world.scope = Scope()
    world.replay()
    world.replay()
    assert world.orders() == [("SEED", ())]
    source.seed()
    world.replay()
    world.assert_exact(source, orders=True)
    world.replay()
    assert world.orders() == [("SEED", ())]


@pytest.mark.parametrize(("before", "after"), [("Old", "Archive"), ("Archive", "Old")])
def test_a_folder_renamed_into_or_out_of_scope_between_a_seeds_items_and_its_end_has_it_said_again(
    new_world: Callable[..., Any], before: str, after: str
) -> None:
    world = new_world(scope=Scope(folders_left_out=("Old",)))
    source = world.source()
    source.folder("moved-s", before)
    source.save("a", b"a", "moved-s")
    world.replay()
    source.begin_seed()
    source.folder("moved-s", before)
    source.name("a")
    source.folder("moved-s", after)
    source.end_seed()
    world.replay()
    assert world.orders() == [("SEED", ())]
    source.seed()
    world.replay()
    assert world.orders() == [("SEED", ())]
    # the story of an item knows its folder's name of that time only: the end is compared
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == (source.expected() if after == "Archive" else {})


def test_a_folder_that_a_seed_names_in_another_scope_before_its_items_asks_for_nothing(
    partial: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = partial()
    source.folders["old-s"] = ("", "Archive")
    source.seed()
    world.replay()
    assert world.orders() == []
    assert held(world) == {b"in scope", b"out of scope", b"below it"}


def test_a_change_of_scope_is_said_again_though_its_owner_died_after_a_neighbours_commit(
    partial: Callable[[], tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane beside commits whatever is recorded, at any moment: the order has to be there before the folder is."""
    world, source = partial()
    other = "ffffffffffffffffffff"
    world.addresses[other] = "second@target.test"
    neighbour = world.source(other)
    world.replay()
    source.folder("old-s", "Archive")
    neighbour.save("b", b"b")
    is_asking, is_committed = threading.Event(), threading.Event()

    def die_after_the_neighbours_commit(_orders: Any, _mailbox: str, _reason: str) -> None:
        is_asking.set()
        assert is_committed.wait(10)
        raise PartitionLost("struck")

    def hook(name: str, when: str) -> None:
        if (name, when) == ("upload", "before"):
            assert is_asking.wait(10)
        if (name, when) == ("transact", "after") and is_asking.is_set():
            is_committed.set()

    with monkeypatch.context() as patched:
        patched.setattr(FeedOrders, "seed", die_after_the_neighbours_commit)
        with pytest.raises(PartitionLost):
            world.replay_hooked(hook)
    world.replay()
    assert world.orders() == [("SEED", ())]


def test_what_was_taken_in_grows_old_at_the_target_and_a_seed_withdraws_none_of_it(
    new_world: Callable[..., Any],
) -> None:
    limit = BreakerLimit(deletions_max=3, share_max=0.1)
    world = new_world(scope=Scope(age_days_max=30), settings={"breaker_limit": limit})
    source = world.source()
    for number in range(20):
        source.save(f"item-{number}", b"%d" % number)
        _captured(world, 2 * DAY_MS)
    world.replay()
    before = held(world)
    assert len(before) == 20
    source.begin_seed()  # as another target may have ordered, which was added a year later
    for name in source.items:
        source.name(name)
        _captured(world, 400 * DAY_MS)
    source.save("never seen", b"never seen")
    _captured(world, 400 * DAY_MS)
    source.end_seed()
    world.replay()
    assert held(world) == before
    assert world.mailbox_record().tripped == ""


def _captured(world: Any, at_ms: int) -> None:
    """Have the last save of the log be of an item that was received on the second day, captured at a time."""
    incoming = world.log.pop()
    change = decode(incoming.value)
    summary = replace(change.operation.summary, received_at="1970-01-02T00:00:00+00:00")
    change = replace(change, captured_at=at_ms, operation=replace(change.operation, summary=summary))
    world.log.append(replace(incoming, value=encode(change)))
