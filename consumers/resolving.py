"""What a change of the old source's tail comes to at a target where users work meanwhile (design §8). Pure.

Whatever the target's users did not touch is as it was recorded, so a change of the old source is applied like any.
Where both changed an item nothing of either is lost: other content stands beside it as a copy of its own, marked by a
category; marks, places and deletions of the target's users win, because they are at work.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from consumers.plan import Action, Do
from consumers.target import Held
from schemas.change import ItemMarked, ItemOperation, ItemSaved, Marks, Version
from schemas.identity import item_key
from schemas.state import Conflict, ItemRecord, Order, TargetMailbox, TargetRole

CATEGORY = "mailshadow: both servers changed it"


class AtTarget(StrEnum):
    """What became of an item since the target was opened."""

    AS_RECORDED = "as recorded"
    CHANGED = "changed"
    MOVED = "moved"
    GONE = "gone"


class Kept(StrEnum):
    """Whose version stays; MERGED: the old source's place and the target's content; nothing without a conflict."""

    NO_CONFLICT = ""
    MERGED = "merged"
    BOTH = "both"
    TARGET = "target"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is to be done, and whose version stays; BOTH means that the action makes a copy."""

    action: Action
    kept: Kept = Kept.NO_CONFLICT


@dataclass(frozen=True, slots=True)
class Finding:
    """An item as it was found at the target; `held` None where it is gone, or can't be told from its copies."""

    at_target: AtTarget
    held: Held | None = None


def resolve(  # noqa: PLR0911 - one return for each action
    action: Action, operation: ItemOperation, finding: Finding
) -> Resolved:
    """Return what a change of the tail comes to, where its plan would be `action` at an untouched target."""
    if finding.at_target is AtTarget.AS_RECORDED or action.do in {Do.SKIP, Do.PARK, Do.LEAVE_OUT, Do.DISCARD, Do.WANT}:
        return Resolved(action)
    if finding.at_target is AtTarget.GONE:
        return _gone(action)
    match action.do:
        case Do.PLACE:
            return Resolved(Action(Do.PLACE), Kept.BOTH)
        case Do.MARK:
            is_equal = isinstance(operation, ItemMarked | ItemSaved) and _has_marks(finding, operation)
            return Resolved(Action(Do.RECORD), Kept.NO_CONFLICT if is_equal else Kept.TARGET)
        case Do.MOVE if finding.at_target is AtTarget.CHANGED:
            return Resolved(action, Kept.MERGED)
        case Do.MOVE | Do.DELETE | Do.WITHDRAW | Do.ORPHAN:
            return Resolved(Action(Do.RECORD), Kept.TARGET)
        case _:
            return Resolved(action)


def _gone(action: Action) -> Resolved:
    match action.do:
        case Do.PLACE:
            return Resolved(Action(Do.PLACE), Kept.SOURCE)
        case Do.MARK | Do.MOVE:
            return Resolved(Action(Do.WANT), Kept.SOURCE)
        case Do.DELETE | Do.WITHDRAW | Do.ORPHAN:
            return Resolved(Action(Do.DISCARD))
        case _:
            return Resolved(action)


def _has_marks(finding: Finding, operation: ItemMarked | ItemSaved) -> bool:
    return finding.held is not None and finding.held.marks == operation.marks


def copied(mailbox: str, saved: ItemSaved) -> ItemSaved:
    """Return a save as that of the copy that stands beside: a key of its own, and a category that says why."""
    key = item_key(mailbox, f"conflict:{saved.ref.item}:{saved.ref.change_key}")
    return replace(saved, ref=replace(saved.ref, item=key), marks=marked(saved), targets=())


def marked(saved: ItemSaved) -> Marks:
    """Return the marks of a save with the category that says why it stands there."""
    categories = tuple(dict.fromkeys((*saved.marks.categories, CATEGORY)))
    return replace(saved.marks, categories=categories)


def is_merging(record: TargetMailbox) -> bool:
    """Tell whether the old source's tail is applied beside what users do at the target."""
    return record.role == TargetRole.MERGING


def begun(record: TargetMailbox, order: Order) -> TargetMailbox | None:
    """Return the record of a mailbox that takes the tail; None where nothing is to be done, or it can't be."""
    if record.role not in {TargetRole.OPEN, TargetRole.MERGING} or record.returned == order.promotion:
        return None
    # what held it before it was opened is over: whoever opened it as it stood has had his say. No seed comes any more;
    # without a barrier it passes over what is lost on its way to the next one
    fresh = replace(record, role=TargetRole.MERGING, returned=order.promotion, paused="", tripped="")
    barrier = None if record.waiting else record.barrier
    return replace(fresh, waiting="", waiting_from=0, seed_begun=0, barrier=barrier)


def at_barrier(record: TargetMailbox, barrier: Version) -> TargetMailbox:
    """Return the record of a mailbox that takes the tail, at a barrier.

    The one it was not opened at is passed on the way to the tail; the one after the tail makes it its users' alone.
    """
    is_end = record.barrier is not None
    return replace(record, role=TargetRole.OPEN if is_end else TargetRole.MERGING, barrier=barrier, waiting="")


def kept_since_opened(found: Conflict | None, record: TargetMailbox) -> str:
    """Return what was kept of an item both sides changed since its mailbox was opened, in whichever merge."""
    return found.kept if found and found.at >= record.opened_at else Kept.NO_CONFLICT


def touched(record: ItemRecord, held: Held, kept: str) -> AtTarget:
    """Tell whether an item that has its recorded id was changed by users; `kept`: what was kept of it before.

    One that was changed and then moved by the tail is recorded as it stands since.
    """
    if kept in {Kept.BOTH, Kept.MERGED}:
        return AtTarget.CHANGED
    # some servers keep the ChangeKey when only the read flag changes
    is_read_so = record.marks is None or held.marks.is_read == record.marks.is_read
    is_same = held.change_key == record.target_change_key and is_read_so
    return AtTarget.AS_RECORDED if is_same else AtTarget.CHANGED
