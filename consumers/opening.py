"""How a replay ends its role in a mailbox: it rests at the barrier, and opens the target on an order (design §8).

State: the role in the mailbox's record: MIRRORING → DRAINED (the barrier is applied) → OPEN; back by REOPEN, or by the
seed of a new generation while it only rests.
Order: the barrier is a record like any other, done when everything before it is. To open: settle what is open, clean
staging, then the role with the order's offset in one transaction. After it nothing is written, whatever arrives.
Failure: what can't be settled or cleaned leaves the mailbox as it is, and the order is done: it is given again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from consumers import failover
from consumers.ledger import Ledger
from consumers.patience import FellBehind, Patience
from consumers.resolving import at_barrier, begun, is_merging
from consumers.tidying import Tidying
from schemas.change import Barrier, Change
from schemas.ports import Clock
from schemas.state import Order, SourceRole, TargetMailbox, TargetRole

log = logging.getLogger(__name__)

KINDS = frozenset({"OPEN", "REOPEN", "MERGE", "TAKE_OVER"})
REPAIRS = frozenset({"REDRIVE", "REDRIVE_FROM_EVIDENCE"})
Settle = Callable[[str, str, tuple[str, ...]], bool]


def is_open(record: TargetMailbox) -> bool:
    """Tell whether the target is its users': nothing is written there."""
    return record.role == TargetRole.OPEN


def is_resting(record: TargetMailbox) -> bool:
    """Tell whether the barrier is applied, or more: nothing is asked of the feed, nothing is repaired."""
    return record.role in {TargetRole.DRAINED, TargetRole.OPEN}


def refuses(record: TargetMailbox, kind: str) -> bool:
    """Tell whether an order comes too late for a mailbox."""
    return kind not in KINDS and (is_open(record) or (is_resting(record) and kind in REPAIRS))


def drained(record: TargetMailbox, change: Change, barrier: Barrier) -> TargetMailbox:
    """Return the record of a mailbox whose barrier is applied."""
    if is_merging(record):
        return at_barrier(record, change.version)
    return replace(
        record,
        role=TargetRole.DRAINED,
        barrier=change.version,
        promotion=barrier.promotion,
        opening=barrier.target,
        waiting="",
    )


def mirroring(record: TargetMailbox) -> TargetMailbox:
    """Return the record of a mailbox that is applied to again."""
    return replace(record, role=TargetRole.MIRRORING, barrier=None, promotion="", opening="", opened_at=0)


class Opening:
    """Obeys OPEN and REOPEN for the mailboxes of one partition at one target; `settle` is the stragglers'."""

    def __init__(
        self, ledger: Ledger, target: str, settle: Settle, tidying: Tidying, patience: Patience, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._target = target
        self._settle = settle
        self._tidying = tidying
        self._patience = patience
        self._clock = clock

    def merge(self, order: Order) -> bool:
        """Take part again beside the target's users, until the barrier of the tail; once more changes nothing.

        Tells whether the log has to be read again for it, because it was opened before its barrier was applied.
        """
        record = self._ledger.mailbox(order.mailbox)
        if (merging := begun(record, order)) is not None:
            self._ledger.put_mailbox(merging)
            log.info("tail is awaited", extra={"mailbox": order.mailbox})
            return merging.barrier is None
        if record.returned != order.promotion:
            log.error("can't merge", extra={"mailbox": order.mailbox, "role": record.role})
        return False

    def obey(self, order: Order, addresses: Mapping[str, str]) -> None:
        """Do what an order says; once more changes nothing. The caller commits with the order's position."""
        record = self._ledger.mailbox(order.mailbox)
        if order.kind == "REOPEN":
            self._reopen(order, replace(record, reopened=order.promotion))
        elif not is_open(record) and not is_merging(record):
            refusal = self._refusal(order, record) or self._clear(order, addresses.get(order.mailbox, ""))
            if refusal:
                log.error("target not opened", extra={"mailbox": order.mailbox, "reason": refusal})
            else:
                self._open(order)

    def _reopen(self, order: Order, record: TargetMailbox) -> None:
        """Apply to it again, and note in any case that this order and all before it were obeyed."""
        if is_resting(record) and order.promotion != record.promotion:
            log.warning("reopen of another promotion passed over", extra={"mailbox": order.mailbox})
        elif is_resting(record):
            log.info("mailbox reopened", extra={"mailbox": order.mailbox, "role": record.role})
            record = mirroring(record)
        self._ledger.put_mailbox(record)

    def _refusal(self, order: Order, record: TargetMailbox) -> str:
        """Say why the table does not let it be opened; nothing where it does."""
        if record.opening not in ("", self._target):
            return f"the barrier opens {record.opening}"
        if is_resting(record) and record.promotion != order.promotion and not order.accepted:
            # a close and its undoing may still be under way before the barrier this order means
            return f"the barrier is of promotion {record.promotion}"
        command = failover.opening(failover.state_of(SourceRole.FENCED, record.role))
        is_said = command is not failover.Command.OPEN_AS_IT_STANDS or order.accepted
        return "" if is_said else "the barrier is not applied and nobody accepts that"

    def _clear(self, order: Order, address: str) -> str:
        """Settle what is open and clean staging; say what could not be."""
        unsettled = self._ledger.mailbox(order.mailbox).unsettled
        if unsettled and not self._settle(order.mailbox, address, unsettled):
            return f"{len(unsettled)} writes are not settled: {self._ledger.mailbox(order.mailbox).behind}"
        try:
            if address:
                self._patience.endure(lambda: self._tidying.clean(order.mailbox, address))
        except FellBehind as behind:
            # what lies hidden in staging hurts nobody where an operator takes the mailbox as it stands
            return "" if order.accepted else f"staging can't be cleaned: {behind.code}"
        return ""

    def _open(self, order: Order) -> None:
        record = self._ledger.mailbox(order.mailbox)
        self._ledger.put_mailbox(
            replace(
                record,
                role=TargetRole.OPEN,
                promotion=order.promotion,
                opening=self._target,
                opened_at=self._clock(),
                unsettled=(),
                behind="",
                own_offset=-1,
            )
        )
        log.info("target opened", extra={"mailbox": order.mailbox, "was": record.role})
