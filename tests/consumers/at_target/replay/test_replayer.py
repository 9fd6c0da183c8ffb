"""Every kind of change, under one adversity at every boundary of the replay with the outside: the result is exact."""

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


VARIANTS = {"stream": {}, "portable": {"portable_only": True}, "one record a batch": {"cut": 1}}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> dict[str, object]:
    found: dict[str, object] = VARIANTS[request.param]
    return found


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


def test_many_changes_parked_one_after_the_other_stop_the_line(world: Any) -> None:
    source = world.source()
    world.cut = 1
    world.target.refuse_content |= {b"bad": "ErrorCorruptData"}
    for number in range(101):
        source.save(f"a{number}", b"bad")
    with pytest.raises(DeadLetterLimitError):
        world.replay()
