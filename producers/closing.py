"""How a feed ends its role in a mailbox, and begins it again (design §8).

State: the role in the mailbox's record: MIRRORING → CLOSED (planned: read to its end) → FENCED (barrier written).
Order: barrier, role and the order's position are one transaction; after it nothing of the mailbox is captured.
Failure: dead before that transaction, the order is obeyed anew; dead while CLOSED, the next owner reads on.
"""

import logging
from dataclasses import replace

from producers import round as decisions
from producers.capture import Capture
from schemas.change import Barrier, Change, Handover, Version
from schemas.state import MailboxRecord, Order, SourceRole

log = logging.getLogger(__name__)

KINDS = frozenset({"CLOSE", "REOPEN", "MERGE"})
REOPENED = "reopened"
MERGE_MS_MIN = 2_000
"""So long a returned source is read at least: what its target wants of the tail is asked for while it is applied."""


def is_fenced(record: MailboxRecord) -> bool:
    """Tell whether the barrier is written: nothing is captured, and wants and seeds are refused."""
    return record.role == SourceRole.FENCED


def refuses(record: MailboxRecord, kind: str) -> bool:
    """Tell whether an order has to wait: after the barrier all, and a seed while a tail is read for a merge.

    A seed says everything anew, so the target where users work would take the old source's word for all of it.
    """
    return is_fenced(record) or (kind == "SEED" and record.role == SourceRole.CLOSED and bool(record.returned))


def obey(capture: Capture, order: Order, now: int, *, is_capturing: bool) -> None:
    """Obey CLOSE, REOPEN or MERGE; once more changes nothing. `is_capturing`: whether the source can be read at all."""
    record = capture.index.record
    if order.kind == "REOPEN":
        _reopen(capture, order)
    elif order.kind == "MERGE":
        _merge(capture, order, now, is_capturing=is_capturing)
    elif record.generation == 0:
        log.warning("never captured, nothing to close", extra={"mailbox": order.mailbox})
    elif order.promotion and order.promotion == record.reopened:
        log.warning("close of an undone promotion passed over", extra={"mailbox": order.mailbox})
    elif not is_fenced(record):
        capture.index.record = replace(
            record,
            role=SourceRole.CLOSED,
            promotion=order.promotion,
            opening=order.target,
            closed_at=record.closed_at or now,
            close_until=now + order.until - order.issued_at if order.planned else 0,  # whatever the clocks say
        )
        log.info("mailbox closed", extra={"mailbox": order.mailbox, "planned": order.planned})
        if not order.planned or not is_capturing or record.paused:
            _fence(capture, order.reason, now, is_planned=order.planned, is_read=False)


def restored(record: MailboxRecord, change: Change) -> MailboxRecord:
    """Return the record of a mailbox whose state was lost and whose log ends with a barrier."""
    barrier = change.operation
    if not isinstance(barrier, Barrier):
        return record
    log.warning("state lost, the log ends with a barrier", extra={"mailbox": record.mailbox})
    return replace(
        record,
        role=SourceRole.FENCED,
        generation=change.generation,
        next_sequence=change.sequence + 1,
        certain_up_to=barrier.certain_up_to,
        barrier=change.version,
        promotion=barrier.promotion,
        opening=barrier.target,
    )


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
    index.record = replace(record, role=SourceRole.FENCED, barrier=barrier)
    log.info("barrier", extra={"mailbox": record.mailbox, "reason": reason})


def _merge(capture: Capture, order: Order, now: int, *, is_capturing: bool) -> None:
    """Read what the source holds beyond the barrier, to its end: a generation of its own, then a barrier again."""
    record = capture.index.record
    if record.returned == order.promotion or not is_fenced(record) or record.barrier is None:
        log.warning("merge passed over", extra={"mailbox": order.mailbox, "role": record.role})
        return
    if not is_capturing:
        log.warning("a feed without a source can't merge", extra={"mailbox": order.mailbox})
        return
    capture.index.record = replace(
        record,
        role=SourceRole.CLOSED,
        generation=record.generation + 1,
        next_sequence=1,
        seed_begun=0,
        closed_at=now,
        close_until=now + order.until - order.issued_at,
        returned=order.promotion,
    )
    capture.draft(Handover(previous=record.barrier, promotion=order.promotion, reason=order.reason))
    log.info("tail is read", extra={"mailbox": order.mailbox})


def _reopen(capture: Capture, order: Order) -> None:
    """Capture again: as before where no barrier was written, in a new generation after one."""
    record = capture.index.record = replace(capture.index.record, reopened=order.promotion)
    if record.role == SourceRole.MIRRORING or record.generation == 0:
        return  # it is captured already, or was never captured: on the way back it has to be taken over first
    log.info("mailbox reopened", extra={"mailbox": order.mailbox, "role": record.role})
    fresh = replace(
        record, role=SourceRole.MIRRORING, barrier=None, promotion="", opening="", closed_at=0, close_until=0
    )
    if not is_fenced(record) or capture.withdraw(Barrier):
        capture.index.record = fresh
        return
    last = Version(generation=record.generation, sequence=record.next_sequence - 1)
    capture.index.record = replace(fresh, generation=record.generation + 1, next_sequence=1, seed_begun=0)
    capture.begin_seed(last, REOPENED)
