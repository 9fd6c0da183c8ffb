from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from producers.orders import apply_order
from schemas.change import FolderSaved, ItemDeleted, ItemSaved, SeedBegin, SeedEnd, Version
from schemas.faults import ReplicationFault
from schemas.state import Order

if TYPE_CHECKING:
    from producers.capture import Capture

    from .conftest import Rig


def order(rig: Rig, kind: str, *items: str, target: str = "", reason: str = "") -> Order:
    return Order(mailbox=rig.mailbox, kind=kind, items=items, target=target, reason=reason, issued_at=0)


def copied(rig: Rig, count: int = 1) -> Capture:
    for _ in range(count):
        rig.source.add(rig.source.inbox)
    capture = rig.capture()
    rig.round(capture)
    return capture


def test_a_want_is_answered_by_a_save_that_names_its_target_or_by_a_deletion_where_there_is_none(rig: Rig) -> None:
    capture = copied(rig)
    (item,) = capture.index.entries
    apply_order(capture, order(rig, "WANT", item, "stranger", target="one"), rig.now)
    deleted, saved = rig.round(capture)
    assert isinstance(deleted, ItemDeleted)
    assert deleted.ref.item == "stranger"
    assert isinstance(saved, ItemSaved)
    assert saved.targets == ("one",)


def test_while_a_seed_runs_nobody_is_told_that_an_item_is_deleted(rig: Rig) -> None:
    capture = rig.capture()
    capture.begin_seed(None, "first copy")
    apply_order(capture, order(rig, "WANT", "stranger", target="one"), rig.now)
    assert not [o for o in rig.round(capture) if isinstance(o, ItemDeleted)]


def test_a_seed_says_everything_once_between_its_ends_and_names_where_it_began(rig: Rig) -> None:
    capture = copied(rig, 3)
    last = capture.index.record.next_sequence - 1
    apply_order(capture, order(rig, "SEED", reason="resync"), rig.now)
    said = rig.round(capture)
    assert [type(o) for o in said] == [SeedBegin, FolderSaved, ItemSaved, ItemSaved, ItemSaved, SeedEnd]
    assert said[0] == SeedBegin(previous=Version(generation=1, sequence=last), reason="resync")
    assert said[-1] == SeedEnd(begun=last + 1, items=3)
    assert capture.index.record.seed_begun == 0


def test_a_pause_is_kept_with_its_reason_until_a_resume(rig: Rig) -> None:
    capture = copied(rig)
    apply_order(capture, order(rig, "PAUSE", reason="maintenance"), rig.now)
    assert capture.index.record.paused == "maintenance"
    apply_order(capture, order(rig, "RESUME"), rig.now)
    assert not capture.index.record.paused


def test_resuming_after_a_source_went_back_compares_everything_again(rig: Rig) -> None:
    capture = copied(rig)
    capture.index.record = replace(capture.index.record, paused=ReplicationFault.SOURCE_WENT_BACK)
    apply_order(capture, order(rig, "RESUME"), rig.now)
    assert all(not f.cursor and not f.probe for f in capture.index.folders.values())


def test_resuming_after_an_operator_keeps_the_cursors(rig: Rig) -> None:
    capture = copied(rig)
    capture.index.record = replace(capture.index.record, paused="maintenance")
    apply_order(capture, order(rig, "RESUME"), rig.now)
    assert all(f.cursor for f in capture.index.folders.values())


def test_an_order_for_another_owner_changes_nothing(rig: Rig) -> None:
    capture = copied(rig)
    before = capture.index.record
    apply_order(capture, order(rig, "REDRIVE"), rig.now)
    assert capture.index.record == before
    assert not capture.index.owed
