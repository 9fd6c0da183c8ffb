from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from producers.index import MailboxIndex
from schemas.change import Marks
from schemas.codec import encode
from schemas.state import IndexEntry, MailboxRecord, Owed, SourceFolder
from schemas.topics import Topics, mailbox_key

if TYPE_CHECKING:
    from .conftest import Rig

TOPICS = Topics("test", "memory")
ENTRY = IndexEntry(
    item="key", item_id="id", folder_id="a", change_key="ck", search_key="sk", fingerprint="", digest="",
    marks=Marks(is_read=False),
)  # fmt: skip
FOLDER = SourceFolder(folder_id="a", parent_id="", name="A", folder_class="", distinguished="")
OWED = Owed(since=1, attempts=1, retry_at=2, reason="ErrorServerBusy")


def new_index() -> MailboxIndex:
    return MailboxIndex(MailboxRecord(mailbox="m"))


def test_an_entry_is_found_by_its_newest_id_and_search_key_only() -> None:
    index = new_index()
    index.put(ENTRY)
    index.put(replace(ENTRY, item_id="new", search_key="other"))
    assert index.by_item_id("id") is None
    assert index.by_item_id("new") == index.entries["key"]
    assert index.by_search_key("sk") == []
    assert index.by_search_key("other") == [index.entries["key"]]


def test_an_unknown_search_key_finds_nothing() -> None:
    index = new_index()
    index.put(replace(ENTRY, search_key=""))
    assert index.by_search_key("") == []


def test_pending_and_owed_follow_the_entries() -> None:
    index = new_index()
    index.put(replace(ENTRY, pending=True, owed=OWED))
    assert (index.pending, index.owed) == ({"key"}, {"key"})
    index.put(ENTRY)
    assert (index.pending, index.owed) == (set(), set())
    index.put(replace(ENTRY, pending=True, owed=OWED))
    index.remove("key")
    assert (index.pending, index.owed) == (set(), set())


def test_drain_says_the_newest_state_of_what_was_touched_once() -> None:
    index = new_index()
    index.put_folder(FOLDER)
    index.put(ENTRY)
    index.put(replace(ENTRY, change_key="ck2"))
    records = index.drain(TOPICS)
    assert [(r.key, r.value) for r in records] == [
        ("m/folder/a", encode(FOLDER)),
        ("m/item/key", encode(replace(ENTRY, change_key="ck2"))),
    ]
    assert index.drain(TOPICS) == []


def test_what_is_removed_is_drained_as_a_tombstone() -> None:
    index = new_index()
    index.put_folder(FOLDER)
    index.put(ENTRY)
    index.drain(TOPICS)
    index.remove("key")
    index.remove("key")
    index.remove_folder("a")
    assert {(r.key, r.value) for r in index.drain(TOPICS)} == {("m/item/key", None), ("m/folder/a", None)}


def test_a_folder_put_as_it_was_is_not_written_again() -> None:
    index = new_index()
    index.put_folder(FOLDER)
    index.drain(TOPICS)
    index.put_folder(replace(FOLDER))
    assert index.drain(TOPICS) == []


def test_entries_may_change_while_a_folder_is_walked() -> None:
    index = new_index()
    for number in range(3):
        index.put(replace(ENTRY, item=f"key{number}", item_id=f"id{number}"))
    for entry in index.in_folder("a"):
        index.remove(entry.item)
    assert not index.entries


def test_only_the_own_mailbox_is_restored_with_record_folders_and_entries(rig: Rig) -> None:
    record = MailboxRecord(mailbox="m", generation=3, next_sequence=9)
    for mailbox in ("m", "mm"):
        index = MailboxIndex(replace(record, mailbox=mailbox))
        index.put_folder(FOLDER)
        index.put(replace(ENTRY, item=f"{mailbox}-item", owed=OWED, pending=True))
        rig.owned.transact(index.drain(rig.topics), {})
    rig.owned.state[rig.topics.mailboxes, mailbox_key("m")] = encode(record)
    restored = MailboxIndex.restore("m", rig.topics, rig.owned)
    assert restored.record == record
    assert list(restored.entries) == ["m-item"]
    assert restored.folders == {"a": FOLDER}
    assert (restored.pending, restored.owed) == ({"m-item"}, {"m-item"})
    assert restored.drain(rig.topics) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2", "3"]), st.booleans(), st.booleans())))
def test_look_ups_agree_with_the_entries_whatever_was_put_and_removed(
    steps: list[tuple[str, str, bool, bool]],
) -> None:
    index = new_index()
    for item, search_key, is_pending, is_removed in steps:
        if is_removed:
            index.remove(item)
        else:
            index.put(replace(ENTRY, item=item, item_id=f"id-{item}", search_key=search_key, pending=is_pending))
    assert index.pending == {e.item for e in index.entries.values() if e.pending}
    for entry in index.entries.values():
        assert index.by_item_id(entry.item_id) == entry
        assert entry in index.by_search_key(entry.search_key)
    assert sum(len(index.by_search_key(k)) for k in "123") == len(index.entries)
