"""Where a pipeline stands, read from its state topics: works whether or not any service runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deploy.kafka import KafkaSettings, partition_counts
from deploy.partition.reader import read_to_end
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Orphan,
    Position,
    TargetFolder,
    TargetMailbox,
)
from schemas.topics import Topics


@dataclass(slots=True)
class SourceStanding:
    """Where the feed of a mailbox stands.

    `present` are the items that are at the source for all it knows, `missing` those it named and does not have. Times
    in milliseconds, 0 where not known: the oldest item that is owed, and the oldest record of the mailbox.
    """

    record: MailboxRecord
    items: int = 0
    owed: int = 0
    pending: int = 0
    present: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    owed_since: int = 0
    first_at: int = 0

    def count_item(self, entry: IndexEntry, written_at: int) -> None:
        """Count an item of the index, and what of it is not fetched."""
        self.items += 1
        self.owed += entry.owed is not None
        self.pending += entry.pending
        if entry.owed or entry.pending:
            self.missing.add(entry.item)
        if not entry.pending:
            self.present.add(entry.item)
        if entry.owed:
            self.owed_since = earlier(self.owed_since, entry.owed.since)
        self.first_at = earlier(self.first_at, written_at)


@dataclass(slots=True)
class TargetStanding:
    """Where the replay of a mailbox stands at one target; `missing` are items it lacks or holds in an older state.

    Times in milliseconds, 0 where not known: when its record was written last, since when items are parked or wanted,
    and when a checksum first differed.
    """

    record: TargetMailbox
    items: int = 0
    parked: list[ItemRecord] = field(default_factory=list)
    dropped: list[ItemRecord] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)
    wanted: int = 0
    missing: set[str] = field(default_factory=set)
    folders: int = 0
    proved: int = 0
    divergence: dict[str, int] = field(default_factory=dict)
    written_at: int = 0
    since: dict[str, int] = field(default_factory=dict)
    differs_since: int = 0

    def count_item(self, record: ItemRecord, written_at: int) -> None:
        """Count an item of the ledger, and why its content is not there."""
        self.items += bool(record.target_id)
        self.wanted += record.is_wanted
        if record.is_wanted or record.state is ItemState.PARKED:
            self.missing.add(record.item)
            kind = "wanted" if record.is_wanted else "dropped" if record.dropped_at else "parked"
            self.since[kind] = earlier(self.since.get(kind, 0), written_at)
        if record.state is ItemState.PARKED:
            (self.dropped if record.dropped_at else self.parked).append(record)

    def count_folder(self, folder: TargetFolder) -> None:
        """Count a folder, whether it was found equal to the source's checksum, and what was not."""
        self.folders += 1
        self.proved += bool(folder.checksum and folder.compared_at and not folder.divergence)
        if folder.divergence:
            self.differs_since = earlier(self.differs_since, folder.compared_at)
        for kind, number in folder.divergence.items():
            self.divergence[kind] = self.divergence.get(kind, 0) + number


@dataclass(slots=True)
class PipelineState:
    """Every mailbox by id, at the source and at each target.

    `positions`: how far a target's partitions are read, by target and number. `oldest_at`: when the oldest change that
    a target lacks came into the log (milliseconds), by target and mailbox, where that was asked.
    """

    sources: dict[str, SourceStanding] = field(default_factory=dict)
    targets: dict[str, dict[str, TargetStanding]] = field(default_factory=dict)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    oldest_at: dict[tuple[str, str], int] = field(default_factory=dict)


def earlier(time_ms: int, other_ms: int) -> int:
    """Return the earlier of two times, where 0 is one that is not known."""
    return min(filter(None, (time_ms, other_ms)), default=0)


def folders(settings: KafkaSettings, topic: str, mailbox: str) -> list[TargetFolder]:
    """Return the folders of one mailbox at one target; only its partition is read."""
    numbers = (partition_of(mailbox, settings.partition_count),)
    records = _latest(settings, topic, numbers)
    return [r.value for r in records if isinstance(r.value, TargetFolder) and r.key.startswith(f"{mailbox}/")]


def distinguished_folders(settings: KafkaSettings, topic: str, distinguished: str) -> frozenset[str]:
    """Return the ids at a target of all mailboxes' folders of one distinguished name; none without the topic."""
    if topic not in partition_counts(settings):
        return frozenset()
    folders = (r.value for r in _latest(settings, topic) if isinstance(r.value, TargetFolder))
    return frozenset(f.target_id for f in folders if f.distinguished == distinguished and f.target_id)


@dataclass(frozen=True, slots=True)
class _Latest:
    """The newest record of a key."""

    partition: int
    key: str
    value: Any
    written_at: int


def _latest(settings: KafkaSettings, topic: str, numbers: tuple[int, ...] = ()) -> Iterator[_Latest]:
    """Yield the newest value of every key of a compacted topic, or of some of its partitions."""
    for partition in numbers or range(settings.partition_count):
        newest: dict[str, tuple[bytes, int]] = {}
        for record in read_to_end(settings, topic, partition, None, lambda: True):
            if isinstance(record, Incoming):
                if record.value is None:
                    newest.pop(record.key, None)
                else:
                    newest[record.key] = record.value, record.appended_at
        for key, (value, written_at) in newest.items():
            yield _Latest(partition, key, decode(value), written_at)


def read(settings: KafkaSettings, topics: Topics, targets: tuple[str, ...]) -> PipelineState:
    """Read where everything stands; PartitionLost if Kafka does not answer."""
    state = PipelineState()
    for mailbox, record in read_mailboxes(settings, topics.mailboxes).items():
        state.sources[mailbox] = SourceStanding(record)
    for latest in _latest(settings, topics.source_state):
        standing = state.sources.get(latest.key.split("/")[0])
        if standing and isinstance(latest.value, IndexEntry):
            standing.count_item(latest.value, latest.written_at)
    for target in targets:
        positions: dict[int, int] = {}
        state.targets[target] = read_target(settings, topics.target_state(target), topics.changes, positions)
        state.positions |= {(target, number): offset for number, offset in positions.items()}
    return state


def read_mailboxes(settings: KafkaSettings, topic: str) -> dict[str, MailboxRecord]:
    """Read the feed's record of every mailbox; PartitionLost if Kafka does not answer."""
    return {r.value.mailbox: r.value for r in _latest(settings, topic) if isinstance(r.value, MailboxRecord)}


def read_target(
    settings: KafkaSettings, topic: str, changes_topic: str = "", positions: dict[int, int] | None = None
) -> dict[str, TargetStanding]:
    """Read where every mailbox stands at one target, from its ledger's topic.

    `positions` is filled with how far each partition of the topic of changes is read.
    """
    found: dict[str, TargetStanding] = {}
    parts: list[_Latest] = []
    for latest in _latest(settings, topic):
        if isinstance(latest.value, TargetMailbox):
            found[latest.value.mailbox] = TargetStanding(latest.value, written_at=latest.written_at)
        elif isinstance(latest.value, ItemRecord | TargetFolder | Orphan):
            parts.append(latest)
        elif isinstance(latest.value, Position) and latest.value.topic == changes_topic and positions is not None:
            positions[latest.partition] = latest.value.next_offset
    for part in parts:
        mailbox, value = part.key.split("/")[0], part.value
        standing = found.setdefault(mailbox, TargetStanding(TargetMailbox(mailbox=mailbox)))
        if isinstance(value, TargetFolder):
            standing.count_folder(value)
        elif isinstance(value, Orphan):
            standing.orphans.append(value)
        else:
            standing.count_item(value, part.written_at)
    return found
