"""Captured changes that the log does not hold any more, found although no later change tells of the gap.

A gap in a mailbox's sequence shows with its next change. Where the end of the log is lost (deleted records, retention,
a torn or a new topic) that change may be days away, and until then silence looks like a target that is level. So what
the feed says it captured is compared with what is applied here.

State: which mailboxes stood before the feed's position at the last look, and at which version; when to look again.
Order: the feed's records are read first, then the log to its end: a change is committed together with the feed's
record, so what is applied after that is not before it. Kafka writes the marks of one transaction to its topics one
after another, so a mailbox is suspected only when it stands still over two looks, and believed to have lost something
only when the log from the reader's position on names it nowhere.
Failure: in memory only. A new owner looks again, so dying here changes nothing.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from consumers.ledger import Ledger
from schemas.backlog import changes_not_applied
from schemas.change import Version
from schemas.codec import decode
from schemas.ports import Clock, Incoming, LogReader, PartitionLost
from schemas.roles import users_work_at
from schemas.state import MailboxRecord, TargetMailbox

log = logging.getLogger(__name__)

CONFIRM_MS = 15_000
LOOK_MS = 300_000
READ_RECORDS_MAX = 500
READ_TIMEOUT_SECONDS = 1.0


class LogEnd(Protocol):
    """Where the log's reader stands, and where the log ends."""

    @property
    def position(self) -> int:
        """Offset of the next record."""
        ...

    def end(self) -> int:
        """Return the offset after the newest record, asked now."""
        ...


class LostEnd:
    """Compares the mailboxes of one partition with the feed's records; `records` reads those from their start."""

    def __init__(self, ledger: Ledger, records: Callable[[], Iterable[Incoming]], clock: Clock) -> None:
        self._ledger = ledger
        self._records = records
        self._clock = clock
        self._suspects: dict[str, Version] = {}
        self._due_at = 0
        self._confirm_at = 0
        self._end = -1

    def look(self, reader: LogEnd, addresses: Mapping[str, str]) -> list[str]:
        """Return the mailboxes that lost captured changes; to be called while the log has nothing more to read."""
        now = self._clock()
        is_confirming = bool(self._suspects) and now >= self._confirm_at
        if not is_confirming and (self._suspects or not self._is_due(reader, now)):
            return []
        before, self._suspects = self._suspects, self._behind(addresses)
        self._due_at, self._confirm_at = now + LOOK_MS, now + CONFIRM_MS
        lost = [mailbox for mailbox, applied in self._suspects.items() if before.get(mailbox) == applied]
        for mailbox in lost:
            del self._suspects[mailbox]
        return lost

    def _is_due(self, reader: LogEnd, now: int) -> bool:
        """Tell whether to look: at first, and where the log became shorter."""
        if now < self._due_at:
            return False
        before, self._end = self._end, reader.end()
        self._due_at = now + LOOK_MS
        return before < 0 or self._end < max(before, reader.position)

    def _behind(self, addresses: Mapping[str, str]) -> dict[str, Version]:
        """Return the mailboxes whose feed captured more than is applied here, with what is applied."""
        behind: dict[str, Version] = {}
        for mailbox, source in self._sources().items():
            target = self._ledger.mailbox(mailbox)
            if mailbox in addresses and _is_expected_level(target) and changes_not_applied(source, target):
                behind[mailbox] = target.applied
        return behind

    def _sources(self) -> dict[str, MailboxRecord]:
        sources: dict[str, MailboxRecord] = {}
        try:
            for incoming in self._records():
                record = decode(incoming.value) if incoming.value else None
                if isinstance(record, MailboxRecord):
                    sources[record.mailbox] = record
                else:
                    sources.pop(incoming.key, None)
        except PartitionLost as error:
            # a replay of before may lack the right to read this topic; `mailshadow check --role` names it
            log.warning("feed's records can't be read, the end of the log is not checked", extra={"why": str(error)})
            return {}
        return sources


def named_in(log_reader: LogReader) -> set[str]:
    """Return the mailboxes that the log names from a reader's position to its present end."""
    mailboxes: set[str] = set()
    while records := log_reader.read(READ_RECORDS_MAX, READ_TIMEOUT_SECONDS):
        mailboxes |= {record.key.split("/")[0] for record in records}
    return mailboxes


def _is_expected_level(target: TargetMailbox) -> bool:
    """Tell whether a mailbox that is read to the end of the log should have everything that was captured."""
    return not (target.waiting or target.behind or target.held or target.own_offset >= 0 or users_work_at(target))
