"""One direction's index and ledger turned into the other's: ids and ChangeKeys change places, differences flow."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.change import Marks
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    SourceFolder,
    TargetFolder,
    TargetMailbox,
)
from schemas.turning import CARRIED, Known, index_entries, index_folders, ledger_folders, ledger_records

READ, UNREAD = Marks(is_read=True), Marks(is_read=False)


def entry(item: str, folder_id: str = "in-s", **other: Any) -> IndexEntry:
    made = IndexEntry(
        item=item, item_id=f"{item}-s", folder_id=folder_id, change_key=f"{item}-ck-s", search_key="k",
        fingerprint="f", digest="d", marks=READ,
    )  # fmt: skip
    return replace(made, **other)


def record(item: str, folder_id: str = "in-s", **other: Any) -> ItemRecord:
    made = ItemRecord(
        item=item, state=ItemState.PRESENT, generation=3, sequence=7, source_change_key=f"{item}-ck-s",
        folder_id=folder_id, marks=READ, target_id=f"{item}-t", target_change_key=f"{item}-ck-t", nonce=f"{item}-n",
    )  # fmt: skip
    return replace(made, **other)


def folder(name: str, parent_id: str = "", distinguished: str = "", *, left_out: bool = False) -> TargetFolder:
    return TargetFolder(
        folder_id=f"{name}-s", target_id=f"{name}-t", parent_id=parent_id, name=name, folder_class="IPF.Note",
        distinguished=distinguished, created=True, generation=3, sequence=1, left_out=left_out,
    )  # fmt: skip


def known(*, entries: tuple[IndexEntry, ...] = (), records: tuple[ItemRecord, ...] = (), **other: Any) -> Known:
    folders = [folder("in", distinguished="inbox"), folder("work", "in-s"), folder("private", left_out=True)]
    seen = [
        SourceFolder(
            folder_id=f.folder_id, parent_id=f.parent_id, name=f.name, folder_class="", distinguished=f.distinguished
        )
        for f in folders
    ]
    return Known(
        source=MailboxRecord(mailbox="m"),
        target=TargetMailbox(mailbox="m"),
        folders={f.folder_id: f for f in seen},
        entries={e.item: e for e in entries},
        target_folders={f.folder_id: f for f in folders},
        records={r.item: r for r in records},
        **other,
    )


def test_what_both_hold_equal_has_the_ids_and_keys_of_both_and_owes_nothing() -> None:
    both = known(entries=(entry("a", "work-s"),), records=(record("a", "work-s"),))
    (indexed,) = index_entries(both, "old", 5)
    (held,) = ledger_records(both, {})
    assert (indexed.item, indexed.item_id, indexed.folder_id) == ("a", "a-t", "work-t")
    assert (indexed.change_key, indexed.search_key, indexed.fingerprint) == ("a-ck-t", "", "")
    assert (indexed.owed, indexed.pending) == (None, False)
    assert (held.item, held.target_id, held.target_change_key) == ("a", "a-s", "a-ck-s")
    assert (held.source_change_key, held.folder_id, held.state) == ("a-ck-t", "work-t", ItemState.PRESENT)
    assert (held.generation, held.sequence, held.nonce) == (0, 0, "")


def test_the_new_index_holds_folder_and_marks_of_the_old_source_so_that_a_difference_flows() -> None:
    apart = known(entries=(entry("a", "work-s", marks=UNREAD),), records=(record("a", "in-s", marks=READ),))
    (indexed,) = index_entries(apart, "old", 5)
    (held,) = ledger_records(apart, {})
    assert (indexed.folder_id, indexed.marks) == (held.folder_id, held.marks) == ("work-t", UNREAD)


@pytest.mark.parametrize("entries", [(), (entry("a", pending=True),)], ids=["no entry", "gone from its folder"])
def test_what_only_the_new_source_holds_is_owed_to_the_old_one(entries: tuple[IndexEntry, ...]) -> None:
    alone = known(entries=entries, records=(record("a"),))
    (indexed,) = index_entries(alone, "old", 5)
    assert indexed.owed
    assert (indexed.owed.targets, indexed.owed.retry_at) == (("old",), 0)
    assert ledger_records(alone, {}) == []


def test_an_overruled_item_is_owed_although_both_hold_it() -> None:
    overruled = known(entries=(entry("a"),), records=(record("a"),), overruled={"a"})
    (indexed,) = index_entries(overruled, "old", 5)
    assert indexed.owed
    assert [r.target_id for r in ledger_records(overruled, {})] == ["a-s"]


@pytest.mark.parametrize(
    "records", [(), (record("a", target_id="", state=ItemState.WANTED),)], ids=["unknown", "not held"]
)
def test_what_only_the_old_source_holds_is_nobodys_and_never_touched(records: tuple[ItemRecord, ...]) -> None:
    left = known(entries=(entry("a"),), records=records)
    assert index_entries(left, "old", 5) == []
    assert ledger_records(left, {}) == []


def test_an_item_whose_folder_has_no_counterpart_is_left_to_the_listing() -> None:
    assert index_entries(known(entries=(entry("a", "private-s"),), records=(record("a", "private-s"),)), "o", 5) == []


def test_a_stamp_of_an_earlier_life_at_the_new_target_is_kept() -> None:
    both = known(entries=(entry("a"), entry("b")), records=(record("a"), record("b")))
    earlier = {"a": record("a", nonce="of old")}
    assert [r.nonce for r in ledger_records(both, earlier)] == ["of old", ""]


def test_what_was_parked_stays_known_to_differ_and_is_tried_again_when_the_roles_turn_back() -> None:
    there = known(entries=(entry("a"),), records=(record("a", state=ItemState.PARKED, reason="too large"),))
    (indexed,) = index_entries(there, "old", 5)
    assert indexed.owed is None, "the newer content of the old source is not written over"
    (held,) = ledger_records(there, {})
    assert (held.state, held.reason) == (ItemState.PARKED, CARRIED)
    back = known(entries=(entry("a"),), records=(held,))
    back.records["a"] = replace(held, folder_id="in-s")
    (again,) = index_entries(back, "new", 5)
    assert again.owed
    assert [r.state for r in ledger_records(back, {})] == [ItemState.PRESENT]


def test_folders_change_places_with_the_names_of_the_old_source_and_unread() -> None:
    here = known()
    here.folders["work-s"] = replace(here.folders["work-s"], name="Renamed")
    indexed = {f.folder_id: f for f in index_folders(here)}
    assert set(indexed) == {"in-t", "work-t"}
    assert (indexed["work-t"].name, indexed["work-t"].parent_id) == ("Renamed", "in-t")
    assert not any(f.cursor or f.complete or f.probe for f in indexed.values())
    held = {f.folder_id: f for f in ledger_folders(here)}
    assert (held["work-t"].target_id, held["work-t"].parent_id, held["work-t"].created) == ("work-s", "in-t", True)
    assert not held["in-t"].created


def test_a_folder_that_is_gone_at_the_old_source_is_new_to_the_listing_and_no_part_of_its_ledger() -> None:
    here = known()
    del here.folders["work-s"]
    here.folders["in-s"] = replace(here.folders["in-s"], gone=True)
    assert not index_folders(here)
    assert not ledger_folders(here)


def test_content_at_the_old_source_that_was_never_read_is_not_given_to_the_way_back() -> None:
    owed = Owed(since=1, attempts=8, retry_at=2, reason="ErrorCorruptData", is_news=True)
    here = known(
        entries=(entry("a", owed=owed), entry("b", owed=replace(owed, is_news=False))),
        records=(record("a"), record("b")),
    )
    assert [r.item for r in ledger_records(here, {})] == ["b"]


def test_turned_twice_everything_is_where_it_was() -> None:
    there = known(entries=(entry("a"), entry("b", "work-s")), records=(record("a"), record("b", "work-s")))
    back = Known(
        source=MailboxRecord(mailbox="m"),
        target=TargetMailbox(mailbox="m"),
        folders={f.folder_id: f for f in index_folders(there)},
        entries={e.item: e for e in index_entries(there, "old", 5)},
        target_folders={f.folder_id: f for f in ledger_folders(there)},
        records={r.item: r for r in ledger_records(there, {})},
    )
    again = {e.item: e for e in index_entries(back, "new", 5)}
    assert {i: (e.item_id, e.change_key, e.folder_id) for i, e in again.items()} == {
        i: (e.item_id, e.change_key, e.folder_id) for i, e in there.entries.items()
    }
    ledger = {r.item: replace(r, generation=3, sequence=7) for r in ledger_records(back, there.records)}
    assert ledger == there.records
