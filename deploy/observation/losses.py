"""What a failover would lose this moment, of one mailbox at a target and of all of them. Pure."""

from collections.abc import Iterable

from deploy.observation.health import SET_ASIDE, Finding, Look
from deploy.promotion.loss import LossNow, loss_now
from schemas.backlog import changes_not_applied

MISSING = frozenset({"owed", "pending", "wanted", "parked", "dropped", "unsettled"})
"""Kinds of items that the target is known to lack, or to hold in an older state."""


def loss_at(look: Look, now: int) -> LossNow:
    """Return the loss there would be of a mailbox at a target; all of it where its replay has not begun."""
    source, target = look.source, look.target
    missing = sum(look.counts.get(kind, 0) for kind in MISSING) if look.missing is None else look.missing
    if look.open_at:
        # users work there: what happens at the old source is no loss of it
        return LossNow(seconds=0.0, items=missing)
    is_stuck = target is not None and bool(target.held or target.behind or target.waiting)
    return loss_now(
        certain_up_to=source.certain_up_to if target else 0,
        missing_items=missing,
        stuck_changes=changes_not_applied(source, target) if is_stuck or target is None else 0,
        now=now,
    )


def loss_of_all(rows: Iterable[tuple[Look, Finding]], now: int) -> LossNow:
    """Return the longest time (-1: everything of some mailbox) and all items, of what was not promoted."""
    found = [loss_at(look, now) for look, finding in rows if finding.health not in SET_ASIDE]
    is_all = any(one.seconds < 0 for one in found)
    seconds = -1.0 if is_all else max((one.seconds for one in found), default=0.0)
    return LossNow(seconds=seconds, items=sum(one.items for one in found), changes=sum(one.changes for one in found))
