"""What stands between the log and a mailbox until an operator has had a say: breaker, release, skip (design §7).

State: in the mailbox's record alone, so that an owner that dies leaves nothing to guess: the breaker's window, what
tripped and when, and the log times up to which an operator lets everything through or has it skipped.
Order: `stops` is asked before a deletion joins a run, when everything before it is done; `count` puts what a run
deletes into the record that is committed with the run's intents. Dead before that commit: the deletions are planned
and counted again. Dead after it: they are settled, and planned as done before, so they are not counted twice.
Failure: a mailbox that is stopped falls behind at that very change with an offset of its own, and holds nobody.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from consumers.breaker import BreakerLimit, Window
from consumers.ledger import Ledger
from consumers.plan import Action, Do
from consumers.subscription import Received
from schemas.change import ItemDeleted, ItemOperation
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock
from schemas.state import ItemRecord, Orphan, TargetMailbox

log = logging.getLogger(__name__)


class Gate:
    """Decides for the mailboxes of one partition whether what comes next may pass."""

    def __init__(self, ledger: Ledger, limit: BreakerLimit, clock: Clock, metrics: ReplayMetrics) -> None:
        self._ledger = ledger
        self._limit = limit
        self._clock = clock
        self._metrics = metrics
        self._items_at: dict[str, tuple[int, int]] = {}

    def hits(self, received: Received, *, is_withdrawn: bool) -> bool:
        """Tell whether a change deletes or withdraws something the target holds, where a breaker is set."""
        operation = received.change.operation
        if not self._limit.deletions_max or not isinstance(operation, ItemOperation):
            return False
        if not isinstance(operation, ItemDeleted) and not is_withdrawn:
            return False
        record = self._ledger.item(received.change.mailbox, operation.ref.item)
        return record is not None and bool(record.target_id)

    def stops(self, received: Received, before: Sequence[Received]) -> str:
        """Say what was counted if a deletion that hits is one too many after those before it; else nothing."""
        return self._exceeding([*before, received])

    def stops_seed(self, received: Received, records: Sequence[ItemRecord]) -> str:
        """Say what was counted if what a seed did not name is too much to be deleted; asked of all of it at once."""
        hit = [received for record in records if record.target_id and record.generation]  # adopted ones are kept
        return self._exceeding(hit) if hit else ""

    def trip(self, mailbox: str, code: str, counted: str) -> None:
        """Hold a mailbox until an operator releases, skips or resumes; the caller lets it fall behind."""
        log.error("mailbox held", extra={"mailbox": mailbox, "code": code, "counted": counted})
        record = self._ledger.mailbox(mailbox)
        self._ledger.put_mailbox(replace(record, tripped=code, tripped_at=self._clock(), tripped_on=counted))
        self.show(mailbox)

    def show(self, mailbox: str) -> None:
        """Set the gauges of a mailbox."""
        record = self._ledger.mailbox(mailbox)
        for code in (ReplicationFault.DELETION_BREAKER, ReplicationFault.DEAD_LETTER_LIMIT, "paused"):
            self._metrics.held.labels(mailbox=mailbox, code=str(code)).set(record.held == code)

    def is_released(self, received: Received) -> bool:
        """Tell whether an operator lets a change through whatever it is."""
        return _is_released(received, self._ledger.mailbox(received.change.mailbox))

    def decide(self, received: Received, action: Action) -> Action:
        """Return what becomes of an action: of what an operator skips, deletions are left and content is parked."""
        record = self._ledger.mailbox(received.change.mailbox)
        if not _is_skipped(received, record):
            return action
        if action.do in {Do.DELETE, Do.WITHDRAW}:
            return Action(Do.ORPHAN)
        return Action(Do.PARK) if action.do is Do.PLACE and record.skips_content else action

    def orphan(self, received: Received, record: ItemRecord) -> None:
        """Give up the ownership of an item that stays at the target, and keep a note of it."""
        change = received.change
        self._ledger.put_orphan(
            change.mailbox,
            Orphan(
                item=record.item, target_id=record.target_id, folder_id=record.folder_id, nonce=record.nonce,
                generation=change.generation, sequence=change.sequence, at=self._clock(),
            ),
        )  # fmt: skip
        self._ledger.drop_item(change.mailbox, record.item)
        self._metrics.orphaned.inc()

    def count(self, mailbox: str, deleted: Sequence[Received]) -> None:
        """Count what a run is about to delete; the record is committed with its intents."""
        record = self._ledger.mailbox(mailbox)
        window = self._window(record, [r for r in deleted if not _is_released(r, record)])
        if (window.deletions, window.since) != (record.deletions, record.deletions_since):
            self._ledger.put_mailbox(replace(record, deletions=window.deletions, deletions_since=window.since))

    # -- inside --------------------------------------------------------------------------------------------

    def _exceeding(self, deleted: Sequence[Received]) -> str:
        last = deleted[-1]
        record = self._ledger.mailbox(last.change.mailbox)
        if _is_released(last, record) or _is_skipped(last, record):
            return ""
        window = self._window(record, [r for r in deleted if not _is_released(r, record)])
        if not window.exceeds(self._limit, 0):
            return ""
        applied = record.deletions if window.since == record.deletions_since else 0
        items = self._items(record.mailbox, window.since, applied)
        if not window.exceeds(self._limit, items):
            return ""
        minutes = self._limit.window_seconds / 60
        return f"{window.deletions} deletions of {items} items within {minutes:g} min, {applied} of them applied"

    def _window(self, record: TargetMailbox, deleted: Sequence[Received]) -> Window:
        window = Window(record.deletions, record.deletions_since)
        for received in deleted:
            window = window.counting(received.appended_at, self._limit)
        return window

    def _items(self, mailbox: str, since: int, applied: int) -> int:
        """Return how many items the ledger held when a window began; counted once a window, for it reads them all."""
        known = self._items_at.get(mailbox)
        if known is None or known[0] != since:
            known = self._items_at[mailbox] = (since, self._ledger.count_held(mailbox) + applied)
        return known[1]


def _is_released(received: Received, record: TargetMailbox) -> bool:
    return bool(record.released_until) and received.appended_at <= record.released_until


def _is_skipped(received: Received, record: TargetMailbox) -> bool:
    return bool(record.skipped_until) and received.appended_at <= record.skipped_until
