"""Too many deletions at once hold their mailbox before the first one too many, whatever dies."""

from collections.abc import Callable
from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from consumers.scope import Scope
from schemas.change import Marks

OTHER, OTHER_ADDRESS = "ffffffffffffffffffff", "second@target.test"
READ = Marks(is_read=True)
LIMIT = BreakerLimit(deletions_max=3, share_max=0.2, window_seconds=600)
HELD = "deletion-breaker"


def filled(new_world: Callable[..., Any], items: int = 8) -> tuple[Any, Any, Any]:
    world = new_world(settings={"breaker_limit": LIMIT})
    world.addresses[OTHER] = OTHER_ADDRESS
    first, second = world.source(), world.source(OTHER)
    for number in range(items):
        first.save(f"item-{number}", b"body %d" % number)
    world.replay()
    return world, first, second


def deleted_at_target(world: Any) -> int:
    return len(world.target.recoverable)


@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_a_burst_is_held_before_the_first_deletion_beyond_the_limit(new_world: Callable[..., Any], cut: int) -> None:
    world, first, second = filled(new_world)
    world.cut = cut
    for number in range(6):
        first.delete(f"item-{number}")
    second.save("elsewhere", b"goes on")
    world.replay()
    record = world.mailbox_record()
    assert (record.tripped, record.behind, record.deletions) == (HELD, HELD, 3)
    assert "4 deletions of 8 items within 10 min, 3 of them applied" in record.tripped_on
    assert deleted_at_target(world) == 3
    assert second.expected().items() <= world.target.visible().items()


def test_a_held_mailbox_is_not_read_again_until_it_may_go_on(new_world: Callable[..., Any]) -> None:
    world, first, _ = filled(new_world)
    for number in range(6):
        first.delete(f"item-{number}")
    world.rests = 200
    world.replay()
    world.replay()
    assert deleted_at_target(world) == 3
    assert world.seeks == []


def test_released_deletions_are_applied_and_later_ones_counted_anew(new_world: Callable[..., Any]) -> None:
    world, first, second = filled(new_world, items=20)
    for number in range(6):
        first.delete(f"item-{number}")
    world.replay()
    world.now_ms += 1
    world.order("RELEASE")
    world.replay()
    world.assert_exact(first, second)
    assert world.mailbox_record().tripped == ""
    world.now_ms += 700_000
    for number in range(6, 12):
        first.delete(f"item-{number}")
    world.replay()
    assert (world.mailbox_record().tripped, deleted_at_target(world)) == (HELD, 6 + 3)


def test_skipped_deletions_stay_as_orphans_and_everything_else_goes_on(new_world: Callable[..., Any]) -> None:
    world, first, _ = filled(new_world)
    for number in range(5):
        first.delete(f"item-{number}")
    first.mark("item-7", READ)
    first.save("late", b"after the burst")
    world.replay()
    world.order("SKIP")
    world.replay()
    seen = world.target.visible()
    keys = [world.making.key(f"item-{number}") for number in range(8)]
    assert [key in seen for key in keys] == [False] * 3 + [True] * 5
    assert {o.item for o in world.orphans()} == set(keys[3:5])
    assert not {r.item for r in world.item_records()} & set(keys[:5])
    assert seen[keys[7]] == [("inbox", b"body 7", READ)]
    assert world.making.key("late") in seen
    assert deleted_at_target(world) == 3
    world.now_ms += 1
    first.delete("item-6")
    world.replay()
    assert (deleted_at_target(world), world.mailbox_record().behind) == (4, "")


def test_what_a_seed_did_not_name_goes_through_the_breaker_as_a_whole(new_world: Callable[..., Any]) -> None:
    world, first, _ = filled(new_world)
    for number in range(5):
        first.delete(f"item-{number}", silently=True)
    first.seed()
    world.replay()
    assert (world.mailbox_record().tripped, deleted_at_target(world)) == (HELD, 0)
    world.order("RELEASE")
    world.replay()
    world.assert_exact(first, *[])


def test_what_a_seed_did_not_name_can_be_skipped(new_world: Callable[..., Any]) -> None:
    world, first, _ = filled(new_world)
    for number in range(5):
        first.delete(f"item-{number}", silently=True)
    first.seed()
    world.replay()
    world.order("SKIP")
    world.replay()
    assert (len(world.orphans()), deleted_at_target(world), world.mailbox_record().behind) == (5, 0, "")


@pytest.mark.parametrize("limit", [BreakerLimit(deletions_max=0), BreakerLimit(deletions_max=3, share_max=0.8)])
def test_no_limit_or_a_share_not_passed_holds_nothing(new_world: Callable[..., Any], limit: BreakerLimit) -> None:
    world, first, second = filled(new_world)
    world.settings = {"breaker_limit": limit}
    for number in range(6):
        first.delete(f"item-{number}")
    world.replay()
    world.assert_exact(first, second)


def test_deletions_further_apart_than_the_window_hold_nothing(new_world: Callable[..., Any]) -> None:
    world, first, second = filled(new_world)
    for number in range(6):
        world.now_ms += 300_000
        first.delete(f"item-{number}")
    world.replay()
    world.assert_exact(first, second)


@pytest.mark.parametrize("kind", ["RELEASE", "SKIP"])
def test_death_at_any_boundary_changes_neither_the_count_nor_what_is_held(
    new_world: Callable[..., Any], adversity: Any, kind: str
) -> None:
    def play(strikes: dict[int, str]) -> Any:
        world, first, second = filled(new_world)
        for number in range(5):
            first.delete(f"item-{number}")
        world.cut = 3
        struck = adversity(strikes)
        world.replay_through(struck)
        assert (world.mailbox_record().tripped, deleted_at_target(world)) == (HELD, 3)
        world.order(kind)
        struck_again = adversity({n - 1000: k for n, k in strikes.items() if n >= 1000})
        world.replay_through(struck_again)
        if kind == "RELEASE":
            world.assert_exact(first, second)
        else:
            assert (len(world.orphans()), deleted_at_target(world)) == (2, 3)
        return struck, struck_again

    undisturbed, undisturbed_again = play({})
    for number in undisturbed.places("death"):
        play({number: "death"})
    for number in undisturbed_again.places("death"):
        play({1000 + number: "death"})


def test_a_mailbox_paused_at_one_target_writes_nothing_and_misses_nothing_when_resumed(
    new_world: Callable[..., Any],
) -> None:
    world, first, second = filled(new_world)
    world.order("PAUSE", reason="maintenance")
    first.save("meanwhile", b"waits")
    second.save("elsewhere", b"goes on")
    world.rests = 100
    world.replay()
    record = world.mailbox_record()
    assert (record.paused, record.behind) == ("maintenance", "paused")
    assert world.making.key("meanwhile") not in world.target.visible()
    assert second.expected().items() <= world.target.visible().items()
    world.order("RESUME")
    world.replay()
    world.assert_exact(first, second)


def test_a_seed_that_a_paused_mailbox_waits_for_is_not_ordered_again_meanwhile(new_world: Callable[..., Any]) -> None:
    world = new_world()
    source = world.source()
    world.replay()
    source.lose()
    source.save("a", b"a")
    world.replay()
    world.order("PAUSE")
    world.replay()
    source.seed()
    world.rest_seconds, world.rests = 60, 90
    world.replay()
    assert world.orders() == [("SEED", ())]
    world.order("RESUME")
    world.replay()
    world.assert_exact(source, orders=True)


def partial(new_world: Callable[..., Any]) -> tuple[Any, Any]:
    """A world with ten items in scope and forty in a folder that the target leaves out."""
    world = new_world(scope=Scope(folders_left_out=("Old",)), settings={"breaker_limit": LIMIT})
    source = world.source()
    source.folder("old-s", "Old")
    for number in range(40):
        source.save(f"old-{number}", b"old %d" % number, "old-s")
    for number in range(10):
        source.save(f"item-{number}", b"body %d" % number)
    world.replay()
    return world, source


def test_the_share_is_of_what_the_target_holds_and_not_of_what_it_leaves_out(new_world: Callable[..., Any]) -> None:
    world, source = partial(new_world)
    for number in range(10):
        source.delete(f"item-{number}")
    world.replay()
    assert "4 deletions of 10 items" in world.mailbox_record().tripped_on
    assert (world.mailbox_record().tripped, deleted_at_target(world)) == (HELD, 3)


def test_what_leaves_the_scope_counts_as_deleted_and_can_be_released(new_world: Callable[..., Any]) -> None:
    world, source = partial(new_world)
    for number in range(10):
        source.move(f"item-{number}", "old-s")
    world.replay()
    assert (world.mailbox_record().tripped, deleted_at_target(world)) == (HELD, 3)
    world.order("RELEASE")
    world.replay()
    assert (world.mailbox_record().tripped, deleted_at_target(world)) == ("", 10)


def test_what_leaves_the_scope_can_be_skipped_and_stays_as_an_orphan(new_world: Callable[..., Any]) -> None:
    world, source = partial(new_world)
    for number in range(10):
        source.move(f"item-{number}", "old-s")
    world.replay()
    world.order("SKIP")
    world.replay()
    assert (len(world.orphans()), deleted_at_target(world), world.mailbox_record().behind) == (7, 3, "")
