"""What the log says of the mailboxes of one pair of servers, folded record by record. Pure."""

from dataclasses import dataclass, field
from typing import Any

from schemas.backlog import changes_not_applied
from schemas.state import Conflict, IndexEntry, ItemRecord, ItemState, MailboxRecord, TargetFolder, TargetMailbox
from schemas.topics import is_of_mailbox


@dataclass(slots=True)
class Seen:
    """One mailbox at both servers; items only where something is not as it should be."""

    source: MailboxRecord
    target: TargetMailbox
    owed: dict[str, IndexEntry] = field(default_factory=dict)
    pending: dict[str, IndexEntry] = field(default_factory=dict)
    parked: dict[str, ItemRecord] = field(default_factory=dict)
    wanted: dict[str, ItemRecord] = field(default_factory=dict)
    folders: dict[str, TargetFolder] = field(default_factory=dict)
    conflicts: dict[str, Conflict] = field(default_factory=dict)

    @property
    def not_applied(self) -> int:
        """How many captured changes are not at the target; all of the generation where another one is there."""
        return changes_not_applied(self.source, self.target)

    @property
    def missing(self) -> set[str]:
        """The keys of the items that the target is known to lack, or to hold in an older state."""
        return {*self.owed, *self.pending, *self.parked, *self.wanted, *self.target.unsettled}

    @property
    def divergent(self) -> int:
        """How many items the last comparison by checksums found to differ."""
        return sum(number for folder in self.folders.values() for number in folder.divergence.values())

    @property
    def folders_proved(self) -> int:
        """How many folders were found equal to the source's last checksum."""
        return sum(bool(f.checksum and f.compared_at and not f.divergence) for f in self.folders.values())


class Picture:
    """All mailboxes by id; `take_source` and `take_target` fold one record of their server's topics."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, Seen] = {}

    def of(self, mailbox: str) -> Seen:
        """Return what is known of a mailbox; fresh records where nothing is."""
        if mailbox not in self.mailboxes:
            self.mailboxes[mailbox] = Seen(MailboxRecord(mailbox=mailbox), TargetMailbox(mailbox=mailbox))
        return self.mailboxes[mailbox]

    def take_source(self, key: str, record: Any) -> None:
        """Fold a record of `mailboxes` or `source-state`; None is a tombstone."""
        if not is_of_mailbox(key):
            return
        seen, kind, name = self._place(key)
        if not kind:
            seen.source = record or MailboxRecord(mailbox=key)
        elif kind == "item":
            entry = record if isinstance(record, IndexEntry) else None
            _put(seen.owed, name, entry, is_kept=entry is not None and entry.owed is not None)
            _put(seen.pending, name, entry, is_kept=entry is not None and entry.pending)

    def take_target(self, key: str, record: Any) -> None:
        """Fold a record of a `target-state`; None is a tombstone."""
        if not is_of_mailbox(key):
            return
        seen, kind, name = self._place(key)
        if not kind:
            seen.target = record or TargetMailbox(mailbox=key)
        elif kind == "item":
            item = record if isinstance(record, ItemRecord) else None
            is_parked = item is not None and item.state is ItemState.PARKED
            _put(seen.parked, name, item, is_kept=is_parked)
            _put(seen.wanted, name, item, is_kept=item is not None and item.is_wanted)
        elif kind == "conflict":
            _put(seen.conflicts, name, record, is_kept=isinstance(record, Conflict))
        elif kind == "folder":
            _put(seen.folders, name, record, is_kept=isinstance(record, TargetFolder) and not record.left_out)

    def _place(self, key: str) -> tuple[Seen, str, str]:
        mailbox, _, rest = key.partition("/")
        kind, _, name = rest.partition("/")
        return self.of(mailbox), kind, name


def _put(table: dict[str, Any], name: str, record: Any, *, is_kept: bool) -> None:
    if is_kept:
        table[name] = record
    else:
        table.pop(name, None)
