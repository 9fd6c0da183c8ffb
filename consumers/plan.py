"""What one change means for one target item: a pure function of change, item record and target."""

from dataclasses import dataclass
from enum import Enum

from consumers.scope import LEFT_OUT_FOLDER
from schemas.change import (
    Change,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemOperation,
    ItemRef,
    ItemSaved,
    ItemUnreadable,
)
from schemas.identity import key_mark
from schemas.state import ItemRecord, ItemState

ADOPTED = "@"
"""Begins what stands for a source id in an adopted record: a target FolderId, or the mark of a ChangeKey."""


class Do(Enum):
    """What is to be done at the target."""

    SKIP = "nothing: it was done before"
    RECORD = "nothing at the target, but remember the version, folder and marks"
    PLACE = "stage new content, then move it to its place"
    MARK = "set marks in place"
    EDIT = "set content and marks in place"
    MOVE = "move it to another folder"
    DELETE = "delete it"
    ORPHAN = "leave it at the target and own it no more"
    DISCARD = "forget a record that holds nothing at the target"
    PARK = "remember that its content is behind"
    WANT = "ask the feed for its content"
    LEAVE_OUT = "remember it without holding it: out of the target's scope"
    WITHDRAW = "delete it at the target, where it is no longer in scope"


WRITES = frozenset({Do.PLACE, Do.MARK, Do.EDIT, Do.MOVE, Do.DELETE, Do.WITHDRAW})
"""What needs an intent."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do; for PLACE whether something older has to go afterwards, and why an item is left out."""

    do: Do
    replaced_id: str = ""
    left_out: str = ""


def plan(  # noqa: PLR0911 - one return for each operation
    change: Change, operation: ItemOperation, record: ItemRecord | None, target: str, left_out: str = ""
) -> Action:
    """Return the action for an item change.

    `record` None means the ledger does not know the item, `left_out` why the change puts it out of scope.
    """
    if record and record.version >= change.version:
        return Action(Do.SKIP)
    if left_out and not isinstance(operation, ItemDeleted):
        return Action(Do.WITHDRAW if record and record.target_id else Do.LEAVE_OUT, left_out=left_out)
    match operation:
        case ItemSaved():
            return _save(operation, record, target)
        case ItemMarked():
            return _in_place(record, Do.MARK, is_needed=record is None or record.marks != operation.marks)
        case ItemMoved():
            return _moved(operation, record)
        case ItemDeleted():
            return _gone(record)
        case ItemUnreadable():
            return _unreadable(operation, record, target)


def _save(operation: ItemSaved, record: ItemRecord | None, target: str) -> Action:
    if record is None or not record.target_id:
        return Action(Do.PLACE)
    is_asked = target in operation.targets
    if record.state is ItemState.PRESENT and not is_asked and _is_same_content(record, operation.ref):
        if record.folder_id == operation.ref.folder_id:
            return Action(Do.RECORD if record.marks == operation.marks else Do.MARK)
        if record.marks == operation.marks:
            return Action(Do.MOVE)
    return Action(Do.PLACE, record.target_id)


def _is_same_content(record: ItemRecord, ref: ItemRef) -> bool:
    return bool(ref.change_key) and _content_key(record, ref) == record.source_change_key


def _content_key(record: ItemRecord, ref: ItemRef) -> str:
    is_adopted = record.source_change_key.startswith(ADOPTED)
    return ADOPTED + key_mark(ref.change_key) if is_adopted else ref.change_key


def _in_place(record: ItemRecord | None, do: Do, *, is_needed: bool) -> Action:
    if record is None:
        return Action(Do.WANT)
    if not record.target_id or not is_needed:
        # parked or wanted: the record keeps the newest folder and marks, content comes later
        return Action(Do.RECORD)
    return Action(do)


def _moved(operation: ItemMoved, record: ItemRecord | None) -> Action:
    if record and record.state is ItemState.LEFT_OUT and record.reason == LEFT_OUT_FOLDER:
        return Action(Do.WANT)
    return _in_place(record, Do.MOVE, is_needed=record is None or record.folder_id != operation.ref.folder_id)


def _unreadable(operation: ItemUnreadable, record: ItemRecord | None, target: str) -> Action:
    if record and record.state is ItemState.LEFT_OUT:
        return Action(Do.RECORD)
    if target in operation.targets or record is None or record.state is not ItemState.PRESENT:
        return Action(Do.PARK)
    # what another target asked for, or what a seed could not say again, may be current here all the same
    return Action(Do.RECORD if _is_same_content(record, operation.ref) else Do.PARK)


def _gone(record: ItemRecord | None) -> Action:
    if record is None:
        return Action(Do.SKIP)
    return Action(Do.DELETE if record.target_id else Do.DISCARD)
