"""The continuous proof beside a whole replay in memory: taken in order, compared at once, again while idle."""

import itertools
import logging
from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from consumers.scope import Scope
from schemas.ports import CallRefused
from schemas.state import TargetFolder

World = Any
"""The fixture's class; fixtures of conftest can't be imported."""


@pytest.fixture
def proving(new_world: Any) -> World:
    return new_world(checksum_interval_seconds=30.0, rests=40)


def folder(world: World, folder_id: str = "inbox-s") -> TargetFolder:
    found: TargetFolder = next(f for f in world.folder_records() if f.folder_id == folder_id)
    return found


def filled(world: World) -> Any:
    source = world.source()
    source.folder("sub", "Sub")
    for name in ("one", "two", "three"):
        source.save(name, name.encode(), marks=world.making.unread)
    source.prove()
    source.prove("sub")
    return source


def of(world: World, name: str) -> str:
    return str(next(i for i, m in world.target.items.items() if world.making.key(name) in m.stamp))


def test_a_target_that_holds_what_the_source_says_is_proved(proving: World) -> None:
    source = filled(proving)
    proving.replay()
    assert folder(proving).divergence == {}
    assert folder(proving).compared_at > 0
    proving.assert_exact(source)


def test_rot_at_the_target_is_found_while_nothing_happens_at_the_source(
    proving: World, caplog: pytest.LogCaptureFixture
) -> None:
    filled(proving)
    proving.replay()
    item_id = of(proving, "two")
    del proving.target.items[item_id]
    with caplog.at_level(logging.ERROR):
        proving.replay()
    assert folder(proving).divergence == {"missing": 1}
    (told,) = [r for r in caplog.records if r.message == "target differs from source"]
    assert told.mailbox == proving.making.mailbox  # type: ignore[attr-defined] # logging's extra
    assert told.kinds == {"missing": 1}  # type: ignore[attr-defined] # as above


@pytest.mark.parametrize(
    ("rot", "where", "kinds"),
    [
        (lambda w: w.target.items.pop(of(w, "one")), "inbox-s", {"missing": 1}),
        (lambda w: setattr(w.target.items[of(w, "one")], "content", b"rot"), "inbox-s", {"differing": 1}),
        (lambda w: setattr(w.target.items[of(w, "one")], "marks", w.making.read), "inbox-s", {"differing": 1}),
        (lambda w: w.target.add_item(_inbox(w), b"x", _stamp(w, "one")), "inbox-s", {"duplicate": 1}),
        (lambda w: w.target.add_item(_inbox(w), b"x", _stamp(w, "none")), "inbox-s", {"extra": 1}),
        (lambda w: w.target.move(w.making.address, [of(w, "one")], _sub(w)), "inbox-s", {"moved": 1}),
        (lambda w: w.target.add_item(_sub(w), b"x", _stamp(w, "one")), "sub", {"duplicate": 1}),
    ],
    ids=["missing", "content", "marks", "copy", "unknown to the ledger", "moved", "copy elsewhere"],
)
def test_each_kind_of_rot_is_told_by_its_name(proving: World, rot: Any, where: str, kinds: dict[str, int]) -> None:
    filled(proving)
    proving.replay()
    rot(proving)
    proving.replay()
    assert folder(proving, where).divergence == kinds
    assert not {"move", "delete", "update"} & set(_calls_since_listing(proving))


def _inbox(world: World) -> str:
    return str(world.target.root(world.making.address, "inbox"))


def _sub(world: World) -> str:
    return str(next(i for i, f in world.target.folders.items() if f.name == "Sub"))


def _stamp(world: World, name: str) -> str:
    target = next(m.stamp for m in world.target.items.values() if m.stamp).split(":")[0]
    return f"{target}:{world.making.key(name)}:00000001"


def _calls_since_listing(world: World) -> list[str]:
    calls = world.target.calls
    return list(calls[len(calls) - calls[::-1].index("listing") :])


def test_foreign_items_are_no_divergence(proving: World) -> None:
    filled(proving)
    proving.replay()
    proving.target.add_item(_inbox(proving), b"mine too")
    proving.replay()
    assert folder(proving).divergence == {}


def test_a_change_makes_the_checksum_stale_until_the_next_one(proving: World) -> None:
    source = filled(proving)
    source.save("four", b"four")
    proving.replay()
    assert folder(proving).checksum is None
    assert folder(proving, "sub").checksum is not None
    source.prove()
    proving.replay()
    assert folder(proving).checksum is not None
    assert folder(proving).divergence == {}


def test_a_repaired_folder_is_told_equal_again(proving: World) -> None:
    source = filled(proving)
    proving.replay()
    del proving.target.items[of(proving, "two")]
    proving.replay()
    source.name("two", "t")
    source.prove()
    proving.replay()
    assert folder(proving).divergence == {}
    proving.assert_exact(source)


def test_a_difference_is_looked_at_twice_before_it_is_told(proving: World, caplog: pytest.LogCaptureFixture) -> None:
    filled(proving)
    proving.replay()
    gone = of(proving, "two")
    item = proving.target.items.pop(gone)
    looks: list[int] = []

    def heal_after_the_first_look(name: str, when: str) -> None:
        if name == "find" and when == "after":
            looks.append(1)
            proving.target.items[gone] = item

    proving.replay_hooked(heal_after_the_first_look)
    assert looks == [1]
    assert folder(proving).divergence == {}
    assert "target differs from source" not in caplog.messages


def test_a_large_folder_is_listed_a_page_at_a_time(proving: World) -> None:
    proving.target.listing_items_max = 1
    filled(proving)
    proving.replay()
    assert folder(proving).divergence == {}
    assert folder(proving).compared_at > 0


def test_a_folder_deleted_at_the_target_misses_all_its_items(proving: World) -> None:
    source = filled(proving)
    source.save("five", b"five", "sub")
    source.prove("sub")
    proving.replay()
    sub = _sub(proving)
    proving.target.delete_folder(proving.making.address, sub)
    proving.replay()
    assert folder(proving, "sub").divergence == {"missing": 1}


def test_switched_off_nothing_is_listed_and_checksums_are_applied_all_the_same(world: World) -> None:
    filled(world)
    world.replay()
    looked_at_first = world.target.calls.count("listing")
    world.replay()
    assert world.target.calls.count("listing") == looked_at_first
    assert world.mailbox_record().applied_sequence == len(world.log)


def test_while_the_target_does_not_answer_it_is_asked_now_and_then_only(proving: World) -> None:
    source = proving.source()
    proving.replay()
    source.save("one", b"one")
    source.prove()
    asked_at: list[int] = []

    def refuse(name: str, when: str) -> None:
        if name == "listing" and when == "before":
            asked_at.append(proving.now_ms)
            raise CallRefused("ErrorServerBusy", "busy", 7.0)

    proving.replay_hooked(refuse)
    assert len(asked_at) > 2
    assert min(b - a for a, b in itertools.pairwise(asked_at)) >= 7_000


def test_what_should_have_come_into_scope_and_did_not_is_told_as_missing(proving: World) -> None:
    proving.scope = Scope(folders_left_out=("Old",))
    source = proving.source()
    source.folder("old-s", "Old")
    source.save("a", b"a", "old-s")
    source.folder("old-s", "Archive")
    source.prove("old-s")
    proving.replay()
    assert folder(proving, "old-s").divergence == {"missing": 1}


def test_what_an_operator_left_there_is_no_rot_and_a_stranger_beside_it_is(new_world: Any) -> None:
    """Skipped deletions are listed as orphans: an alert that never ended would hide what is."""
    limit = BreakerLimit(deletions_max=1, share_max=0.1, window_seconds=600)
    world = new_world(checksum_interval_seconds=30.0, rests=40, settings={"breaker_limit": limit})
    source = filled(world)
    world.replay()
    for name in ("one", "two", "three"):
        source.delete(name)
    world.replay()
    world.order("SKIP")
    source.prove()
    world.replay()
    assert len(list(world.orphans())) == 2
    assert folder(world).divergence == {}
    assert folder(world).compared_at > 0
    world.target.add_item(_inbox(world), b"x", _stamp(world, "two"))
    for _ in range(3):
        world.now_ms += 60_000
        world.replay()
    assert folder(world).divergence == {"extra": 1}
