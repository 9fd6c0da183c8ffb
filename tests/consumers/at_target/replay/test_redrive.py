"""Parked content placed once more: with the folder and marks of now, once, whatever dies; given up without silence."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.change import Marks
from schemas.state import ItemState

from .pieces import LARGE, in_pieces

READ = Marks(is_read=True)


def parked_at(new_world: Callable[..., Any]) -> tuple[Any, Any]:
    """An item that is behind and was moved and marked since, one that never came, and a third that is well."""
    world = new_world()
    source = world.source()
    source.folder("work-s", "Work")
    source.save("well", b"well")
    source.save("behind", b"old")
    world.replay()
    world.target.refuse_content |= {b"new": "ErrorCorruptData", b"never": "ErrorCorruptData"}
    source.save("behind", b"new")
    source.save("never", b"never")
    source.mark("behind", READ)
    source.move("behind", "work-s")
    source.mark("never", READ)
    source.save("later", b"the mailbox went on")
    world.replay()
    assert sorted(r.state for r in world.item_records()) == ["PARKED", "PARKED", "PRESENT", "PRESENT"]
    return world, source


def assert_level(world: Any, source: Any) -> None:
    """Old content with new marks, which a parked item shows meanwhile, is in no story; the end has to be exact."""
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == source.expected()
    assert world.target.staged() == []
    assert [r for r in world.item_records() if r.intent or r.state is not ItemState.PRESENT] == []


def keys(world: Any) -> list[str]:
    return [world.making.key(name) for name in ("behind", "never")]


def test_evidence_is_placed_with_the_folder_and_marks_of_now(new_world: Callable[..., Any]) -> None:
    world, source = parked_at(new_world)
    world.target.refuse_content.clear()
    world.order("REDRIVE_FROM_EVIDENCE", *keys(world))
    world.replay()
    assert_level(world, source)
    source.mark("behind", Marks(is_read=False))
    source.save("never", b"newer still")
    world.replay()
    assert_level(world, source)


def test_death_at_any_boundary_of_a_redrive_places_nothing_twice(new_world: Callable[..., Any], adversity: Any) -> None:
    def play(strikes: dict[int, str]) -> Any:
        world, source = parked_at(new_world)
        world.target.refuse_content.clear()
        world.order("REDRIVE_FROM_EVIDENCE", *keys(world))
        struck = adversity(strikes)
        world.replay_through(struck)
        assert_level(world, source)
        return struck

    for number in play({}).places("death"):
        play({number: "death"})


def test_a_mailbox_that_is_behind_is_not_redriven_from_evidence(new_world: Callable[..., Any]) -> None:
    world, source = parked_at(new_world)
    world.target.refuse_content.clear()
    world.order("PAUSE")
    world.order("REDRIVE_FROM_EVIDENCE", *keys(world))
    world.replay()
    assert sum(r.state is ItemState.PARKED for r in world.item_records()) == 2
    world.order("RESUME")
    world.replay()
    world.order("REDRIVE_FROM_EVIDENCE", *keys(world))
    world.replay()
    assert_level(world, source)


def test_what_is_refused_again_stays_parked(new_world: Callable[..., Any]) -> None:
    world, _ = parked_at(new_world)
    world.order("REDRIVE_FROM_EVIDENCE", *keys(world))
    world.replay()
    assert {r.item for r in world.item_records() if r.state is ItemState.PARKED} == set(keys(world))
    assert world.mailbox_record().behind == ""


def test_a_redrive_from_the_source_is_a_want_of_what_is_parked_and_of_nothing_else(
    new_world: Callable[..., Any],
) -> None:
    world, source = parked_at(new_world)
    world.order("REDRIVE", *keys(world), world.making.key("well"), "unknown")
    world.replay()
    assert world.orders() == [("WANT", (key,)) for key in keys(world)]
    world.target.refuse_content.clear()
    for name in ("behind", "never"):
        source.name(name, "t")
    world.replay()
    assert_level(world, source)


def test_what_is_given_up_stays_in_the_record_until_new_content_comes(new_world: Callable[..., Any]) -> None:
    world, source = parked_at(new_world)
    world.now_ms += 1000
    world.order("DROP", *keys(world))
    world.replay()
    dropped = [r for r in world.item_records() if r.dropped_at]
    assert {r.item for r in dropped} == set(keys(world))
    assert {r.state for r in dropped} == {ItemState.PARKED}
    source.mark("behind", Marks(is_read=False))
    world.replay()
    assert {r.item for r in world.item_records() if r.dropped_at} == set(keys(world))
    world.target.refuse_content.clear()
    source.save("behind", b"again")
    source.save("never", b"at last")
    world.replay()
    assert_level(world, source)
    assert [r for r in world.item_records() if r.dropped_at] == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_body_in_pieces_comes_from_the_log_while_that_is_kept(
    new_world: Callable[..., Any], *, is_kept: bool
) -> None:
    world = new_world()
    source = world.source()
    world.target.refuse_content[LARGE] = "ErrorMessageSizeExceeded"
    source.save("large", LARGE)
    in_pieces(world)
    world.replay()
    world.target.refuse_content.clear()
    if not is_kept:
        world.log[-2:] = [replace(r, value=None) for r in world.log[-2:]]
    world.order("REDRIVE_FROM_EVIDENCE", world.making.key("large"))
    world.replay()
    if is_kept:
        assert_level(world, source)
    else:
        assert [r.state for r in world.item_records()] == [ItemState.PARKED]
