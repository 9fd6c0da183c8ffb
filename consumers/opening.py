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

from consumers.ledger import Ledger
from consumers.patience import FellBehind, Patience
from consumers.tidying import Tidying
from schemas import roles
from schemas.ports import Clock
from schemas.roles import OrderKind
from schemas.state import Order, TargetMailbox, TargetRole

log = logging.getLogger(__name__)

REPAIRS = frozenset({OrderKind.REDRIVE, OrderKind.REDRIVE_FROM_EVIDENCE})
Settle = Callable[[str, str, tuple[str, ...]], bool]


def is_open(record: TargetMailbox) -> bool:
    """Tell whether the target is its users': nothing is written there."""
    return record.role == TargetRole.OPEN


def refuses(record: TargetMailbox, kind: str) -> bool:
    """Tell whether an order comes too late for a mailbox."""
    return kind not in roles.TARGET_ORDERS and (is_open(record) or (roles.is_resting(record) and kind in REPAIRS))


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
        if roles.may_merge(record, order):
            merging = roles.begin_merge(record, order)
            self._ledger.put_mailbox(merging)
            log.info("tail is awaited", extra={"mailbox": order.mailbox})
            return merging.barrier is None
        if record.returned != order.promotion:
            log.error("can't merge", extra={"mailbox": order.mailbox, "role": record.role})
        return False

    def obey(self, order: Order, addresses: Mapping[str, str]) -> None:
        """Do what an order says; once more changes nothing. The caller commits with the order's position."""
        record = self._ledger.mailbox(order.mailbox)
        if order.kind == OrderKind.REOPEN:
            self._reopen(order, replace(record, reopened=order.promotion))
        elif not roles.users_work_at(record):
            refusal = roles.refusal_to_open(record, order, self._target) or self._clear(
                order, addresses.get(order.mailbox, "")
            )
            if refusal:
                log.error("target not opened", extra={"mailbox": order.mailbox, "reason": refusal})
            else:
                self._open(order)

    def _reopen(self, order: Order, record: TargetMailbox) -> None:
        """Apply to it again, and note in any case that this order and all before it were obeyed."""
        if roles.may_reopen_target(record, order):
            log.info("mailbox reopened", extra={"mailbox": order.mailbox, "role": record.role})
            record = roles.reopen_target(record)
        elif record.role != TargetRole.MIRRORING:
            log.warning("reopen passed over", extra={"mailbox": order.mailbox, "role": record.role})
        self._ledger.put_mailbox(record)

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
            roles.open_target(record, order, self._target, self._clock()),
        )
        log.info("target opened", extra={"mailbox": order.mailbox, "was": record.role})
