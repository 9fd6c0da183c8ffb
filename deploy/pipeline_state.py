"""Where a pipeline stands, read from its state topics: works whether or not any service runs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from schemas.backlog import is_level
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import IndexEntry, ItemRecord, ItemState, MailboxRecord, Orphan, TargetFolder, TargetMailbox
from schemas.topics import Topics


@dataclass(slots=True)
class SourceStanding:
    """Where the feed of a mailbox stands.

    `present` are the items that are at the source for all it knows, `missing` those it named and does not have.
    """

    record: MailboxRecord
    items: int = 0
    owed: int = 0
    pending: int = 0
    present: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)


@dataclass(slots=True)
class TargetStanding:
    """Where the replay of a mailbox stands at one target; `missing` are items it lacks or holds in an older state."""

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

    def count_folder(self, folder: TargetFolder) -> None:
        """Count a folder, whether it was found equal to the source's checksum, and what was not."""
        self.folders += 1
        self.proved += bool(folder.checksum and folder.compared_at and not folder.divergence)
        for kind, number in folder.divergence.items():
            self.divergence[kind] = self.divergence.get(kind, 0) + number


@dataclass(slots=True)
class PipelineState:
    """Every mailbox by id, at the source and at each target."""

    sources: dict[str, SourceStanding] = field(default_factory=dict)
    targets: dict[str, dict[str, TargetStanding]] = field(default_factory=dict)


def folders(settings: KafkaSettings, topic: str, mailbox: str) -> list[TargetFolder]:
    """Return the folders of one mailbox at one target; only its partition is read."""
    numbers = (partition_of(mailbox, settings.partition_count),)
    found = _latest(settings, topic, numbers)
    return [r for key, r in found if isinstance(r, TargetFolder) and key.startswith(f"{mailbox}/")]


def _latest(settings: KafkaSettings, topic: str, numbers: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the newest value of every key of a compacted topic, or of some of its partitions."""
    for partition in numbers or range(settings.partition_count):
        newest: dict[str, bytes] = {}
        for record in read_to_end(settings, topic, partition, None, lambda: True):
            if isinstance(record, Incoming):
                if record.value is None:
                    newest.pop(record.key, None)
                else:
                    newest[record.key] = record.value
        for key, value in newest.items():
            yield key, decode(value)


def read(settings: KafkaSettings, topics: Topics, targets: tuple[str, ...]) -> PipelineState:
    """Read where everything stands; PartitionLost if Kafka does not answer."""
    state = PipelineState()
    for mailbox, record in read_mailboxes(settings, topics.mailboxes).items():
        state.sources[mailbox] = SourceStanding(record)
    for key, record in _latest(settings, topics.source_state):
        standing = state.sources.get(key.split("/")[0])
        if standing and isinstance(record, IndexEntry):
            standing.items += 1
            standing.owed += record.owed is not None
            standing.pending += record.pending
            if record.owed or record.pending:
                standing.missing.add(record.item)
            if not record.pending:
                standing.present.add(record.item)
    for target in targets:
        state.targets[target] = read_target(settings, topics.target_state(target))
    return state


def read_mailboxes(settings: KafkaSettings, topic: str) -> dict[str, MailboxRecord]:
    """Read the feed's record of every mailbox; PartitionLost if Kafka does not answer."""
    return {r.mailbox: r for _, r in _latest(settings, topic) if isinstance(r, MailboxRecord)}


def read_target(settings: KafkaSettings, topic: str) -> dict[str, TargetStanding]:
    """Read where every mailbox stands at one target, from its ledger's topic."""
    found: dict[str, TargetStanding] = {}
    parts: list[tuple[str, ItemRecord | TargetFolder | Orphan]] = []
    for key, record in _latest(settings, topic):
        if isinstance(record, TargetMailbox):
            found[record.mailbox] = TargetStanding(record)
        elif isinstance(record, ItemRecord | TargetFolder | Orphan):
            parts.append((key.split("/")[0], record))
    for mailbox, item in parts:
        standing = found.setdefault(mailbox, TargetStanding(TargetMailbox(mailbox=mailbox)))
        if isinstance(item, TargetFolder):
            standing.count_folder(item)
            continue
        if isinstance(item, Orphan):
            standing.orphans.append(item)
            continue
        standing.items += bool(item.target_id)
        standing.wanted += item.is_wanted
        if item.is_wanted or item.state is ItemState.PARKED:
            standing.missing.add(item.item)
        if item.state is ItemState.PARKED:
            (standing.dropped if item.dropped_at else standing.parked).append(item)
    return found


def lag_seconds(source: SourceStanding, target: TargetStanding, now_ms: int | None = None) -> float:
    """Return the time the target is behind: 0 when everything captured is applied."""
    now = now_ms if now_ms is not None else time.time_ns() // 1_000_000
    return 0.0 if is_level(source.record, target.record) else max(0.0, (now - target.record.applied_at) / 1000)
