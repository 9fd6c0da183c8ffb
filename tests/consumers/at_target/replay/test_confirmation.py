"""The last look before users come: what is said of a target is true then, and what others did to it is not theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consumers import proof
from consumers.scope import Scope
from schemas.codec import encode
from schemas.state import ItemState

World = Any
"""The fixture's class; fixtures of conftest can't be imported."""


@pytest.fixture
def proving(new_world: Any) -> World:
    return new_world(checksum_interval_seconds=3600.0, rests=40, settings={"probe_interval_seconds": 30.0})


def filled(world: World) -> Any:
    source = world.source()
    source.folder("sub", "Sub")
    for name in ("one", "two", "three"):
        source.save(name, name.encode())
    source.prove()
    source.prove("sub")
    world.replay()
    return source


def item_id(world: World, name: str) -> str:
    return str(next(i for i, m in world.target.items.items() if world.making.key(name) in m.stamp))


def calls_of(world: World, name: str) -> int:
    return int(world.target.calls.count(name))


def edit(world: World) -> None:
    """Write to an item so that no listing shows it: its body alone."""
    item = world.target.items[item_id(world, "one")]
    item.change_key = "written by somebody else"


def test_every_folder_is_found_equal_after_the_barrier(proving: World) -> None:
    source = filled(proving)
    source.close()
    proving.replay()
    record = proving.mailbox_record()
    assert (record.role, record.confirmed) == ("DRAINED", 2)


def test_folders_without_a_checksum_are_compared_with_the_ledger(proving: World) -> None:
    source = filled(proving)
    source.save("late", b"late")
    source.close()
    proving.replay()
    assert proving.mailbox_record().confirmed == 2


def test_a_folder_that_nobody_wrote_to_since_it_was_found_equal_is_not_listed_again(proving: World) -> None:
    source = filled(proving)
    proving.rest_seconds, proving.cut = 2, 2
    source.prove()
    source.prove("sub")
    proving.target.calls.clear()

    def close(name: str, when: str) -> None:
        if (name, when) == ("listing", "after") and calls_of(proving, "listing") == 2:
            source.close()  # once both were found equal, by the same owner

    proving.replay_hooked(close)
    assert proving.mailbox_record().confirmed == 2
    assert calls_of(proving, "listing") == 2


def test_what_the_scope_of_a_target_leaves_out_is_not_missing(new_world: Any) -> None:
    world = new_world(rests=40, scope=Scope(classes_left_out=("IPM.Task",)), checksum_interval_seconds=3600.0)
    source = world.source()
    source.save("a", b"mail")
    making = world.making
    source.write(making.saved(making.ref("b"), b"a task", item_class="IPM.Task"))
    source.close()
    world.replay()
    assert world.mailbox_record().confirmed == 1
    assert {r.state for r in world.item_records()} == {ItemState.PRESENT, ItemState.LEFT_OUT}


@pytest.mark.parametrize("is_proved", [True, False])
def test_what_somebody_deleted_before_the_barrier_is_told_and_is_no_deletion_of_users(
    proving: World, *, is_proved: bool
) -> None:
    source = filled(proving)
    if not is_proved:
        source.save("late", b"late")
        proving.replay()
    del proving.target.items[item_id(proving, "two")]
    source.close()
    proving.replay()
    assert proving.mailbox_record().confirmed == 1
    (inbox,) = [f for f in proving.folder_records() if f.folder_id == "inbox-s"]
    assert inbox.divergence["missing"] == 1
    (gone,) = [r for r in proving.item_records() if r.item == proving.making.key("two")]
    assert (gone.state, gone.target_id, gone.reason) == (ItemState.PARKED, "", "gone-at-target")


def test_a_living_item_that_a_listing_leaves_out_is_told_and_stays_in_the_ledger(
    proving: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = filled(proving)
    listing = type(proving.target).listing

    def short(target: Any, address: str, folder_id: str, offset: int) -> Any:
        page = listing(target, address, folder_id, offset)
        return replace(page, items=page.items[:-1])

    monkeypatch.setattr(type(proving.target), "listing", short)
    monkeypatch.setattr(proof, "SEARCHED_ITEMS_MAX", 0)  # more are missing than are searched for by their stamps
    source.save("late", b"late")
    source.close()
    proving.replay()
    assert proving.mailbox_record().confirmed < 2
    assert {r.state for r in proving.item_records()} == {ItemState.PRESENT}


def test_an_edit_that_no_listing_shows_is_not_called_equal_and_is_no_edit_of_users(proving: World) -> None:
    source = filled(proving)
    edit(proving)
    source.close()
    proving.replay()
    assert proving.mailbox_record().confirmed == 1
    (edited,) = [r for r in proving.item_records() if r.item == proving.making.key("one")]
    assert (edited.state, edited.target_change_key) == (ItemState.PRESENT, "written by somebody else")


def test_a_new_owner_looks_at_every_folder_again(proving: World) -> None:
    source = filled(proving)
    source.close()
    proving.replay()
    key = (proving.topics.target_state("t"), proving.making.mailbox)
    proving.owned.state[key] = encode(replace(proving.mailbox_record(), confirmed=-1))  # the owner died before it was
    proving.replay()
    assert proving.mailbox_record().confirmed == 2


def test_nothing_is_asked_of_a_mailbox_once_it_is_open(proving: World) -> None:
    source = filled(proving)
    source.close()
    proving.replay()
    proving.order("OPEN")
    proving.replay()
    proving.target.calls.clear()
    proving.replay()
    assert proving.target.calls == []


def test_tampering_is_seen_within_two_probes_and_not_only_at_the_next_comparison(proving: World) -> None:
    filled(proving)
    began = proving.now_ms

    def tamper(name: str, when: str) -> None:
        if (name, when) == ("probe", "before") and proving.now_ms >= began + 40_000:
            proving.target.items.pop(
                next((i for i, m in proving.target.items.items() if m.content == b"two"), ""), None
            )

    proving.rests = 80
    source_calls = calls_of(proving, "listing")
    proving.replay_hooked(tamper)
    (inbox,) = [f for f in proving.folder_records() if f.folder_id == "inbox-s"]
    assert inbox.divergence == {"missing": 1}
    assert calls_of(proving, "listing") - source_calls <= 6


def test_a_mailbox_nobody_writes_to_costs_one_probe_an_interval(proving: World) -> None:
    source = filled(proving)
    source.prove()
    source.prove("sub")
    proving.rests = 60  # two minutes
    proving.target.calls.clear()
    proving.replay()
    assert calls_of(proving, "probe") <= 2 + 2 + 4  # before each listing, and one an interval
