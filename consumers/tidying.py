"""Cleans staging when idle: what no intent names was left by a doubt, and is deleted for good (design §6).

Looked at soon after activity, and twice more later, because an upload may arrive minutes late.
"""

import logging
from collections.abc import Mapping

from consumers.ledger import Ledger
from consumers.staging import Staging
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock
from schemas.state import TargetRole

log = logging.getLogger(__name__)

LOOKS_AFTER_SECONDS = (1, 60, 900)


class Tidying:
    """Remembers which mailboxes to look at, and when."""

    def __init__(self, staging: Staging, ledger: Ledger, clock: Clock, metrics: ReplayMetrics) -> None:
        self._staging = staging
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._due: dict[str, list[int]] = {}

    def touched(self, mailbox: str) -> None:
        """Note activity in a mailbox."""
        now = self._clock()
        self._due[mailbox] = [now + 1000 * seconds for seconds in LOOKS_AFTER_SECONDS]

    def tidy(self, addresses: Mapping[str, str]) -> None:
        """Clean the mailboxes that are due; only while the ledger has no open intent of them."""
        now = self._clock()
        for mailbox, times in list(self._due.items()):
            record = self._ledger.mailbox(mailbox)
            if record.role == TargetRole.OPEN:
                del self._due[mailbox]
                continue
            if times[0] > now or mailbox not in addresses or record.behind or record.unsettled:
                continue
            self.clean(mailbox, addresses[mailbox])
            self._due[mailbox] = [t for t in times if t > now]
            if not self._due[mailbox]:
                del self._due[mailbox]

    def clean(self, mailbox: str, address: str) -> None:
        """Delete what no intent names of one mailbox; only while the ledger has no open intent of it."""
        if self._ledger.mailbox(mailbox).staging and (left := self._staging.leftovers(address, mailbox)):
            self._staging.remove(address, left)
            self._metrics.staged_removed.inc(len(left))
            log.info("staging cleaned", extra={"mailbox": mailbox, "items": len(left)})
