"""How a feed ends its role in a mailbox, and begins it again (design §8).

State: the role in the mailbox's record: MIRRORING → CLOSED (planned: read to its end) → FENCED (barrier written).
Order: barrier, role and the order's position are one transaction; after it nothing of the mailbox is captured.
Failure: dead before that transaction, the order is obeyed anew; dead while CLOSED, the next owner reads on.
"""

import logging
from dataclasses import replace

from producers import round as decisions
from producers.capture import Capture
from schemas import roles
from schemas.change import Barrier, Change, Handover, Version
from schemas.roles import OrderKind
from schemas.state import MailboxRecord, Order, SourceRole

log = logging.getLogger(__name__)

REOPENED = "reopened"
MERGE_MS_MIN = 2_000
"""So long a returned source is read at least: what its target wants of the tail is asked for while it is applied."""


def refuses(record: MailboxRecord, kind: str) -> bool:
    """Tell whether an order has to wait: after the barrier all, and a seed while a tail is read for a merge.

    A seed says everything anew, so the target where users work would take the old source's word for all of it.
    """
    return roles.is_fenced(record) or (
        kind == OrderKind.SEED and record.role == SourceRole.CLOSED and bool(record.returned)
    )


def obey(capture: Capture, order: Order, now: int, *, is_capturing: bool) -> None:
    """Obey CLOSE, REOPEN or MERGE; once more changes nothing. `is_capturing`: whether the source can be read at all."""
    record = capture.index.record
    if order.kind == OrderKind.REOPEN:
        _reopen(capture, order)
    elif order.kind == OrderKind.MERGE:
        _merge(capture, order, now, is_capturing=is_capturing)
    elif refusal := roles.refusal_to_close(record, order):
        log.warning("close passed over", extra={"mailbox": order.mailbox, "reason": refusal})
    elif roles.is_fenced(record):
        capture.index.record = roles.claim_fence(record, order)
        log.info("barrier taken over", extra={"mailbox": order.mailbox})
    else:
        capture.index.record = roles.close(record, order, now)
        log.info("mailbox closed", extra={"mailbox": order.mailbox, "planned": order.planned})
        if not order.planned or not is_capturing or record.paused:
            _fence(capture, order.reason, now, is_planned=order.planned, is_read=False)


def restored(record: MailboxRecord, change: Change) -> MailboxRecord:
    """Return the record of a mailbox whose state was lost and whose log ends with a barrier."""
    barrier = change.operation
    if not isinstance(barrier, Barrier):
        return record
    log.warning("state lost, the log ends with a barrier", extra={"mailbox": record.mailbox})
    return roles.restore_fence(record, change.version, barrier)


def after_round(capture: Capture, now: int, *, is_empty: bool) -> bool:
    """Write the barrier if a round begun after the close ended and left nothing to wait for; tell whether it did."""
    record = capture.index.record
    index = capture.index
    owed = [o for i in index.owed if (o := index.entries[i].owed)]
    hopeful = [o for o in owed if o.attempts < decisions.UNREADABLE_ATTEMPTS]
    is_certain = record.certain_up_to >= record.closed_at
    if record.returned and now - record.closed_at < MERGE_MS_MIN:
        return False
    if not is_empty or index.pending or hopeful or record.seed_begun or not is_certain:
        return False
    _fence(capture, "read to the end", now, is_planned=True, is_read=True)
    return True


def after_time(capture: Capture, now: int) -> bool:
    """Write the barrier if a closed mailbox can't be read, or was for as long as it may be; tell whether it did."""
    record = capture.index.record
    if record.role != SourceRole.CLOSED or (now < record.close_until and not record.paused):
        return False
    log.warning("closed mailbox not read to its end", extra={"mailbox": record.mailbox, "paused": record.paused})
    _fence(capture, record.paused or "not read to the end in time", now, is_planned=True, is_read=False)
    return True


def _fence(capture: Capture, reason: str, now: int, *, is_planned: bool, is_read: bool) -> None:
    index = capture.index
    record = index.record
    capture.draft(
        Barrier(
            promotion=record.promotion,
            role=SourceRole.MIRRORING,
            target=record.opening,
            reason=reason,
            at=now,
            planned=is_planned,
            complete=is_read and not index.owed and not index.pending,
            certain_up_to=record.certain_up_to,
            owed=len(index.owed),
            pending=len(index.pending),
        )
    )
    sequence = record.next_sequence + capture.drafted - 1
    barrier = Version(generation=record.generation, sequence=sequence)
    index.record = roles.fence(record, barrier)
    log.info("barrier", extra={"mailbox": record.mailbox, "reason": reason})


def _merge(capture: Capture, order: Order, now: int, *, is_capturing: bool) -> None:
    """Read what the source holds beyond the barrier, to its end: a generation of its own, then a barrier again."""
    record = capture.index.record
    if not roles.may_read_tail(record, order):
        log.warning("merge passed over", extra={"mailbox": order.mailbox, "role": record.role})
        return
    if not is_capturing:
        log.warning("a feed without a source can't merge", extra={"mailbox": order.mailbox})
        return
    capture.index.record = roles.read_tail(record, order, now)
    capture.draft(Handover(previous=record.barrier, promotion=order.promotion, reason=order.reason))
    log.info("tail is read", extra={"mailbox": order.mailbox})


def _reopen(capture: Capture, order: Order) -> None:
    """Capture again: as before where no barrier was written, in a new generation after one."""
    record = capture.index.record = replace(capture.index.record, reopened=order.promotion)
    if not roles.may_reopen_source(record, order):
        return
    log.info("mailbox reopened", extra={"mailbox": order.mailbox, "role": record.role})
    is_new_generation = roles.is_fenced(record) and not capture.withdraw(Barrier)
    capture.index.record = roles.reopen_source(record, is_new_generation=is_new_generation)
    if is_new_generation:
        last = Version(generation=record.generation, sequence=record.next_sequence - 1)
        capture.begin_seed(last, REOPENED)
