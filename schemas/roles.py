"""The roles of a mailbox at both ends of a direction: which there are, and every way from one to another.

Feed, replay and the coordinator of a failover use this module, and nothing else assigns a role. It does no I/O and does
not know who asks. The feed writes a SOURCE role and the replay a TARGET role, each in the transaction that makes it
true; the coordinator reads both (`schemas.failover`).

    source  MIRRORING → CLOSED → FENCED; REOPEN begins a new generation; READ_TAIL reads what came after the barrier
    target  MIRRORING → DRAINED → OPEN; OPEN → MERGING → OPEN while a tail is applied beside its users

A step that the table lacks raises IllegalRoleError and changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from schemas.change import Barrier, Version
from schemas.state import MailboxRecord, Order, SourceRole, TargetMailbox, TargetRole


class OrderKind(StrEnum):
    """What the owner of a partition can be ordered; the first five change a role."""

    CLOSE = "CLOSE"
    OPEN = "OPEN"
    REOPEN = "REOPEN"
    MERGE = "MERGE"
    TAKE_OVER = "TAKE_OVER"
    WANT = "WANT"
    SEED = "SEED"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    RELEASE = "RELEASE"
    SKIP = "SKIP"
    REDRIVE = "REDRIVE"
    REDRIVE_FROM_EVIDENCE = "REDRIVE_FROM_EVIDENCE"
    DROP = "DROP"


SOURCE_ORDERS: Final = frozenset({OrderKind.CLOSE, OrderKind.REOPEN, OrderKind.MERGE})
"""Orders that change the role at a feed, beside TAKE_OVER."""
TARGET_ORDERS: Final = frozenset({OrderKind.OPEN, OrderKind.REOPEN, OrderKind.MERGE, OrderKind.TAKE_OVER})
"""Orders that change the role at a replay."""


class RoleStep(StrEnum):
    """What changes a role."""

    CLOSE = "close"
    FENCE = "fence"
    RESTORE_FENCE = "restore fence"
    READ_TAIL = "read tail"
    DRAIN = "drain"
    OPEN = "open"
    MERGE = "merge"
    END_MERGE = "end merge"
    NEW_GENERATION = "new generation"
    REOPEN = "reopen"
    AWAIT_TAKE_OVER = "await take over"
    TAKE_OVER = "take over"


SOURCE: Final[Mapping[SourceRole, Mapping[RoleStep, SourceRole]]] = {
    SourceRole.MIRRORING: {
        RoleStep.CLOSE: SourceRole.CLOSED,
        RoleStep.RESTORE_FENCE: SourceRole.FENCED,
        RoleStep.AWAIT_TAKE_OVER: SourceRole.FENCED,
    },
    SourceRole.CLOSED: {
        RoleStep.CLOSE: SourceRole.CLOSED,
        RoleStep.FENCE: SourceRole.FENCED,
        RoleStep.REOPEN: SourceRole.MIRRORING,
    },
    SourceRole.FENCED: {
        RoleStep.AWAIT_TAKE_OVER: SourceRole.FENCED,
        RoleStep.READ_TAIL: SourceRole.CLOSED,
        RoleStep.REOPEN: SourceRole.MIRRORING,
        RoleStep.TAKE_OVER: SourceRole.MIRRORING,
    },
}
TARGET: Final[Mapping[TargetRole, Mapping[RoleStep, TargetRole]]] = {
    TargetRole.MIRRORING: {
        RoleStep.DRAIN: TargetRole.DRAINED,
        RoleStep.OPEN: TargetRole.OPEN,
        RoleStep.NEW_GENERATION: TargetRole.MIRRORING,
        RoleStep.TAKE_OVER: TargetRole.MIRRORING,
    },
    TargetRole.DRAINED: {
        RoleStep.DRAIN: TargetRole.DRAINED,
        RoleStep.OPEN: TargetRole.OPEN,
        RoleStep.NEW_GENERATION: TargetRole.MIRRORING,
        RoleStep.REOPEN: TargetRole.MIRRORING,
        RoleStep.TAKE_OVER: TargetRole.MIRRORING,
    },
    TargetRole.OPEN: {
        RoleStep.MERGE: TargetRole.MERGING,
        RoleStep.REOPEN: TargetRole.MIRRORING,
        RoleStep.TAKE_OVER: TargetRole.MIRRORING,
    },
    TargetRole.MERGING: {
        RoleStep.MERGE: TargetRole.MERGING,
        RoleStep.END_MERGE: TargetRole.OPEN,
    },
}
USERS_WORK_AT_TARGET: Final = frozenset({TargetRole.OPEN, TargetRole.MERGING})
LEGAL_PAIRS: Final = frozenset(
    {(source, target) for source in SourceRole for target in (TargetRole.MIRRORING, TargetRole.DRAINED)}
    | {(SourceRole.FENCED, target) for target in USERS_WORK_AT_TARGET}
    | {(SourceRole.CLOSED, TargetRole.MERGING)}
)
"""Roles that source and target may have at one time. Users never work at a target whose source captures for it."""


class IllegalRoleError(Exception):
    """The table has no such step from this role; nothing was changed."""

    def __init__(self, mailbox: str, role: str, step: RoleStep) -> None:
        super().__init__(f"mailbox {mailbox}: {step} is not possible in role {role}")
        self.step = step


def users_work_at(record: TargetMailbox) -> bool:
    """Tell whether the target is its users': no client may be led away from it without merging what they did."""
    return record.role in USERS_WORK_AT_TARGET


def is_fenced(record: MailboxRecord) -> bool:
    """Tell whether the barrier is written: nothing is captured, and wants and seeds are refused."""
    return record.role == SourceRole.FENCED


def is_merging(record: TargetMailbox) -> bool:
    """Tell whether the old source's tail is applied beside what users do at the target."""
    return record.role == TargetRole.MERGING


# -- the source: what a feed writes ------------------------------------------------------------------------------


def refusal_to_close(record: MailboxRecord, order: Order) -> str:
    """Say why an order to close changes nothing; an empty text where it does."""
    if record.generation == 0:
        return "never captured"
    if order.promotion and order.promotion == record.reopened:
        return "the promotion was undone"
    if is_fenced(record) and (order.promotion == record.promotion or order.target != record.opening):
        return f"fenced already, to be opened at {record.opening}"
    return ""


def close(record: MailboxRecord, order: Order, now_ms: int) -> MailboxRecord:
    """Return the record of a mailbox whose end is ordered: read to its end where that is planned."""
    return replace(
        record,
        role=_source(record, RoleStep.CLOSE),
        promotion=order.promotion,
        opening=order.target,
        closed_at=record.closed_at or now_ms,
        close_until=now_ms + order.until - order.issued_at if order.planned else 0,  # whatever the clocks say
    )


def claim_fence(record: MailboxRecord, order: Order) -> MailboxRecord:
    """Return the record of a fenced mailbox that another promotion to the same target takes over, with its barrier.

    From here on no order of the earlier promotion can open the fence any more: it was obeyed before this one, or never.
    """
    return replace(record, promotion=order.promotion)


def fence(record: MailboxRecord, barrier: Version) -> MailboxRecord:
    """Return the record of a mailbox whose barrier is written at a version."""
    return replace(record, role=_source(record, RoleStep.FENCE), barrier=barrier)


def restore_fence(record: MailboxRecord, version: Version, barrier: Barrier) -> MailboxRecord:
    """Return the record of a mailbox whose state was lost and whose log ends with a barrier."""
    return replace(
        record,
        role=_source(record, RoleStep.RESTORE_FENCE),
        generation=version.generation,
        next_sequence=version.sequence + 1,
        certain_up_to=barrier.certain_up_to,
        barrier=version,
        promotion=barrier.promotion,
        opening=barrier.target,
    )


def may_read_tail(record: MailboxRecord, order: Order) -> bool:
    """Tell whether an order to merge has anything to change at the source."""
    return record.returned != order.promotion and is_fenced(record) and record.barrier is not None


def read_tail(record: MailboxRecord, order: Order, now_ms: int) -> MailboxRecord:
    """Return the record of a fenced mailbox that is read on for a merge: a generation of its own, then a barrier."""
    return replace(
        record,
        role=_source(record, RoleStep.READ_TAIL),
        generation=record.generation + 1,
        next_sequence=1,
        seed_begun=0,
        closed_at=now_ms,
        close_until=now_ms + order.until - order.issued_at,
        returned=order.promotion,
    )


def may_reopen_source(record: MailboxRecord, order: Order) -> bool:
    """Tell whether an order to reopen is of the promotion for which a mailbox ended its role.

    On the way back one that was never captured has to be taken over first.
    """
    is_ended = record.role != SourceRole.MIRRORING and record.generation > 0
    return is_ended and record.promotion in ("", order.promotion)


def reopen_source(record: MailboxRecord, *, is_new_generation: bool) -> MailboxRecord:
    """Return the record of a mailbox that is captured again; in a new generation where its barrier is published."""
    fresh = replace(
        record,
        role=_source(record, RoleStep.REOPEN),
        barrier=None,
        promotion="",
        opening="",
        closed_at=0,
        close_until=0,
    )
    if not is_new_generation:
        return fresh
    return replace(fresh, generation=record.generation + 1, next_sequence=1, seed_begun=0)


def await_take_over(record: MailboxRecord) -> MailboxRecord:
    """Return the record of a mailbox of the way back before it is taken over: nothing of it is captured."""
    return replace(record, role=_source(record, RoleStep.AWAIT_TAKE_OVER))


def take_over_source(record: MailboxRecord, order: Order, highest: int) -> MailboxRecord:
    """Return the record of the generation that begins; `highest` is the last one that anybody knows of."""
    return MailboxRecord(
        mailbox=record.mailbox,
        role=_source(record, RoleStep.TAKE_OVER),
        generation=max(highest, record.generation) + 1,
        handed=order.promotion,
    )


# -- the target: what a replay writes ----------------------------------------------------------------------------


def drain(record: TargetMailbox, version: Version, barrier: Barrier) -> TargetMailbox:
    """Return the record of a mailbox whose barrier is applied.

    While a tail is merged, the barrier it was opened without is passed on the way; the one after the tail ends the
    merge and makes the mailbox its users' alone.
    """
    if is_merging(record):
        step = RoleStep.END_MERGE if record.barrier is not None else RoleStep.MERGE
        return replace(record, role=_target(record, step), barrier=version, waiting="", confirmed=-1)
    return replace(
        record,
        role=_target(record, RoleStep.DRAIN),
        barrier=version,
        promotion=barrier.promotion,
        opening=barrier.target,
        waiting="",
        confirmed=-1,
    )


def is_resting(record: TargetMailbox) -> bool:
    """Tell whether the barrier is applied, or more: nothing is asked of the feed, nothing is repaired."""
    return record.role in {TargetRole.DRAINED, TargetRole.OPEN}


def refusal_to_open(record: TargetMailbox, order: Order, target: str) -> str:
    """Say why a mailbox can't be opened at a target; an empty text where it can."""
    if users_work_at(record):
        return "its users work there already"
    if record.opening not in ("", target):
        return f"the barrier opens {record.opening}"
    if is_resting(record) and record.promotion != order.promotion and not order.accepted:
        # a close and its undoing may still be under way before the barrier this order means
        return f"the barrier is of promotion {record.promotion}"
    is_drained = record.role == TargetRole.DRAINED
    return "" if is_drained or order.accepted else "the barrier is not applied and nobody accepts that"


def open_target(record: TargetMailbox, order: Order, target: str, now_ms: int) -> TargetMailbox:
    """Return the record of a mailbox that is its users' from now on."""
    return replace(
        record,
        role=_target(record, RoleStep.OPEN),
        promotion=order.promotion,
        opening=target,
        opened_at=now_ms,
        unsettled=(),
        behind="",
        own_offset=-1,
    )


def begin_merge(record: TargetMailbox, order: Order) -> TargetMailbox:
    """Return the record of a mailbox that takes a tail; what held it before it was opened is over.

    No seed comes any more: one that waited for it passes over what is lost, on its way to the next barrier.
    """
    return replace(
        record,
        role=_target(record, RoleStep.MERGE),
        returned=order.promotion,
        paused="",
        tripped="",
        waiting="",
        waiting_from=0,
        seed_begun=0,
        barrier=None if record.waiting else record.barrier,
    )


def may_merge(record: TargetMailbox, order: Order) -> bool:
    """Tell whether an order to merge has anything to change."""
    return RoleStep.MERGE in TARGET[TargetRole(record.role)] and record.returned != order.promotion


def may_reopen_target(record: TargetMailbox, order: Order) -> bool:
    """Tell whether an order to reopen is of the promotion that a mailbox rests at, or is open by."""
    return is_resting(record) and order.promotion == record.promotion


def reopen_target(record: TargetMailbox) -> TargetMailbox:
    """Return the record of a mailbox that is applied to again."""
    return _mirroring(record, RoleStep.REOPEN)


def follow_generation(record: TargetMailbox) -> TargetMailbox:
    """Return the record of a mailbox whose source begins a new generation, by a seed or a hand-over."""
    return _mirroring(record, RoleStep.NEW_GENERATION)


def take_over_target(record: TargetMailbox, order: Order, scope: str, now_ms: int) -> TargetMailbox:
    """Return the record of a mailbox whose ledger is the other direction's index."""
    return TargetMailbox(
        mailbox=record.mailbox,
        role=_target(record, RoleStep.TAKE_OVER),
        generation=record.generation,
        applied_sequence=record.applied_sequence,
        applied_at=record.applied_at,
        staging=record.staging,
        scope=scope,
        looked_at=now_ms,
        handed=order.promotion,
    )


def may_take_over(record: TargetMailbox) -> bool:
    """Tell whether a replay may begin with a new ledger: not in the middle of a merge."""
    return RoleStep.TAKE_OVER in TARGET[TargetRole(record.role)]


def _mirroring(record: TargetMailbox, step: RoleStep) -> TargetMailbox:
    return replace(record, role=_target(record, step), barrier=None, promotion="", opening="", opened_at=0)


def _source(record: MailboxRecord, step: RoleStep) -> SourceRole:
    role = SOURCE[SourceRole(record.role)].get(step)
    if role is None:
        raise IllegalRoleError(record.mailbox, record.role, step)
    return role


def _target(record: TargetMailbox, step: RoleStep) -> TargetRole:
    role = TARGET[TargetRole(record.role)].get(step)
    if role is None:
        raise IllegalRoleError(record.mailbox, record.role, step)
    return role
