"""What differs between a mailbox and its copy, item by item: a merge join of two listings by item key. Pure.

Given are the items of the folders whose digests differ, both sides, and what the pipeline knows: the feed's index
and the target's ledger. What the pipeline knows to be behind is told apart from what nobody knew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.canonical_row import CanonicalRow, differing_fields
from schemas.identity import Stamp
from schemas.state import IndexEntry, ItemRecord, ItemState


class Kind(StrEnum):
    """How an item differs; a foreign item is none of these."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERING = "differing"
    MISPLACED = "misplaced"
    DUPLICATE = "duplicate"
    FOLDER_MISSING = "folder missing"
    FOLDER_DIFFERING = "folder differing"


class Behind(StrEnum):
    """Why an item that differs is known to be behind."""

    PARKED = "parked"
    WANTED = "wanted"
    OWED = "owed"
    PENDING = "pending"
    NOT_APPLIED = "not yet applied"
    NOT_CAPTURED = "not yet captured"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    """An item as the source lists it; an empty key: the feed has not captured it."""

    item: str
    item_id: str
    folder_id: str
    row: CanonicalRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetItem:
    """An item as the target lists it, in the folder that stands for the source's `folder_id`."""

    item_id: str
    folder_id: str
    stamp: Stamp
    row: CanonicalRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What the pipeline knows of a mailbox: index and ledger by item key; level: everything captured is applied."""

    index: Mapping[str, IndexEntry]
    ledger: Mapping[str, ItemRecord]
    is_level: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """One item that differs, without content; repair can mend what the ledger owns or the source has."""

    kind: Kind
    item: str
    folder_id: str
    fields: tuple[str, ...] = ()
    is_repairable: bool = True


@dataclass(slots=True)
class Verdict:
    """What a join found."""

    divergences: list[Divergence] = field(default_factory=list)
    behind: list[tuple[Behind, str]] = field(default_factory=list)


def judge(source: Iterable[SourceItem], target: Iterable[TargetItem], knowledge: Knowledge) -> Verdict:
    """Join both sides by item key and name what differs."""
    verdict = Verdict()
    ones: dict[str, SourceItem] = {}
    for item in source:
        if item.item:
            ones[item.item] = item
        else:
            verdict.behind.append((Behind.NOT_CAPTURED, item.item_id))
    others: dict[str, list[TargetItem]] = {}
    for held in target:
        others.setdefault(held.stamp.item, []).append(held)
    for key in sorted(ones.keys() | others.keys()):
        one, held_items = ones.get(key), others.get(key, [])
        record = knowledge.ledger.get(key)
        chosen = choose(held_items, record)
        found = _alone(chosen, knowledge) if one is None and chosen else _differs(one, chosen)
        twins = [h for h in held_items if h is not chosen]
        if found and held_items == [] and record and record.state is ItemState.LEFT_OUT:
            continue  # its absence is what the target's scope asks for
        if why := why_behind(key, knowledge):
            verdict.behind.append((why, key))  # also where the listings look alike: they show no body
        elif found:
            verdict.divergences.append(found)
        verdict.divergences += [_twin(h) for h in twins]
    return verdict


def choose(held: list[TargetItem], record: ItemRecord | None) -> TargetItem | None:
    """Return which of the items with one stamp is the ledger's: by id, else by nonce, else the first."""
    if not held:
        return None
    if record is None:
        return held[0]
    return min(held, key=lambda h: (h.item_id != record.target_id, h.stamp.nonce != record.nonce))


def why_behind(item: str, knowledge: Knowledge) -> Behind | None:
    """Return why an item is known to be behind, or None if nobody knows of it."""
    entry, record = knowledge.index.get(item), knowledge.ledger.get(item)
    if record and record.state is ItemState.PARKED:
        return Behind.PARKED
    if record and record.state is ItemState.WANTED:
        return Behind.WANTED
    if entry and entry.pending:
        return Behind.PENDING
    if entry and entry.owed:
        return Behind.OWED
    if not knowledge.is_level and _is_older(entry, record):
        return Behind.NOT_APPLIED
    return None


def _is_older(entry: IndexEntry | None, record: ItemRecord | None) -> bool:
    """Tell whether the ledger holds another state than the feed captured."""
    if entry is None or record is None:
        return entry is not None or record is not None
    known = (record.source_change_key, record.folder_id, record.marks)
    return known != (entry.change_key, entry.folder_id, entry.marks) or record.intent is not None


def _differs(one: SourceItem | None, held: TargetItem | None) -> Divergence | None:
    if one is None:
        return None
    if held is None:
        return Divergence(kind=Kind.MISSING, item=one.item, folder_id=one.folder_id)
    if held.folder_id != one.folder_id:
        return Divergence(kind=Kind.MISPLACED, item=one.item, folder_id=one.folder_id)
    if fields := differing_fields(one.row, held.row):
        return Divergence(kind=Kind.DIFFERING, item=one.item, folder_id=one.folder_id, fields=tuple(fields))
    return None


def _alone(held: TargetItem, knowledge: Knowledge) -> Divergence:
    """Name an item of ours that the folders compared do not have at the source: a copy, or one too many."""
    item = held.stamp.item
    if item in knowledge.index and not knowledge.index[item].pending:
        return _twin(held)  # its original stands in a folder that is equal
    is_owned = item in knowledge.ledger and bool(knowledge.ledger[item].target_id)
    return Divergence(kind=Kind.EXTRA, item=item, folder_id=held.folder_id, is_repairable=is_owned)


def _twin(held: TargetItem) -> Divergence:
    # somebody's copy: the ledger does not own it, so nobody deletes it
    return Divergence(kind=Kind.DUPLICATE, item=held.stamp.item, folder_id=held.folder_id, is_repairable=False)
