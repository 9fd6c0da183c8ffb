"""Is a record of the log the next change of its mailbox? Decided before any filter, by sequence alone (design §3)."""

from enum import Enum

from consumers.ledger import Ledger
from consumers.subscription import Received
from schemas.change import SeedBegin, Version


class Verdict(Enum):
    """What is to become of a record."""

    TAKE = "the next change"
    SKIP = "done before, or of a mailbox that waits"
    LOST = "something before it is missing"


class Intake:
    """Checks records in the order of the log; remembers what it let through and the ledger does not show yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._taken: dict[str, Version] = {}

    def judge(self, received: Received) -> Verdict:
        """Return what is to become of a record."""
        change = received.change
        record = self._ledger.mailbox(change.mailbox)
        if record.behind:
            self._taken.pop(change.mailbox, None)
            return Verdict.SKIP
        last = max(record.applied, self._taken.get(change.mailbox, record.applied))
        if change.version <= last:
            return Verdict.SKIP
        is_next = change.generation == last.generation and change.sequence == last.sequence + 1
        if isinstance(change.operation, SeedBegin) or (is_next and not record.waiting):
            self._taken[change.mailbox] = change.version
            return Verdict.TAKE
        return Verdict.SKIP if record.waiting else Verdict.LOST

    def forget(self, mailbox: str) -> None:
        """Believe the ledger alone again: what was let through was not applied."""
        self._taken.pop(mailbox, None)
