from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from producers import item_look
from producers import round as decisions
from producers.capture import Dirt
from schemas.change import (
    FolderDeleted,
    FolderSaved,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemSaved,
    ItemUnreadable,
    Marks,
    Operation,
    SeedEnd,
)
from schemas.faults import ReplicationFault
from schemas.ports import CallRefused

from .replica import assert_equal

if TYPE_CHECKING:
    from producers.capture import Capture

    from .conftest import Rig

READ = Marks(is_read=True)


def kinds(said: list[Operation]) -> list[type]:
    return [type(operation) for operation in said]


def copied(rig: Rig) -> Capture:
    """A capture that has read everything and whose folders are at rest."""
    capture = rig.capture()
    rig.round(capture)
    rig.rest()
    rig.round(capture)
    rig.source.calls.clear()
    return capture


def test_what_is_edited_while_it_is_read_is_said_under_its_own_change_key(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.mark(item_id, READ)
    rig.round(capture)
    entry = capture.index.by_item_id(item_id)
    assert entry
    decisions.want(capture.index, entry, rig.now, "", "seed")
    rig.source.before("export", lambda: rig.source.edit(item_id))
    assert rig.round(capture) == []
    rig.rest()
    (saved,) = rig.round(capture)
    assert isinstance(saved, ItemSaved)
    assert saved.ref.change_key == rig.source.items_by_id[item_id].change_key


def test_a_seed_names_what_moves_from_a_folder_not_read_yet_to_one_read_already(rig: Rig) -> None:
    second = rig.source.add_folder("Second")
    item_id = rig.source.add(second)
    capture = rig.capture()
    capture.begin_seed(None, "first copy")
    rig.source.before("items", lambda: None)
    rig.source.before("items", lambda: rig.source.move(item_id, rig.source.inbox))
    said = rig.round(capture)
    assert [type(o) for o in said[-2:]] == [ItemSaved, SeedEnd]


def content_calls(rig: Rig) -> list[str]:
    return [method for method, (_, asked) in rig.source.calls if method in {"export", "portable"} and asked]


def test_a_first_round_says_folders_parents_first_then_their_items(rig: Rig) -> None:
    child = rig.source.add_folder("Child", rig.source.inbox)
    rig.source.add(child)
    assert kinds(rig.round(rig.capture())) == [FolderSaved, FolderSaved, ItemSaved]


def test_an_unchanged_mailbox_says_nothing_and_asks_for_no_items(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    capture = copied(rig)
    assert rig.round(capture, Dirt()) == []
    assert {method for method, _ in rig.source.calls} == {"hierarchy", "probe"}


def test_a_move_is_a_move_without_content(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    new_id = rig.source.move(item_id, other)
    (moved,) = rig.round(capture)
    assert isinstance(moved, ItemMoved)
    assert (moved.ref.item_id, moved.ref.folder_id, moved.from_folder_id) == (new_id, other, rig.source.inbox)
    assert content_calls(rig) == []


def test_a_move_is_a_move_also_when_its_arrival_is_seen_before_its_leaving(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(other)
    capture = copied(rig)
    rig.source.move(item_id, rig.source.inbox)
    assert kinds(rig.round(capture)) == [ItemMoved]
    rig.rest()
    assert rig.round(capture) == []


def test_an_item_that_goes_and_comes_back_moves_and_is_never_deleted(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    back_id = rig.source.move(rig.source.move(item_id, other), rig.source.inbox)
    said = rig.round(capture)
    assert set(kinds(said)) == {ItemMoved}
    assert isinstance(said[-1], ItemMoved)
    assert said[-1].ref.item_id == back_id


def test_an_item_moved_and_edited_is_a_move_and_then_a_save(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.edit(rig.source.move(item_id, other))
    said = rig.round(capture)
    assert kinds(said) == [ItemMoved, ItemSaved]
    assert len({o.ref.item for o in said if isinstance(o, ItemMoved | ItemSaved)}) == 1


def test_a_copy_is_a_save_of_its_own(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.copy(item_id, other)
    assert kinds(rig.round(capture)) == [ItemSaved]


def test_a_deletion_waits_until_every_other_folder_was_read_after_it(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(other)
    capture = copied(rig)
    rig.source.delete(item_id)

    def refuse() -> None:
        raise CallRefused("ErrorServerBusy", "busy")

    rig.source.before("probe", lambda: None)
    rig.source.before("probe", refuse)
    with pytest.raises(CallRefused):
        rig.round(capture)
    assert [e.pending for e in capture.index.entries.values()] == [True]
    again = rig.capture()
    assert kinds(rig.round(again)) == [ItemDeleted]


def test_a_folder_that_cannot_be_read_keeps_the_deletions_of_its_mailbox_pending(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.delete(item_id)
    rig.source.add(other)
    rig.source.closed_folders.add(other)
    before = capture.index.record.certain_up_to
    assert rig.round(capture) == []
    assert len(capture.index.pending) == 1
    assert capture.index.record.certain_up_to == before
    rig.source.closed_folders.clear()
    rig.rest()
    assert kinds(rig.round(capture)) == [ItemSaved, ItemDeleted]


def test_a_move_under_way_while_folders_are_read_is_not_said_as_a_deletion(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    item_id = rig.source.add(other)
    capture = copied(rig)
    rig.source.add(rig.source.inbox)
    rig.source.add(other)
    rig.source.before("items", lambda: None)
    rig.source.before("items", lambda: rig.source.move(item_id, rig.source.inbox))
    said = rig.round(capture)
    assert ItemDeleted not in kinds(said)
    rig.rest()
    rig.round(capture)
    assert_equal(rig)


def test_a_read_flag_is_a_mark_and_fetches_nothing(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.mark(item_id, READ)
    (marked,) = rig.round(capture)
    assert isinstance(marked, ItemMarked)
    assert marked.marks == READ
    assert content_calls(rig) == []


def test_new_categories_of_a_message_are_a_mark_told_from_an_edit_by_its_decoded_content(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.edit(item_id)
    rig.round(capture)
    rig.source.mark(item_id, Marks(is_read=False, categories=("red",)))
    rig.source.calls.clear()
    assert kinds(rig.round(capture)) == [ItemMarked]
    assert "export" not in content_calls(rig)


def test_two_edits_within_one_second_are_both_said(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.edit(item_id)
    assert kinds(rig.round(capture)) == [ItemSaved]
    rig.source.edit(item_id)
    assert kinds(rig.round(capture)) == [ItemSaved]
    assert_equal(rig)


def test_an_item_gone_between_sync_and_fetch_is_owed_and_cleared_by_its_deletion(rig: Rig) -> None:
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.before("describe", lambda: rig.source.delete(item_id))
    assert rig.round(capture) == []
    assert [e.owed.reason for e in capture.index.entries.values() if e.owed] == ["ErrorItemNotFound"]
    rig.rest()
    assert rig.round(capture) == []
    assert not capture.index.entries


def test_an_item_that_cannot_be_exported_is_owed_until_it_can(rig: Rig) -> None:
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["export"] = "ErrorCorruptData"
    assert rig.round(capture) == []
    assert len(capture.index.owed) == 1
    del rig.source.items_by_id[item_id].refusals["export"]
    rig.rest()
    assert kinds(rig.round(capture)) == [ItemSaved]
    assert not capture.index.owed


def test_an_owed_item_survives_its_move(rig: Rig) -> None:
    other = rig.source.add_folder("Other")
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["export"] = "ErrorCorruptData"
    rig.round(capture)
    rig.source.items_by_id[item_id].refusals = {}
    rig.source.move(item_id, other)
    rig.rest()
    rig.round(capture)
    assert_equal(rig)


def test_an_item_that_stays_unreadable_is_said_to_be_once(rig: Rig) -> None:
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["describe"] = "ErrorCorruptData"
    said: list[Operation] = []
    for _ in range(8):
        said += rig.round(capture)
        rig.rest(1000)
    assert kinds(said) == [ItemUnreadable]


@pytest.mark.parametrize("attempts", [0, 1000])
def test_an_item_that_is_named_and_neither_found_nor_listed_is_let_go(rig: Rig, attempts: int) -> None:
    """Sync names it once and never again: it would be owed, and its mailbox incomplete, for ever."""
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    del rig.source.items_by_id[item_id]
    rig.round(capture)
    (entry,) = capture.index.entries.values()
    assert entry.owed
    if attempts:  # an earlier release said that it is unreadable
        capture.index.put(replace(entry, owed=replace(entry.owed, attempts=attempts)))
    said: list[Operation] = []
    for _ in range(9):
        rig.rest(4000)
        said += rig.round(capture)
    assert not capture.index.entries
    assert kinds(said) == ([ItemDeleted] if attempts else [])


@pytest.mark.parametrize("listing", ["shows it", "fails"])
def test_an_item_that_is_not_found_and_may_be_listed_is_said_to_be_unreadable(rig: Rig, listing: str) -> None:
    capture = copied(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["describe"] = "ErrorItemNotFound"
    said: list[Operation] = []
    for _ in range(9):
        if listing == "fails":
            rig.source.before("listing", refuse)
        said += rig.round(capture)
        rig.rest(4000)
    assert kinds(said) == [ItemUnreadable]
    assert capture.index.owed


def refuse() -> None:
    raise CallRefused("ErrorTimeoutExpired", "not now")


def test_a_lost_cursor_lists_the_folder_anew_and_says_only_what_differs(rig: Rig) -> None:
    stays, goes = rig.source.add(rig.source.inbox), rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.lose_cursors()
    rig.source.delete(goes)
    said = rig.round(capture)
    assert kinds(said) == [ItemDeleted]
    assert [e.item_id for e in capture.index.entries.values()] == [stays]


def test_a_deleted_folder_goes_after_its_items_and_its_children(rig: Rig) -> None:
    parent = rig.source.add_folder("Parent")
    child = rig.source.add_folder("Child", parent)
    rig.source.add(child)
    capture = copied(rig)
    rig.source.delete_folder(parent)
    said = rig.round(capture)
    assert kinds(said) == [ItemDeleted, FolderDeleted, FolderDeleted]
    assert [o.folder_id for o in said if isinstance(o, FolderDeleted)] == [child, parent]


def test_an_item_saved_from_a_deleted_folder_moves(rig: Rig) -> None:
    doomed = rig.source.add_folder("Doomed")
    item_id = rig.source.add(doomed)
    capture = copied(rig)
    rig.source.move(item_id, rig.source.inbox)
    rig.source.delete_folder(doomed)
    assert kinds(rig.round(capture)) == [ItemMoved, FolderDeleted]


def test_a_source_that_went_back_is_refused_and_nothing_is_said(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    capture = copied(rig)
    rig.source.folders[rig.source.inbox].committed_seconds -= 100
    rig.source.folders[rig.source.inbox].journal.clear()
    rig.source.items_by_id.clear()
    with pytest.raises(CallRefused) as raised:
        rig.round(capture)
    assert raised.value.code == ReplicationFault.SOURCE_WENT_BACK
    assert ItemDeleted not in {type(c.operation) for c in rig.changes()}


def test_a_broken_call_hands_out_what_was_drafted_and_the_rest_follows(rig: Rig) -> None:
    rig.source.page_items_max = 1
    for _ in range(3):
        rig.source.add(rig.source.inbox)
    capture = rig.capture()

    def lose_server() -> None:
        raise CallRefused("connection-refused", "the server is away")

    rig.source.before("export", lambda: None)
    rig.source.before("export", lose_server)
    with pytest.raises(CallRefused):
        rig.round(capture)
    assert [type(c.operation) for c in rig.changes()] == [FolderSaved, ItemSaved]
    rig.round(rig.capture())
    assert_equal(rig)


@pytest.mark.parametrize("is_crash", [False, True], ids=["failed call", "crash after a full part"])
def test_an_item_said_before_its_page_was_done_and_deleted_since_is_deleted(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    is_crash: bool,  # noqa: FBT001 - named by ids
) -> None:
    monkeypatch.setattr(item_look, "PART_DRAFTS_MAX", 1)
    capture = copied(rig)
    first = rig.source.add(rig.source.inbox)
    for _ in range(item_look.DESCRIBE_ITEMS_MAX):
        rig.source.add(rig.source.inbox)

    def lose_server() -> None:
        raise CallRefused("connection-refused", "the server is away")

    rig.source.before("describe", lambda: None)
    rig.source.before("describe", lose_server)
    with pytest.raises(CallRefused):
        rig.round(capture)
    rig.source.delete(first)
    rig.rest()
    rig.round(rig.capture() if is_crash else capture)
    rig.rest()
    rig.round(capture if not is_crash else rig.capture())
    assert_equal(rig)


def test_what_was_said_beyond_a_cursor_is_looked_at_however_often_its_reading_breaks_off(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_look, "PART_DRAFTS_MAX", 1)
    capture = copied(rig)
    rig.source.page_items_max = 1
    said_and_deleted = rig.source.add(rig.source.inbox)
    rig.round(capture, parts_max=1)
    rig.source.delete(said_and_deleted)
    rig.source.add(rig.source.inbox)
    rig.source.add(rig.source.inbox)

    def lose_server() -> None:
        raise CallRefused("connection-refused", "the server is away")

    rig.source.before("items", lambda: None)
    rig.source.before("items", lose_server)
    with pytest.raises(CallRefused):
        rig.round(rig.capture())
    rig.round(rig.capture())
    rig.rest()
    rig.round(rig.capture())
    assert_equal(rig)


def test_certain_up_to_is_when_the_round_began(rig: Rig) -> None:
    capture = rig.capture()
    began_at = rig.now
    rig.source.before("probe", rig.rest)
    rig.round(capture)
    assert capture.index.record.certain_up_to == began_at


def test_a_round_that_did_not_read_the_hierarchy_is_no_more_certain_than_its_last_reading(rig: Rig) -> None:
    capture = copied(rig)
    rig.rest()
    read_at = rig.now
    rig.round(capture)
    rig.rest()
    folder = rig.source.add_folder("New")
    rig.source.add(folder)
    rig.round(capture, Dirt(frozenset({rig.source.inbox}), is_hierarchy_dirty=False))
    assert capture.index.record.certain_up_to == read_at
    rig.round(capture)
    assert capture.index.record.certain_up_to == rig.now
    assert_equal(rig)
