"""Every kind of change, under one adversity at every boundary of the replay with the outside: the result is exact."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schemas.change import Marks

FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",), importance="High")
READ = Marks(is_read=True)
KINDS = ("death", "partition lost", "answer unknown", "busy", "late", "very late")


def nothing(_: Any) -> None:
    pass


def known(source: Any) -> None:
    """Three items and two folders that are committed before the adversity."""
    source.folder("work-s", "Work")
    source.folder("plans-s", "Plans", "work-s")
    source.save("a", b"first")
    source.save("b", b"second", "work-s")
    source.save("c", b"third", "plans-s")


def new_items(source: Any) -> None:
    source.save("d", b"fourth")
    source.save("e", b"fifth", "work-s", FLAGGED)
    source.save("f", b"sixth")


def new_content(source: Any) -> None:
    source.save("a", b"first, edited", marks=FLAGGED)
    source.save("b", b"second, edited", "work-s")


def marks(source: Any) -> None:
    source.mark("a", FLAGGED)
    source.mark("c", READ)


def moves(source: Any) -> None:
    source.move("a", "work-s")
    source.move("b", "inbox-s")
    source.move("c", "inbox-s")


def deletions(source: Any) -> None:
    source.delete("a")
    source.delete("b")


def one_item_many_times(source: Any) -> None:
    source.mark("a", READ)
    source.move("a", "plans-s")
    source.save("a", b"first, edited", "plans-s", READ)
    source.mark("a", FLAGGED)
    source.move("a", "inbox-s")
    source.save("d", b"fourth")
    source.delete("d")


def a_mixture_in_one_run(source: Any) -> None:
    source.save("d", b"fourth")
    source.mark("a", FLAGGED)
    source.move("b", "plans-s")
    source.delete("c")


def folders_made(source: Any) -> None:
    source.folder("new-s", "New", "plans-s")
    source.save("d", b"fourth", "new-s")


def folders_renamed(source: Any) -> None:
    source.folder("work-s", "Werk")
    source.folder("plans-s", "Work")
    source.mark("c", READ)


def folders_deleted(source: Any) -> None:
    source.delete("c")
    source.drop_folder("plans-s")
    source.move("b", "inbox-s")
    source.drop_folder("work-s")


def seed(source: Any) -> None:
    source.seed()


def seed_that_names_less(source: Any) -> None:
    source.delete("a", silently=True)
    source.delete("c", silently=True)
    source.drop_folder("plans-s", silently=True)
    source.items["b"] = ("inbox-s", b"second, edited", READ, "other")
    source.story[source.making.key("b")].append(("inbox", b"second, edited", READ))
    source.seed()


def saved_again_elsewhere(source: Any) -> None:
    """An item whose move came as a complete state with the ChangeKey that was applied."""
    _, body, marks_now, change_key = source.items["a"]
    source.items["a"] = ("work-s", body, marks_now, change_key)
    source.story[source.making.key("a")].append((source.path("work-s"), body, marks_now))
    source.name("a")


SCENARIOS: dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]] = {
    "first copy": (nothing, known),
    "new items": (known, new_items),
    "new content": (known, new_content),
    "marks": (known, marks),
    "moves": (known, moves),
    "deletions": (known, deletions),
    "one item many times": (known, one_item_many_times),
    "a mixture in one run": (known, a_mixture_in_one_run),
    "folders made": (known, folders_made),
    "folders renamed and moved": (known, folders_renamed),
    "folders deleted": (known, folders_deleted),
    "seed": (known, seed),
    "seed that names less": (known, seed_that_names_less),
    "saved again elsewhere": (known, saved_again_elsewhere),
}


VARIANTS: dict[str, dict[str, object]] = {
    "stream": {},
    "portable": {"portable_only": True},
    "one record a batch": {"cut": 1},
}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> dict[str, object]:
    return VARIANTS[request.param]


@pytest.fixture(params=SCENARIOS)
def play(
    request: pytest.FixtureRequest, variant: dict[str, object], new_world: Callable[..., Any]
) -> Callable[[], tuple[Any, Any]]:
    """Return a maker of worlds in which the first half is applied and the second stands in the log."""
    given, when = SCENARIOS[request.param]

    def make() -> tuple[Any, Any]:
        world = new_world(**variant)
        source = world.source()
        given(source)
        world.replay()
        world.assert_exact(source)
        when(source)
        return world, source

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_one_adversity_at_any_boundary_leaves_the_result_exact(
    play: Callable[[], tuple[Any, Any]], adversity: Any, kind: str
) -> None:
    world, source = play()
    undisturbed = adversity()
    world.replay_through(undisturbed)
    world.assert_exact(source)
    for number in undisturbed.places(kind):
        world, source = play()
        world.replay_through(adversity({number: kind}))
        with failing_at(f"{kind} at {undisturbed.boundaries[number]}, boundary {number}"):
            world.assert_exact(source)


@contextmanager
def failing_at(place: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note(place)
        raise


def test_a_second_death_while_settling_the_first_leaves_the_result_exact(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def play(strikes: dict[int, str]) -> tuple[Any, Any, Any]:
        world = new_world()
        source = world.source()
        known(source)
        world.replay()
        a_mixture_in_one_run(source)
        new_content(source)
        struck = adversity(strikes)
        world.replay_through(struck)
        return world, source, struck

    _, _, undisturbed = play({})
    for first in undisturbed.places("death"):
        _, _, once = play({first: "death"})
        for second in range(first + 1, min(first + 12, len(once.boundaries))):
            world, source, _ = play({first: "death", second: "death"})
            with failing_at(f"deaths at {first} and {second}"):
                world.assert_exact(source)
