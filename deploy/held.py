"""What of the log a mailbox at a target has still before it: read for `release` and `skip` before they are given."""

from collections import Counter
from dataclasses import dataclass, field

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from deploy.pipeline_state import TargetStanding
from schemas.change import Change, ItemDeleted, ItemSaved, SeedEnd
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.topics import Topics


@dataclass(slots=True)
class Held:
    """Changes of a mailbox that its target has not applied: by operation, with the log times they span in ms."""

    operations: Counter[str] = field(default_factory=Counter)
    deletions: int = 0
    contents: int = 0
    seeds: int = 0
    oldest_at: int = 0
    newest_at: int = 0

    @property
    def changes(self) -> int:
        """How many there are."""
        return sum(self.operations.values())


def held_changes(settings: KafkaSettings, topics: Topics, standing: TargetStanding, until: int = 0) -> Held:
    """Read what a mailbox has before it, up to a time of the log (0: all); PartitionLost if Kafka does not answer."""
    record, found = standing.record, Held()
    start = record.own_offset if record.own_offset >= 0 else None
    partition = partition_of(record.mailbox, settings.partition_count)
    for incoming in read_to_end(settings, topics.changes, partition, start, lambda: True):
        if not isinstance(incoming, Incoming) or incoming.value is None or not incoming.key.startswith(record.mailbox):
            continue
        change = decode(incoming.value)
        is_late = bool(until) and incoming.appended_at > until
        if isinstance(change, Change) and change.version > record.applied and not is_late:
            _add(found, change, incoming.appended_at)
    return found


def _add(found: Held, change: Change, appended_at: int) -> None:
    found.operations[type(change.operation).__name__] += 1
    found.deletions += isinstance(change.operation, ItemDeleted)
    found.contents += isinstance(change.operation, ItemSaved)
    found.seeds += isinstance(change.operation, SeedEnd)
    found.oldest_at = found.oldest_at or appended_at
    found.newest_at = appended_at
