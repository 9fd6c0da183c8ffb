"""The topics of a run, decoded: changes by mailbox, ledgers with their whole past, the index, dead letters."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.lab.chaos.evidence import LogRecord, Run
from schemas.change import Change, Chunk, ItemOperation
from schemas.codec import CodecError, decode
from schemas.state import DeadLetter, IndexEntry, ItemRecord, TargetFolder, TargetMailbox


@dataclass(frozen=True, slots=True)
class Logged:
    """A change and where it stands."""

    record: LogRecord
    change: Change

    @property
    def item(self) -> str:
        """The key of the item it is about, or nothing."""
        operation = self.change.operation
        return operation.ref.item if isinstance(operation, ItemOperation) else ""

    @property
    def kind(self) -> str:
        """The name of its operation."""
        return type(self.change.operation).__name__


@dataclass(frozen=True, slots=True)
class Held:
    """A state record and when it was produced; `value` None is a tombstone."""

    timestamp_ms: int
    value: Any


class Ledger:
    """One target's state topic: every record of every item, folder and mailbox, oldest first."""

    def __init__(self) -> None:
        self.items: defaultdict[tuple[str, str], list[Held]] = defaultdict(list)
        self.folders: defaultdict[str, set[str]] = defaultdict(set)
        self.mailboxes: dict[str, TargetMailbox] = {}

    def take(self, record: LogRecord, value: Any) -> None:
        """Take in one record of the topic."""
        mailbox, _, rest = record.key.partition("/")
        kind, _, name = rest.partition("/")
        if kind == "item":
            self.items[mailbox, name].append(Held(record.timestamp_ms, value))
        elif isinstance(value, TargetFolder):
            self.folders[value.target_id].add(value.folder_id)
        elif isinstance(value, TargetMailbox):
            self.mailboxes[mailbox] = value

    def item_at(self, mailbox: str, item: str, time_ms: int) -> list[ItemRecord]:
        """Return what the ledger said of an item at a time: its last record, and others of the same millisecond."""
        records = [h for h in self.items.get((mailbox, item), ()) if h.timestamp_ms <= time_ms]
        newest = records[-1].timestamp_ms if records else 0
        return [h.value for h in records if h.timestamp_ms == newest and h.value is not None]

    def last(self, mailbox: str, item: str) -> ItemRecord | None:
        """Return what the ledger says of an item at the end."""
        records = self.items.get((mailbox, item))
        found: ItemRecord | None = records[-1].value if records else None
        return found


class Log:
    """All topics of the run."""

    def __init__(self, run: Run, records: Iterable[LogRecord]) -> None:
        self.changes: defaultdict[str, list[Logged]] = defaultdict(list)
        self.ledgers: dict[str, Ledger] = {target: Ledger() for target in run.targets}
        self.index: dict[tuple[str, str], IndexEntry | None] = {}
        self.letters: dict[str, list[DeadLetter]] = {target: [] for target in run.targets}
        self.undecodable: list[LogRecord] = []
        stem = f"{run.pipeline}."
        targets_by_topic = {f"{stem}target-state.{run.source}-{t}": t for t in run.targets}
        letters_by_topic = {f"{stem}dead-letters.{run.source}-{t}": t for t in run.targets}
        for record in records:
            value = self._decoded(record)
            if record.topic == f"{stem}changes.{run.source}":
                self._take_change(record, value)
            elif record.topic == f"{stem}source-state.{run.source}":
                self._take_index(record, value)
            elif record.topic in targets_by_topic:
                self.ledgers[targets_by_topic[record.topic]].take(record, value)
            elif record.topic in letters_by_topic and isinstance(value, DeadLetter):
                self.letters[letters_by_topic[record.topic]].append(value)

    def changes_of(self, mailbox: str, item: str) -> list[Logged]:
        """Return the changes of one item, in order."""
        return [logged for logged in self.changes.get(mailbox, ()) if logged.item == item]

    def _decoded(self, record: LogRecord) -> Any:
        if record.value is None:
            return None
        try:
            return decode(record.value)
        except CodecError:
            self.undecodable.append(record)
            return None

    def _take_change(self, record: LogRecord, value: Any) -> None:
        if isinstance(value, Change):
            self.changes[value.mailbox].append(Logged(record, value))
        elif value is not None and not isinstance(value, Chunk):
            self.undecodable.append(record)

    def _take_index(self, record: LogRecord, value: Any) -> None:
        mailbox, _, rest = record.key.partition("/")
        kind, _, item = rest.partition("/")
        if kind == "item" and (value is None or isinstance(value, IndexEntry)):
            self.index[mailbox, item] = value


def sorted_by_time(records: Sequence[Logged]) -> list[Logged]:
    """Return changes by the time the broker took them."""
    return sorted(records, key=lambda logged: (logged.record.timestamp_ms, logged.record.offset))
