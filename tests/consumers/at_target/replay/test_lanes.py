"""Mailboxes of a partition are worked on side by side, each in strict order."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from consumers.lane import Lane
from schemas.identity import mailbox_id
from schemas.ports import CallRefused, PartitionLost


@pytest.fixture
def pair(world: Any) -> tuple[Any, Any]:
    """Two mailboxes, one mail in each, not replayed yet."""
    other = mailbox_id("other@source.test")
    world.addresses[other] = "other@target.test"
    sources = world.source(), world.source(other)
    for number, source in enumerate(sources):
        source.save(f"item-{number}", b"body %d" % number)
    return sources


def test_two_mailboxes_of_a_batch_are_at_the_target_at_the_same_time(world: Any, pair: tuple[Any, Any]) -> None:
    both_are_here = threading.Barrier(2, timeout=10.0)

    def meet(name: str, when: str) -> None:
        if (name, when) == ("upload", "before"):
            both_are_here.wait()

    world.replay_hooked(meet)
    world.assert_exact(*pair)


def test_a_mailbox_that_is_refused_falls_behind_while_the_one_beside_it_goes_on(
    world: Any, pair: tuple[Any, Any]
) -> None:
    uploads: list[str] = []

    def refuse_the_first(name: str, when: str) -> None:
        if (name, when) == ("upload", "before"):
            uploads.append(name)
            if len(uploads) == 1:
                raise CallRefused("ErrorQuotaExceeded", "full")

    world.replay_hooked(refuse_the_first)
    records = [world.mailbox_record(source.mailbox) for source in pair]
    assert sorted(bool(r.behind) for r in records) == [False, True]
    world.now_ms += 1_000_000
    world.replay()
    world.assert_exact(*pair)


def test_a_batch_is_complete_only_once_every_lane_is(
    world: Any, pair: tuple[Any, Any], adversity: Callable[..., Any]
) -> None:
    undisturbed = adversity()
    world.replay_through(undisturbed)
    for number in undisturbed.places("death"):
        world.replay_through(adversity({number: "death"}))
        for source in pair:
            source.save(f"more-{number}-{source.mailbox}", b"more")
        world.replay_through(adversity({number: "death"}))
        world.assert_exact(*pair)


@pytest.mark.parametrize("kind", ["mark", "move"])
def test_an_intent_that_only_a_neighbour_committed_is_planned_anew_with_its_change(
    world: Any, pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What a lane prepared is carried by the commit beside it; its owner dies before its own, and never sends it."""
    source, other = pair
    source.folder("work-s", "Work")
    world.replay()
    if kind == "mark":
        source.mark("item-0", world.making.read)
    else:
        source.move("item-0", "work-s")
    other.save("more", b"more")
    is_prepared, is_committed = threading.Event(), threading.Event()
    note_unsettled = Lane._note_unsettled

    def die_after_the_neighbours_commit(lane: Any, run: Any, items: tuple[str, ...]) -> None:
        if run.mailbox != source.mailbox:
            note_unsettled(lane, run, items)
            return
        is_prepared.set()
        assert is_committed.wait(10)
        raise PartitionLost("struck")

    def hook(name: str, when: str) -> None:
        if (name, when) == ("upload", "before"):
            assert is_prepared.wait(10)
        if (name, when) == ("transact", "after") and is_prepared.is_set():
            is_committed.set()

    with monkeypatch.context() as patched:
        patched.setattr(Lane, "_note_unsettled", die_after_the_neighbours_commit)
        with pytest.raises(PartitionLost):
            world.replay_hooked(hook)
    # the source changes back: read together, the two changes are coalesced, and nothing differs
    if kind == "mark":
        source.mark("item-0", world.making.unread)
    else:
        source.move("item-0", "inbox-s")
    world.replay()
    world.assert_exact(source, other)
