"""A feed and a replay reduced to what they do to roles: they obey orders by `schemas.roles`, like the real ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas import roles
from schemas.change import Barrier, Version
from schemas.roles import OrderKind
from schemas.state import MailboxRecord, Order, SourceRole, TargetMailbox

if TYPE_CHECKING:
    from deploy.promotion.picture import Seen

NOW = 1_000


def feed_obeys(record: MailboxRecord, order: Order) -> MailboxRecord:
    """Return the source's record after an order; a planned close is read to its end later (`fenced`)."""
    match order.kind:
        case OrderKind.CLOSE if not roles.refusal_to_close(record, order):
            if roles.is_fenced(record):
                return roles.claim_fence(record, order)
            record = roles.close(record, order, NOW)
            return record if order.planned else fenced(record)
        case OrderKind.REOPEN:
            record = replace(record, reopened=order.promotion)
            if roles.may_reopen_source(record, order):
                return roles.reopen_source(record, is_new_generation=roles.is_fenced(record))
        case OrderKind.MERGE if roles.may_read_tail(record, order):
            return roles.read_tail(record, order, NOW)
        case OrderKind.TAKE_OVER if record.handed != order.promotion and roles.is_fenced(record):
            return replace(roles.take_over_source(record, order, record.generation), next_sequence=2, certain_up_to=NOW)
    return record


def replay_obeys(record: TargetMailbox, order: Order, target: str) -> TargetMailbox:
    """Return the target's record after an order."""
    match order.kind:
        case OrderKind.OPEN if not roles.refusal_to_open(record, order, target):
            return roles.open_target(record, order, target, NOW)
        case OrderKind.REOPEN:
            record = replace(record, reopened=order.promotion)
            return roles.reopen_target(record) if roles.may_reopen_target(record, order) else record
        case OrderKind.MERGE if roles.may_merge(record, order):
            return roles.begin_merge(record, order)
        case OrderKind.TAKE_OVER if record.handed != order.promotion and roles.may_take_over(record):
            return roles.take_over_target(record, order, "", NOW)
    return record


def fenced(record: MailboxRecord) -> MailboxRecord:
    """Return the record of a closed mailbox whose barrier is the next change of its log."""
    barrier = Version(generation=record.generation, sequence=record.next_sequence)
    return replace(roles.fence(record, barrier), next_sequence=barrier.sequence + 1, certain_up_to=NOW)


def replay_applies(seen: Seen) -> None:
    """Apply all that is in the log, the barrier last; nothing where users have the target to themselves."""
    source, target = seen.source, seen.target
    if roles.users_work_at(target) and not roles.is_merging(target):
        return
    if target.generation < source.generation:
        fresh = target if roles.is_merging(target) else roles.follow_generation(target)
        target = replace(fresh, generation=source.generation, applied_sequence=0)
    is_new = target.applied_sequence < source.next_sequence - 1
    target = replace(target, applied_sequence=source.next_sequence - 1)
    if is_new and source.role == SourceRole.FENCED and source.barrier == target.applied:
        target = replace(roles.drain(target, target.applied, barrier_of(source)), confirmed=len(seen.folders))
    seen.target = target


def barrier_of(source: MailboxRecord) -> Barrier:
    """Return the barrier that a fenced mailbox's log ends with."""
    return Barrier(
        promotion=source.promotion, role=SourceRole.MIRRORING, target=source.opening, reason="test", at=NOW,
        planned=True, complete=True, certain_up_to=source.certain_up_to, owed=0, pending=0,
    )  # fmt: skip
