from __future__ import annotations

from dataclasses import replace

import pytest

from producers import round as decisions
from producers.index import MailboxIndex
from producers.round import Content, Reading
from producers.source import Described, FolderSeen, HierarchyPage
from schemas.change import FolderDeleted, ItemUnreadable, Marks, Summary
from schemas.faults import ReplicationFault
from schemas.ports import CallRefused
from schemas.state import IndexEntry, MailboxRecord, Owed, SourceFolder

SUMMARY = Summary(
    item_class="IPM.Note", subject="", sender="", message_id="", sent_at="", received_at="", size_bytes=1,
    has_attachments=False, is_draft=False,
)  # fmt: skip
MARKS = Marks(is_read=False)
ENTRY = IndexEntry(
    item="key", item_id="id", folder_id="a", change_key="ck", search_key="sk", fingerprint="fp", digest="d", marks=MARKS
)
FOUND = Described("id", "ck", "a", "sk", "fp", MARKS, SUMMARY)
FOLDER = SourceFolder(folder_id="a", parent_id="", name="A", folder_class="IPF.Note", distinguished="")


def index_of(*entries: IndexEntry, folders: tuple[SourceFolder, ...] = (FOLDER,)) -> MailboxIndex:
    index = MailboxIndex(MailboxRecord(mailbox="m"))
    for folder in folders:
        index.put_folder(folder)
    for entry in entries:
        index.put(entry)
    return index


def seen(folder_id: str, parent_id: str = "", name: str = "") -> FolderSeen:
    return FolderSeen(folder_id, parent_id, name or folder_id, "IPF.Note", "")


def test_folders_are_said_parents_first_whatever_the_order_of_the_page() -> None:
    page = HierarchyPage((seen("c", "b"), seen("b", "a"), seen("a")), (), "1", is_last=True)
    said = decisions.see_hierarchy(index_of(folders=()), page)
    assert [f.folder_id for f in said] == ["a", "b", "c"]


def test_a_folder_seen_again_as_it_was_is_not_said_again() -> None:
    index = index_of(folders=())
    page = HierarchyPage((seen("a"),), (), "1", is_last=True)
    assert len(decisions.see_hierarchy(index, page)) == 1
    assert decisions.see_hierarchy(index, page) == []


def test_folders_in_a_circle_do_not_hang_the_feed() -> None:
    page = HierarchyPage((seen("a", "b"), seen("b", "a")), (), "1", is_last=True)
    assert {f.folder_id for f in decisions.see_hierarchy(index_of(folders=()), page)} == {"a", "b"}


def test_a_folder_that_goes_makes_its_items_pending_and_is_not_said_yet() -> None:
    index = index_of(ENTRY)
    assert decisions.see_hierarchy(index, HierarchyPage((), ("a",), "1", is_last=True)) == []
    assert index.folders["a"].gone
    assert index.pending == {"key"}


@pytest.mark.parametrize(
    ("known", "probe", "is_same"),
    [("1/2/3", "1/2/3", True), ("1/2/3", "1/2/4", False), ("1/2/3?", "1/2/3?", False), ("", "", False)],
    ids=["equal", "different", "uncertain", "unknown"],
)
def test_only_an_equal_and_certain_probe_proves_that_nothing_happened(known: str, probe: str, *, is_same: bool) -> None:
    assert decisions.is_unchanged(replace(FOLDER, probe=known), probe) is is_same


def test_an_older_probe_is_refused_and_a_newer_an_equal_or_none_is_not() -> None:
    folder = replace(FOLDER, probe="2026-01-02T00:00:00Z/1/1?")
    for probe in ("2026-01-02T00:00:00Z/1/0", "2026-01-03T00:00:00Z/0/0", ""):
        decisions.refuse_step_back(folder, probe)
    with pytest.raises(CallRefused, match="restored from a backup") as raised:
        decisions.refuse_step_back(folder, "2026-01-01T00:00:00Z/9/9")
    assert raised.value.code == ReplicationFault.SOURCE_WENT_BACK


def test_what_was_never_said_is_forgotten_when_it_goes_and_what_was_is_pending() -> None:
    index = index_of(ENTRY, decisions.newcomer("m", "new", "a"))
    decisions.see_gone(index, "id")
    decisions.see_gone(index, "new")
    decisions.see_gone(index, "stranger")
    assert list(index.entries) == ["key"]
    assert index.pending == {"key"}


def test_what_was_said_to_be_unreadable_is_said_to_be_deleted() -> None:
    index = index_of()
    entry = decisions.newcomer("m", "new", "a")
    for _ in range(decisions.UNREADABLE_ATTEMPTS):
        decisions.owe(index, index.by_item_id("new") or entry, "ErrorCorruptData", 0)
    decisions.see_gone(index, "new")
    assert index.pending == {entry.item}


def test_a_read_flag_is_said_only_where_it_differs() -> None:
    index = index_of(ENTRY)
    assert decisions.see_read_flag(index, "id", is_read=False) is None
    assert decisions.see_read_flag(index, "stranger", is_read=True) is None
    said = decisions.see_read_flag(index, "id", is_read=True)
    assert said
    assert said.marks.is_read
    assert decisions.see_read_flag(index, "id", is_read=True) is None


@pytest.mark.parametrize(
    ("entry", "found", "content"),
    [
        (ENTRY, FOUND, Content.SAME),
        (ENTRY, replace(FOUND, change_key="other"), Content.SAME),
        (ENTRY, replace(FOUND, change_key="other", fingerprint="other"), Content.COMPARE),
        (replace(ENTRY, digest=""), replace(FOUND, change_key="other", fingerprint="other"), Content.CHANGED),
        (replace(ENTRY, fingerprint=""), replace(FOUND, change_key="other", fingerprint=""), Content.COMPARE),
        (replace(ENTRY, change_key=""), FOUND, Content.CHANGED),
    ],
    ids=["same key", "same fingerprint", "digest known", "nothing known", "unknown is not equal", "never fetched"],
)
def test_content_is_the_same_only_where_that_is_proven(entry: IndexEntry, found: Described, content: Content) -> None:
    assert decisions.judge(entry, found) is content


def test_what_is_owed_counts_as_changed_whatever_it_looks_like() -> None:
    index = index_of(ENTRY)
    decisions.want(index, ENTRY, 0, "one", "asked")
    assert decisions.judge(index.entries["key"], FOUND) is Content.CHANGED


def test_candidates_have_the_search_key_and_pending_then_alike_ones_come_first() -> None:
    alive = replace(ENTRY, item="alive", item_id="1", fingerprint="other")
    alike = replace(ENTRY, item="alike", item_id="2")
    pending = replace(ENTRY, item="pending", item_id="3", fingerprint="other", pending=True)
    index = index_of(alive, alike, pending, replace(ENTRY, item="stranger", item_id="4", search_key="other"))
    found = replace(FOUND, item_id="new")
    assert [e.item for e in decisions.candidates(index, found)] == ["pending", "alike", "alive"]
    assert decisions.candidates(index, replace(found, search_key="")) == []


def test_a_move_keeps_the_item_and_takes_the_new_id() -> None:
    index = index_of(replace(ENTRY, pending=True))
    said = decisions.move(index, index.entries["key"], replace(FOUND, item_id="new", folder_id="b", change_key="ck2"))
    assert (said.ref.item, said.ref.item_id, said.from_folder_id) == ("key", "new", "a")
    assert index.by_item_id("id") is None
    assert not index.pending


def test_owing_waits_longer_each_time_and_is_said_at_the_last_quick_retry_only() -> None:
    index = index_of(ENTRY)
    said, waits = [], []
    for _ in range(decisions.UNREADABLE_ATTEMPTS + 10):
        said.append(decisions.owe(index, index.entries["key"], "ErrorCorruptData", 0))
        owed = index.entries["key"].owed
        assert owed
        waits.append(owed.retry_at)
    assert [n for n, s in enumerate(said, 1) if s] == [decisions.UNREADABLE_ATTEMPTS]
    assert isinstance(said[decisions.UNREADABLE_ATTEMPTS - 1], ItemUnreadable)
    assert waits == sorted(waits)
    assert waits[-1] == decisions.RETRY_SECONDS_MAX * 1000


@pytest.mark.parametrize("attempts", [0, 3, decisions.UNREADABLE_ATTEMPTS])
def test_what_can_never_succeed_is_said_at_its_first_refusal_and_looked_at_rarely(attempts: int) -> None:
    """A close, a first copy and a way back wait for nothing that was asked for as often as this."""
    index = index_of(ENTRY)
    for _ in range(attempts):
        decisions.owe(index, index.entries["key"], "ErrorCorruptData", 0)
    said = [decisions.owe(index, index.entries["key"], ReplicationFault.NO_PORTABLE_FORM, 0) for _ in range(3)]
    owed = index.entries["key"].owed
    assert owed
    assert owed.attempts >= decisions.UNREADABLE_ATTEMPTS
    assert [bool(operation) for operation in said] == [attempts < decisions.UNREADABLE_ATTEMPTS, False, False]
    assert owed.retry_at > 60_000


def test_what_is_final_answers_whoever_wants_it_anew() -> None:
    index = index_of(ENTRY)
    for target in ("", "one"):
        decisions.want(index, index.entries["key"], 0, target, "asked")
        said = decisions.owe(index, index.entries["key"], ReplicationFault.NO_PORTABLE_FORM, 0)
        assert isinstance(said, ItemUnreadable)


def test_a_retry_that_a_wrong_clock_put_off_too_far_is_due_at_once() -> None:
    owed = Owed(since=0, attempts=1, retry_at=3_600_000 + decisions.RETRY_SECONDS_MAX * 1000 + 1, reason="")
    assert decisions.retry_due_at(owed, 3_600_000) == 3_600_000
    assert decisions.retry_due_at(replace(owed, retry_at=3_600_500), 3_600_000) == 3_600_500


def test_unreadable_content_that_may_be_newer_is_current_nowhere_whoever_asked() -> None:
    index = index_of(ENTRY)
    decisions.owe(index, ENTRY, "ErrorCorruptData", 0)
    decisions.want(index, index.entries["key"], 0, "one", "asked")
    said = None
    while said is None:
        said = decisions.owe(index, index.entries["key"], "ErrorCorruptData", 0, is_news=False)
    assert (said.ref.change_key, said.targets) == ("", ("one",))


def test_what_was_only_asked_for_keeps_the_change_key_of_what_was_fetched() -> None:
    index = index_of(ENTRY)
    decisions.want(index, ENTRY, 0, "one", "asked")
    said = None
    while said is None:
        said = decisions.owe(index, index.entries["key"], "ErrorCorruptData", 0, is_news=False)
    assert (said.ref.change_key, said.targets) == (ENTRY.change_key, ("one",))


def test_wants_of_two_targets_are_both_kept() -> None:
    index = index_of(ENTRY)
    decisions.want(index, ENTRY, 5, "two", "asked")
    decisions.want(index, index.entries["key"], 6, "one", "asked")
    owed = index.entries["key"].owed
    assert owed
    assert (owed.targets, owed.retry_at) == (("one", "two"), 0)


def test_a_deletion_is_released_only_when_every_folder_and_the_tree_were_read_after_it() -> None:
    other = replace(FOLDER, folder_id="b")
    index = index_of(replace(ENTRY, pending=True), folders=(FOLDER, other, replace(FOLDER, folder_id="c", gone=True)))
    since = {"key": 5}
    assert not decisions.releasable(index, Reading(6, {"a": 6, "b": 5}), since)
    assert not decisions.releasable(index, Reading(5, {"a": 6, "b": 6}), since)
    assert not decisions.releasable(index, Reading(6, {"a": 6}), since)
    assert decisions.releasable(index, Reading(6, {"a": 6, "b": 6}), since) == [index.entries["key"]]


def test_folders_that_are_gone_are_deleted_children_first_once_empty() -> None:
    parent, child = replace(FOLDER, gone=True), replace(FOLDER, folder_id="b", parent_id="a", gone=True)
    index = index_of(replace(ENTRY, folder_id="b", pending=True), folders=(parent, child))
    assert decisions.delete_folders(index) == []
    decisions.delete(index, index.entries["key"])
    assert decisions.delete_folders(index) == [FolderDeleted(folder_id="b"), FolderDeleted(folder_id="a")]
    assert not index.folders
