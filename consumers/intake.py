"""Is a record of the log the next change of its mailbox? Decided before any filter, by sequence alone (design §3).

State: what was let through and the ledger does not show yet, barriers among it; mailboxes with a gap that no seed has
filled since.
"""

import logging
from enum import Enum

from consumers.ledger import Ledger
from consumers.subscription import Received
from schemas.change import Barrier, Handover, Operation, SeedBegin, Version
from schemas.roles import is_merging
from schemas.state import TargetMailbox

log = logging.getLogger(__name__)


class Verdict(Enum):
    """What is to become of a record."""

    TAKE = "the next change"
    SKIP = "done before, or of a mailbox that waits"
    LOST = "something before it is missing"


class Intake:
    """Checks the records of a partition in the order of the log."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._taken: dict[str, Version] = {}
        self._seeded: set[str] = set()
        self._lost: set[str] = set()
        self._ended: dict[str, int] = {}

    def judge(self, received: Received) -> Verdict:
        """Return what is to become of a record."""
        change, mailbox = received.change, received.change.mailbox
        record = self._ledger.mailbox(mailbox)
        if record.behind:
            self.forget(mailbox)
            return Verdict.SKIP
        last = max(record.applied, self._taken.get(mailbox, record.applied))
        if change.version <= last:
            return Verdict.SKIP
        ended = record.barrier.generation if record.barrier else self._ended.get(mailbox)
        if change.generation == ended:
            # nobody may write this: who wrote the barrier writes no more, and everybody before is fenced
            log.error("change after the barrier, passed over", extra={"mailbox": mailbox})
            return Verdict.SKIP
        if isinstance(change.operation, SeedBegin) and received.offset >= record.waiting_from:
            self._lost.discard(mailbox)
            self._seeded.add(mailbox)
        elif _goes_on(record, last, change.operation):
            self._lost.discard(mailbox)
        elif mailbox in self._lost or (record.waiting and mailbox not in self._seeded):
            return Verdict.SKIP
        elif change.generation != last.generation or change.sequence != last.sequence + 1:
            if not is_merging(record) or record.barrier is not None:
                self._lost.add(mailbox)
                return Verdict.LOST
            # an operator took it as it stood, and a seed would take the old source's word for all that users do here
            log.error("lost sequence before the tail, passed over", extra={"mailbox": mailbox})
        if isinstance(change.operation, Barrier):
            self._ended[mailbox] = change.generation
        self._taken[mailbox] = change.version
        return Verdict.TAKE

    def lost(self) -> set[str]:
        """Return and forget the mailboxes with a gap that no seed filled: once the rest is applied, they wait."""
        lost, self._lost = self._lost, set()
        for mailbox in lost:
            self.forget(mailbox)
        return lost

    def forget(self, mailbox: str) -> None:
        """Believe the ledger alone again: what was let through was not applied."""
        self._taken.pop(mailbox, None)
        self._ended.pop(mailbox, None)
        self._seeded.discard(mailbox)
        self._lost.discard(mailbox)


def _goes_on(record: TargetMailbox, last: Version, operation: Operation) -> bool:
    """Tell whether a generation that begins without a seed begins where this target stands."""
    if not isinstance(operation, Handover):
        return False
    return operation.previous == last if operation.previous else operation.promotion == record.handed
