"""What a failover would lose, or lost: pure functions from what stands in the log to figures and to the statement."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deploy.promotion.picture import Picture, Seen
from deploy.promotion.tail import Left
from schemas.failover import USERS_AT_TARGET, State
from schemas.state import Promoted, Promotion


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNow:
    """What a failover would lose this moment: everything after `seconds` ago (-1: all), and what is known by name.

    `items`: those the target is known to lack or to hold in an older state, each counted once. `changes`: captured ones
    that are not applied because the target's mailbox does not go on by itself; several may be of one item.
    """

    seconds: float
    items: int
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unapplied:
    """A captured change that its target does not have, by its place in the log."""

    generation: int
    sequence: int
    captured_at: int
    kind: str
    item: str
    subject: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnappliedLog:
    """The captured changes that a target does not have; `lost` of them are not in the log any more."""

    changes: tuple[Unapplied, ...] = ()
    lost: int = 0


NOTHING_UNAPPLIED = UnappliedLog()


def loss_now(*, certain_up_to: int, missing_items: int, stuck_changes: int, now: int) -> LossNow:
    """Return the loss there would be at `now` (milliseconds); what is merely on its way would be drained first."""
    seconds = max(0.0, (now - certain_up_to) / 1000) if certain_up_to else -1.0
    return LossNow(seconds=round(seconds, 3), items=missing_items, changes=stuck_changes)


def loss_of(seen: Seen, now: int) -> LossNow:
    """Return the loss there would be of a mailbox in a picture."""
    target = seen.target
    is_stuck = bool(target.held or target.behind or target.waiting)
    return loss_now(
        certain_up_to=seen.source.certain_up_to,
        missing_items=len(seen.missing),
        stuck_changes=seen.not_applied if is_stuck else 0,
        now=now,
    )


def statement(
    progress: Promotion,
    picture: Picture,
    unapplied: Mapping[str, UnappliedLog],
    tails: Mapping[str, Sequence[Left]],
    *,
    with_subjects: bool = False,
) -> dict[str, Any]:
    """Return the loss statement of a promotion as plain values; subjects and senders only where they are asked for."""
    rows = [
        _row(
            one,
            picture.of(one.mailbox),
            unapplied.get(one.mailbox, NOTHING_UNAPPLIED),
            tails.get(one.mailbox),
            progress,
        )
        for one in progress.mailboxes
    ]
    part = [row for row in rows if not row["left_out"]]
    if not with_subjects:
        for row in rows:
            for listed in (*row["captured_not_applied"], *row["tail"]):
                listed.pop("subject", None)
                listed.pop("sender", None)
    return {
        "promotion": progress.promotion,
        "target": progress.target,
        "planned": progress.planned,
        "stage": progress.stage,
        "failure": progress.failure,
        "operator": progress.operator,
        "began_at_ms": progress.began_at,
        "missing_items": sum(row["missing_items"] for row in part),
        "lost_from_log": sum(row["lost_from_log"] for row in part),
        "nothing_lost": bool(part) and all(row["nothing_lost"] for row in part),
        "mailboxes": rows,
    }


def is_verified(seen: Seen) -> bool:
    """Tell whether every folder of the target was found equal after everything was applied."""
    return bool(seen.folders) and not seen.divergent and seen.target.confirmed >= len(seen.folders)


def _row(
    one: Promoted, seen: Seen, unapplied: UnappliedLog, tail: Sequence[Left] | None, progress: Promotion
) -> dict[str, Any]:
    source, target = seen.source, seen.target
    known = {
        "captured_not_applied": [asdict(u) for u in unapplied.changes],
        "owed": [
            {"item": e.item, "item_id": e.item_id, "reason": e.owed.reason if e.owed else ""}
            for e in _by_item(seen.owed)
        ],
        "wanted": [r.item for r in _by_item(seen.wanted)],
        "pending": [e.item for e in _by_item(seen.pending)],
        "parked": [{"item": r.item, "reason": r.reason} for r in _by_item(seen.parked)],
        "unsettled": list(target.unsettled),
    }
    is_read = tail is not None
    # what came to the old source after a promotion by somebody else's word is no part of what this one lost
    is_open = State(one.state) in USERS_AT_TARGET and progress.promotion == target.promotion
    # nothing behind the barrier is known of a target that did not come to it, nor of folders nobody looked at since
    is_whole = target.barrier is not None and target.barrier == source.barrier and is_verified(seen)
    missing = seen.missing | {u.item for u in unapplied.changes} | {left.item or left.folder_id for left in tail or ()}
    nothing_lost = is_open and is_whole and is_read and not missing and not unapplied.lost
    return {
        "mailbox": one.mailbox,
        "state": one.state,
        "left_out": one.left_out,
        "accepted": one.accepted,
        "note": one.note,
        "verified": one.verified,
        "certain_up_to_ms": source.certain_up_to,
        "paused": source.paused or target.paused,
        "behind": target.behind,
        **known,
        "missing_items": len(missing),
        "lost_from_log": unapplied.lost,
        "tail_read": is_read,
        "tail": [asdict(left) for left in tail or ()],
        "nothing_lost": nothing_lost,
    }


def _by_item(records: Mapping[str, Any]) -> list[Any]:
    return [records[item] for item in sorted(records)]
