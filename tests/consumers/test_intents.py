from dataclasses import replace
from typing import Any

import pytest

from consumers import intents
from consumers.plan import Action, Do
from consumers.target import Done
from schemas.change import ItemDeleted, ItemMarked, ItemMoved, Marks
from schemas.state import IntentKind, ItemRecord, ItemState

UNREAD, READ = Marks(is_read=False), Marks(is_read=True)
STAGED, PLACED = Done("staged", "k1"), Done("placed", "k2")


@pytest.fixture
def present() -> ItemRecord:
    return ItemRecord(
        item="a",
        state=ItemState.PRESENT,
        generation=1,
        sequence=5,
        source_change_key="ck",
        folder_id="inbox-s",
        marks=UNREAD,
        target_id="id",
        target_change_key="tk",
        nonce="old",
    )


def through(
    making: Any, record: ItemRecord | None, operation: Any, action: Action, staged: Done | None = None
) -> tuple[ItemRecord, ItemRecord | None]:
    intended = intents.intended(record, making.change(operation, 9), operation, action, "new", staged)
    return intended, intents.after(intended, PLACED)


def test_placing_names_the_staged_item_and_ends_with_its_new_id_and_nonce(making: Any) -> None:
    saved = making.saved(making.ref("a", "work-s", "ck-2"), b"x", READ)
    intended, done = through(making, None, saved, Action(Do.PLACE), STAGED)
    assert intended.intent is not None
    assert (intended.intent.target_id, intended.intent.nonce, intended.intent.folder_id) == ("staged", "new", "work-s")
    assert done is not None
    assert (done.state, done.target_id, done.nonce, done.sequence) == (ItemState.PRESENT, "placed", "new", 9)
    assert (done.folder_id, done.marks, done.source_change_key) == ("work-s", READ, "ck-2")


def test_placing_over_older_content_remembers_what_has_to_go(making: Any, present: ItemRecord) -> None:
    saved = making.saved(making.ref("a"), b"x")
    intended, _ = through(making, present, saved, Action(Do.PLACE, "id"), STAGED)
    assert intended.intent is not None
    assert intended.intent.replaced_id == "id"
    assert intended.target_id == "id"


def test_a_mark_moves_the_nonce_and_a_move_keeps_it(making: Any, present: ItemRecord) -> None:
    marked = ItemMarked(ref=making.ref("a"), marks=READ)
    moved = ItemMoved(ref=making.ref("a", "work-s"), from_folder_id="inbox-s")
    _, after_mark = through(making, present, marked, Action(Do.MARK))
    _, after_move = through(making, present, moved, Action(Do.MOVE))
    assert after_mark is not None
    assert (after_mark.nonce, after_mark.marks, after_mark.folder_id) == ("new", READ, "inbox-s")
    assert after_move is not None
    assert (after_move.nonce, after_move.marks, after_move.folder_id) == ("old", UNREAD, "work-s")


def test_a_deletion_ends_with_no_record(making: Any, present: ItemRecord) -> None:
    intended, done = through(making, present, ItemDeleted(ref=making.ref("a")), Action(Do.DELETE))
    assert intended.intent is not None
    assert (intended.intent.kind, intended.intent.target_id) == (IntentKind.DELETE, "id")
    assert done is None


def test_marks_and_moves_leave_a_parked_item_parked(making: Any, present: ItemRecord) -> None:
    parked = replace(present, state=ItemState.PARKED, reason="ErrorCorruptData")
    ref = making.ref("a", change_key="ck-9")
    _, done = through(making, parked, ItemMarked(ref=ref, marks=READ), Action(Do.MARK))
    assert done is not None
    assert (done.state, done.reason, done.source_change_key) == (ItemState.PARKED, "ErrorCorruptData", "ck")


def test_a_forgotten_intent_leaves_the_record_as_it_was_and_a_new_item_none(making: Any, present: ItemRecord) -> None:
    saved = making.saved(making.ref("a"), b"x")
    over, _ = through(making, present, saved, Action(Do.PLACE, "id"), STAGED)
    new, _ = through(making, None, saved, Action(Do.PLACE), STAGED)
    assert intents.forgotten(over) == present
    assert intents.forgotten(new) is None


def test_parked_keeps_what_the_target_holds_and_wanted_forgets_it(making: Any, present: ItemRecord) -> None:
    saved = making.saved(making.ref("a", "work-s"), b"x", READ)
    parked = intents.parked(present, making.change(saved, 9), saved, "ErrorCorruptData")
    wanted = intents.wanted(present, making.change(saved, 9), saved)
    assert (parked.state, parked.target_id, parked.reason) == (ItemState.PARKED, "id", "ErrorCorruptData")
    assert (parked.folder_id, parked.marks, parked.sequence) == ("work-s", READ, 9)
    assert (wanted.state, wanted.target_id, wanted.nonce) == (ItemState.WANTED, "", "")


def test_recording_a_mark_keeps_the_folder_and_recording_a_move_keeps_the_marks(
    making: Any, present: ItemRecord
) -> None:
    marked = ItemMarked(ref=making.ref("a", "elsewhere"), marks=READ)
    moved = ItemMoved(ref=making.ref("a", "work-s"), from_folder_id="inbox-s")
    after_mark = intents.recorded(present, making.change(marked, 9), marked)
    after_move = intents.recorded(present, making.change(moved, 9), moved)
    assert (after_mark.folder_id, after_mark.marks) == ("inbox-s", READ)
    assert (after_move.folder_id, after_move.marks) == ("work-s", UNREAD)
