"""How a replay takes a mailbox over that it never filled: its ledger is the other direction's index (design §8).

State: the mailbox's record, written last: `handed` names the promotion that was taken over.
Order: items and folders of an earlier life that are not of this one are forgotten, the others written in bounded
transactions; the stamps of items made here in an earlier life are kept, they stand on them still, and originals get
one; then the record.
Failure: dead before the record, it is all done again. Nothing is applied meanwhile: the feed takes over afterwards.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from consumers.ledger import Ledger
from consumers.originals import Originals
from consumers.patience import FellBehind, Patience
from schemas import roles
from schemas.ports import Clock
from schemas.state import Order
from schemas.turning import Known, ledger_folders, ledger_records

log = logging.getLogger(__name__)

Opposite = Callable[[Order], Known | None]
"""What the other direction left of the order's mailbox; None where it did not end its role by that promotion."""


class TakingOver:
    """Obeys TAKE_OVER for the mailboxes of one partition at one target; `scope` is the digest of the settings'."""

    def __init__(
        self,
        ledger: Ledger,
        originals: Originals,
        patience: Patience,
        opposite: Opposite,
        commit: Callable[[], None],
        scope: str,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._originals = originals
        self._patience = patience
        self._opposite = opposite
        self._commit = commit
        self._scope = scope
        self._clock = clock

    def obey(self, order: Order, address: str) -> None:
        """Do what the order says; once more changes nothing. The caller commits with the order's position."""
        record = self._ledger.mailbox(order.mailbox)
        if record.handed == order.promotion:
            return
        known = self._opposite(order) if roles.may_take_over(record) else None
        if known is None:
            log.error("not taken over", extra={"mailbox": order.mailbox, "role": record.role})
            return
        items = self._write(order.mailbox, known)
        if not address or not self._stamp(order.mailbox, address):
            log.error("not taken over: originals can't be stamped", extra={"mailbox": order.mailbox})
            return
        self._ledger.put_mailbox(
            roles.take_over_target(record, order, self._scope, self._clock()),
        )
        log.info("mailbox taken over", extra={"mailbox": order.mailbox, "items": items})

    def _stamp(self, mailbox: str, address: str) -> bool:
        """Stamp what no replay made; False while the target does not let us."""
        originals = [r for r in self._ledger.items(mailbox) if r.target_id and not r.nonce]

        def stamp() -> None:
            for records in self._originals.stamped(address, originals):
                for record in records:
                    self._ledger.put_item(mailbox, record)
                self._commit()

        try:
            self._patience.endure(stamp)
        except FellBehind as behind:
            log.warning("originals not stamped", extra={"mailbox": mailbox, "code": behind.code})
            return False
        return True

    def _write(self, mailbox: str, known: Known) -> int:
        before = {record.item: record for record in self._ledger.items(mailbox)}
        records = ledger_records(known, before)
        folders = ledger_folders(known)
        for item in before.keys() - {record.item for record in records}:
            self._ledger.drop_item(mailbox, item)
            self._commit_if_full()
        for folder_id in {f.folder_id for f in self._ledger.folders(mailbox)} - {f.folder_id for f in folders}:
            self._ledger.drop_folder(mailbox, folder_id)
            self._commit_if_full()
        for folder in folders:
            self._ledger.put_folder(mailbox, folder)
            self._commit_if_full()
        for record in records:
            self._ledger.put_item(mailbox, replace(record, intent=None))
            self._commit_if_full()
        return len(records)

    def _commit_if_full(self) -> None:
        if self._ledger.is_full:
            self._commit()
