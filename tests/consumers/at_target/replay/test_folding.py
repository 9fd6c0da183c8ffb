"""A folded log is what a replay of it would have made, and a restore places exactly that."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from consumers.folding import Folded
from consumers.replay_settings import ReplaySettings
from consumers.replayer import Replayer
from consumers.restored_log import RestoredLog
from consumers.subscription import Received
from schemas.change import Marks
from schemas.codec import decode
from schemas.ports import Incoming

NAMES = st.sampled_from("abc")
STEPS = st.lists(
    st.tuples(st.sampled_from(["save", "mark", "move", "delete", "seed", "seed without"]), NAMES, st.integers(0, 9)),
    max_size=30,
)


def fold(log: list[Incoming], since: int = 0) -> Folded:
    folded = Folded()
    for incoming in log[since:]:
        change = decode(incoming.value or b"")
        folded.take(Received(change, incoming.offset, b"", {}, incoming.appended_at, incoming.offset))
    return folded


def play(source: Any, steps: list[tuple[str, str, int]]) -> None:
    for what, name, number in steps:
        folder_id = ("inbox-s", "work-s")[number % 2]
        if what == "save":
            source.save(name, b"%d" % number, folder_id)
        elif what == "seed":
            source.seed()
        elif name in source.items and what == "mark":
            source.mark(name, Marks(is_read=bool(number % 2)))
        elif name in source.items and what == "move":
            source.move(name, folder_id)
        elif name in source.items:
            source.delete(name, silently=what == "seed without")
            if what == "seed without":
                source.seed()


def restore(world: Any, folded: Folded, generation: int = 1) -> None:
    """Replay a fold into the world's target, as `mailshadow restore` does."""

    def read(begin: int, end: int) -> Iterator[Incoming]:
        return iter(world.log[begin:end])

    log = RestoredLog(world.making.mailbox, folded, read, generation)
    rests = [0]

    def registered() -> dict[str, str]:
        rests[0] += log.is_at_end
        world.now_ms += 1000
        return {world.making.mailbox: world.making.address}

    world.owned.is_wanted = lambda: rests[0] < 4
    replayer = Replayer(
        world.owned, world.target, world.topics, ReplaySettings(target="t"), lambda: world.now_ms, world._mint,
        world._metrics,
    )  # fmt: skip
    replayer.run(registered, log)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=[("save", "a", 0), ("move", "a", 1), ("mark", "a", 1)])
@example(steps=[("save", "a", 0), ("seed without", "a", 0), ("save", "a", 1)])
@example(steps=[("save", "a", 0), ("save", "b", 2), ("delete", "a", 0), ("seed", "a", 0), ("save", "b", 4)])
def test_a_restore_makes_what_the_source_held(new_world: Callable[..., Any], steps: list[tuple[str, str, int]]) -> None:
    world = new_world()
    source = world.source()
    source.folder("work-s", "Work")
    play(source, steps)
    folded = fold(world.log)
    assert (folded.is_whole, folded.lost()) == (True, {})
    restore(world, folded)
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == source.expected()
    assert world.target.staged() == []


def test_a_restore_that_is_given_again_writes_nothing_twice_and_a_later_time_only_what_changed(
    new_world: Callable[..., Any],
) -> None:
    world = new_world()
    source = world.source()
    for name in "abc":
        source.save(name, name.encode())
    restore(world, fold(world.log))
    world.target.calls.clear()
    restore(world, fold(world.log), generation=2)
    assert not {"upload", "create", "move", "delete"} & set(world.target.calls)
    source.delete("a")
    source.save("b", b"new")
    restore(world, fold(world.log), generation=3)
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == source.expected()


def test_a_log_that_begins_in_the_middle_is_whole_only_with_a_seed(new_world: Callable[..., Any]) -> None:
    world = new_world()
    source = world.source()
    source.save("a", b"a")
    source.save("b", b"b")
    middle = len(world.log)
    source.mark("a", Marks(is_read=True))
    source.save("b", b"new")
    assert fold(world.log, middle).is_whole is False
    assert fold(world.log, middle).lost() == {"content older than the log": 1, "folder older than the log": 1}
    source.seed()
    assert fold(world.log, middle).is_whole
    assert fold(world.log, middle).lost() == {}


def test_a_gap_is_not_whole_until_a_seed_fills_it(new_world: Callable[..., Any]) -> None:
    world = new_world()
    source = world.source()
    source.lose()
    source.save("a", b"a")
    folded = fold(world.log)
    assert (folded.is_whole, folded.gaps) == (False, 1)
    source.seed()
    assert fold(world.log).is_whole


def test_the_tail_of_an_old_source_is_no_gap_and_what_happened_at_another_server_is_one(
    new_world: Callable[..., Any],
) -> None:
    world = new_world()
    source = world.source()
    source.save("a", b"first")
    source.close()
    source.hand_over("p2", source.last)
    source.save("b", b"tail")
    source.close()
    folded = fold(world.log)
    assert (folded.is_whole, folded.gaps) == (True, 0)
    source.hand_over("p2")
    source.save("c", b"home again")
    folded = fold(world.log)
    assert (folded.is_whole, folded.gaps) == (False, 1)
    source.seed()
    assert fold(world.log).is_whole


def test_a_log_that_ends_with_a_failover_says_when_until_the_users_are_home_again(
    new_world: Callable[..., Any],
) -> None:
    world = new_world()
    source = world.source()
    source.save("a", b"first")
    assert not fold(world.log).is_ended
    source.close()
    assert fold(world.log).is_ended
    source.hand_over("p2", source.last)  # its tail is read, and its users work at the target
    source.save("b", b"tail")
    assert fold(world.log).is_ended
    source.close()
    source.hand_over("p2")
    assert not fold(world.log).is_ended
    source.close()
    source.seed()
    assert not fold(world.log).is_ended


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_seed_that_did_not_end_says_nothing_of_what_is_gone(new_world: Callable[..., Any], cut: int) -> None:
    world = new_world()
    source = world.source()
    for name in "abc":
        source.save(name, name.encode())
    before = len(world.log)
    source.seed()
    folded = fold(world.log[: before + cut])
    assert {i.item for i in folded.items.values()} == {world.making.key(n) for n in "abc"}
