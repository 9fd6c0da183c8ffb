"""Intents: from an action to what is committed before the call, and from its result to the record (design §6). Pure."""

from dataclasses import replace

from consumers.plan import Action, Do
from consumers.target import Done
from schemas.change import Change, ItemDeleted, ItemMarked, ItemMoved, ItemOperation, ItemSaved, Marks
from schemas.faults import ReplicationFault
from schemas.state import Intent, IntentKind, ItemRecord, ItemState

_KINDS = {
    Do.PLACE: IntentKind.PLACE,
    Do.MARK: IntentKind.MARK,
    Do.EDIT: IntentKind.EDIT,
    Do.MOVE: IntentKind.MOVE,
    Do.DELETE: IntentKind.DELETE,
    Do.WITHDRAW: IntentKind.DELETE,
}


def blank(item: str, folder_id: str) -> ItemRecord:
    """Return the record of an item the target holds nothing of."""
    return ItemRecord(
        item=item,
        state=ItemState.WANTED,
        generation=0,
        sequence=0,
        source_change_key="",
        folder_id=folder_id,
        marks=None,
        target_id="",
        target_change_key="",
        nonce="",
    )


def recorded(record: ItemRecord | None, change: Change, operation: ItemOperation, **other: object) -> ItemRecord:
    """Return the record with the version, folder and marks of a change that writes nothing at the target."""
    known = record or blank(operation.ref.item, operation.ref.folder_id)
    # an intent that was committed beside somebody else's and never sent is planned anew with its change
    values: dict[str, object] = {"generation": change.generation, "sequence": change.sequence, "intent": None}
    if isinstance(operation, ItemMoved | ItemSaved):
        values["folder_id"] = operation.ref.folder_id
    if isinstance(operation, ItemMarked | ItemSaved):
        values["marks"] = operation.marks
    return replace(known, **(values | other))  # type: ignore[arg-type] # names are the record's own


def intended(
    record: ItemRecord | None,
    change: Change,
    operation: ItemOperation,
    action: Action,
    nonce: str,
    staged: Done | None,
) -> ItemRecord:
    """Return the record with the intent of a visible write; `staged` is the item that PLACE moves."""
    known = record or blank(operation.ref.item, operation.ref.folder_id)
    marks: Marks | None = known.marks
    if isinstance(operation, ItemMarked | ItemSaved):
        marks = operation.marks
    is_deletion = isinstance(operation, ItemDeleted)
    intent = Intent(
        kind=_KINDS[action.do],
        generation=change.generation,
        sequence=change.sequence,
        nonce=nonce if action.do in {Do.PLACE, Do.MARK, Do.EDIT} else known.nonce,
        target_id=staged.item_id if staged else known.target_id,
        change_key=staged.change_key if staged else known.target_change_key,
        folder_id=known.folder_id if is_deletion else operation.ref.folder_id,
        replaced_id=action.replaced_id,
        source_change_key=operation.ref.change_key or known.source_change_key,
        marks=marks,
        left_out=action.left_out,
    )
    return replace(known, intent=intent)


def after(record: ItemRecord, done: Done) -> ItemRecord | None:
    """Return the record once its intent is done; None for an item that is gone at the source too."""
    intent = record.intent
    if intent is None:
        return record
    if intent.kind is IntentKind.DELETE:
        return _withdrawn(record, intent) if intent.left_out else None
    is_content = intent.kind in {IntentKind.PLACE, IntentKind.EDIT}
    return ItemRecord(
        item=record.item,
        state=ItemState.PRESENT if is_content else record.state,
        generation=intent.generation,
        sequence=intent.sequence,
        source_change_key=intent.source_change_key
        if is_content or record.state is ItemState.PRESENT
        else record.source_change_key,
        folder_id=record.folder_id if intent.kind is IntentKind.MARK else intent.folder_id,
        marks=record.marks if intent.kind is IntentKind.MOVE else intent.marks,
        target_id=done.item_id,
        target_change_key=done.change_key,
        nonce=intent.nonce,
        reason="" if is_content else record.reason,
        dropped_at=0 if is_content else record.dropped_at,
    )


def _withdrawn(record: ItemRecord, intent: Intent) -> ItemRecord:
    return replace(
        blank(record.item, intent.folder_id),
        state=ItemState.LEFT_OUT,
        generation=intent.generation,
        sequence=intent.sequence,
        source_change_key=intent.source_change_key,
        marks=intent.marks,
        reason=intent.left_out,
    )


def left_out(record: ItemRecord | None, change: Change, operation: ItemOperation, reason: str) -> ItemRecord:
    """Return the record of an item that is out of the target's scope and not held there."""
    return recorded(record, change, operation, state=ItemState.LEFT_OUT, reason=reason, intent=None)


def forgotten(record: ItemRecord) -> ItemRecord | None:
    """Return the record as it was before its intent, which is proven not to be done; None if it held nothing."""
    before = replace(record, intent=None)
    is_new = before.generation == 0 and not before.target_id
    return None if is_new else before


def parked(record: ItemRecord | None, change: Change, operation: ItemOperation, reason: str) -> ItemRecord:
    """Return the record of an item whose content is behind; what the target holds of it stays."""
    return recorded(record, change, operation, state=ItemState.PARKED, reason=reason, intent=None, dropped_at=0)


def ambiguous(record: ItemRecord) -> ItemRecord:
    """Return the record of an item that stands at the target several times, stamp and all: none is named as ours."""
    marks = record.intent.marks if record.intent and record.intent.marks else record.marks
    return replace(
        blank(record.item, record.intent.folder_id if record.intent else record.folder_id),
        state=ItemState.PARKED,
        reason=ReplicationFault.AMBIGUOUS_STAMP,
        generation=record.generation,
        sequence=record.sequence,
        marks=marks,
    )


def is_ambiguous(record: ItemRecord | None) -> bool:
    """Tell whether an operator has to say which of several items is ours before another is made."""
    return record is not None and record.state is ItemState.PARKED and record.reason == ReplicationFault.AMBIGUOUS_STAMP


def wanted(record: ItemRecord | None, change: Change, operation: ItemOperation) -> ItemRecord:
    """Return the record of an item whose content is asked of the feed."""
    lost = {"target_id": "", "target_change_key": "", "nonce": "", "source_change_key": ""}
    return recorded(record, change, operation, state=ItemState.WANTED, intent=None, **lost)
