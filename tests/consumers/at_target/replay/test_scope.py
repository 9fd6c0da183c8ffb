"""A target that holds a part of each mailbox: what is out of scope is never there, what comes in is asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from consumers.scope import Scope
from schemas.change import Marks

READ = Marks(is_read=True)


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
