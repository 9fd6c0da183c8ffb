"""Mailboxes that fell behind the reader of their partition: each keeps an offset of its own and holds nobody.

State: the reason and the offset in the mailbox's record, when to try again.
Order: settle what is open → forget the offset in the transaction that moves the partition's position back to it.
Failure: that one transaction is why nothing between the offset and the position can be skipped by a crash.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from consumers.intake import Intake
from consumers.ledger import Ledger
from consumers.patience import FellBehind, Patience
from consumers.run import Run
from consumers.tidying import Tidying
from schemas.faults import ReplicationFault
from schemas.ports import Clock
from schemas.state import TargetRole

log = logging.getLogger(__name__)

RETRY_SECONDS = 60
RETRY_SECONDS_MAX = 1_800


class Stragglers:
    """The mailboxes of one partition that are behind, or were when the partition was acquired."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        patience: Patience,
        tidying: Tidying,
        settle_open: Callable[[Run], None],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._intake = intake
        self._patience = patience
        self._tidying = tidying
        self._settle_open = settle_open
        self._clock = clock
        self._retry_at: dict[str, int] = {}
        self._wait_seconds: dict[str, int] = {}
        self._stopped_at: dict[str, int] = {}

    def start_offset(self, committed: int | None) -> int | None:
        """Return where reading begins: the position committed, or that of the mailbox furthest behind."""
        own = [m.own_offset for m in self._ledger.mailboxes() if m.own_offset >= 0 and not m.held]
        return min([committed, *own]) if committed is not None else None

    def fall_behind(self, mailbox: str, offset: int, code: str) -> None:
        """Note that a mailbox can't go on at the change at `offset`."""
        log.warning("mailbox falls behind", extra={"mailbox": mailbox, "code": code})
        record = self._ledger.mailbox(mailbox)
        self._intake.forget(mailbox)
        own_offset = record.own_offset if record.own_offset >= 0 else offset
        self._ledger.put_mailbox(replace(record, behind=code, own_offset=own_offset))
        if offset > self._stopped_at.get(mailbox, -1):
            self._wait_seconds.pop(mailbox, None)  # it went on since
        self._stopped_at[mailbox] = offset
        wait_seconds = self._wait_seconds.get(mailbox, RETRY_SECONDS)
        self._wait_seconds[mailbox] = min(2 * wait_seconds, RETRY_SECONDS_MAX)
        # without an address nothing was tried: it goes on as soon as it has one (`due`)
        is_tried = code != ReplicationFault.NOT_REGISTERED
        self._retry_at[mailbox] = self._clock() + (wait_seconds * 1000 if is_tried else 0)

    def due(self, addresses: Mapping[str, str]) -> dict[str, int]:
        """Return and forget the mailboxes to be tried again now, with the offsets they go on from.

        One without an address waits until it has one, one that is held until an operator lets it go on: reading the
        log again would change nothing.
        """
        now = self._clock()
        ready = [m for m, at in self._retry_at.items() if at <= now and m in addresses and not self._is_held(m)]
        for mailbox in ready:
            del self._retry_at[mailbox]
        # one that was opened as it stood, or let go otherwise, has no offset of its own any more
        return {m: offset for m in ready if (offset := self._ledger.mailbox(m).own_offset) >= 0}

    def retry_now(self, mailbox: str) -> None:
        """Have a mailbox that is behind tried again at the next opportunity."""
        self._wait_seconds.pop(mailbox, None)
        if self._ledger.mailbox(mailbox).own_offset >= 0:
            self._retry_at[mailbox] = self._clock()

    def _is_held(self, mailbox: str) -> bool:
        return bool(self._ledger.mailbox(mailbox).held)

    def resume(self, mailboxes: Iterable[str], addresses: Mapping[str, str], offset: int) -> None:
        """Settle the open intents of mailboxes that nobody holds, then let them go on; the caller commits."""
        for mailbox in mailboxes:
            record = self._ledger.mailbox(mailbox)
            if record.held or record.role == TargetRole.OPEN:
                continue
            self._tidying.touched(mailbox)
            self._intake.forget(mailbox)
            if record.unsettled and not self.settle(mailbox, addresses.get(mailbox, ""), record.unsettled, offset):
                continue
            record = self._ledger.mailbox(mailbox)
            level = replace(record, unsettled=(), behind="", own_offset=-1)
            if level != record:
                self._ledger.put_mailbox(level)

    def settle(self, mailbox: str, address: str, items: tuple[str, ...], offset: int) -> bool:
        """Settle open intents by looking; False if the mailbox fell behind, at `offset`."""
        run = Run(mailbox, address, open_items=list(items), is_sent=True)
        if not address:
            self.fall_behind(mailbox, offset, ReplicationFault.NOT_REGISTERED)
            return False
        try:
            self._patience.endure(lambda: self._settle_open(run))
        except FellBehind as behind:
            self.fall_behind(mailbox, offset, behind.code)
            return False
        return True
