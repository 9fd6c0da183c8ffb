"""What a rehearsal takes of the real log: some mailboxes' changes, from where a new target would begin, up to now.

State: none beyond one reading. What is read is written to the rehearsal's own topics in transactions of bounded size.
Order: the feed's mailbox records, then its state, then the log up to its end, so that the log is never older than
what is said of it; then all of it stands in the rehearsal's topics before anything is replayed.
Failure: a mailbox whose log does not say all of it is left out, with the reason; nothing is asked of the source.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from confluent_kafka import KafkaException, Producer

from consumers.folding import Folded
from consumers.subscription import Received
from deploy.kafka import KafkaSettings, KafkaUnreachableError, producer
from deploy.partition.reader import read_to_end
from schemas.change import Barrier, Change, Chunk, ItemDeleted, ItemSaved, SeedBegin, Summary
from schemas.codec import decode, encode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import IndexEntry, MailboxRecord, SourceFolder, SourceRole
from schemas.topics import Topics, folder_key, item_record_key

INIT_SECONDS = 30.0
COMMIT_SECONDS = 30.0
TRANSACTION_BYTES_MAX = 8_000_000
TRANSACTION_RECORDS_MAX = 2_000
TRANSACTION_SECONDS_MAX = 5.0
"""Kafka ends one that is open for 15 s, and fences its writer."""


@dataclass(slots=True)
class Taken:
    """One mailbox as the log says it; `refusal` is why it can't be rehearsed, `state` the feed's by its last key."""

    record: MailboxRecord
    folded: Folded = field(default_factory=Folded)
    summaries: dict[str, Summary] = field(default_factory=dict)
    state: dict[str, IndexEntry | SourceFolder] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    last: Change | None = None
    size_bytes: int = 0

    @property
    def refusal(self) -> str:
        """Why it can't be rehearsed; nothing where it can."""
        if self.record.generation == 0:
            return "never captured: wait for its first copy"
        if self.record.role != SourceRole.MIRRORING or self._is_ended:
            return f"not mirrored any more ({self.record.role.lower()}): it was promoted, or is being"
        if self.last is None or self.last.generation < self.record.generation or not self.folded.is_whole:
            return "the log does not say all of it: a first copy is under way, or its beginning is gone (resync it)"
        return ""

    @property
    def _is_ended(self) -> bool:
        return self.last is not None and isinstance(self.last.operation, Barrier)

    def take(self, change: Change, incoming: Incoming) -> bool:
        """Fold in a change; False as long as it is nothing a new target could begin with."""
        if self.folded.first is None and not isinstance(change.operation, SeedBegin):
            return False
        self.folded.take(Received(change, incoming.offset, b"", {}, incoming.appended_at, incoming.offset))
        self.last = change
        self.size_bytes += len(incoming.value or b"")
        match change.operation:
            case ItemSaved(ref=ref, summary=summary):
                self.summaries[ref.item] = summary
                self._settle(change, ref.item)
            case ItemDeleted(ref=ref):
                self.summaries.pop(ref.item, None)
                self._settle(change, ref.item)
        return True

    def _settle(self, change: Change, item: str) -> None:
        """Note an item that was said after the feed's record was read: it is not owed or pending any more."""
        if (change.generation, change.sequence) >= (self.record.generation, self.record.next_sequence):
            self.settled.add(item)

    def source_record(self) -> MailboxRecord:
        """Return the feed's record as of the last change that was taken; certain no later than when it was read."""
        last = self.last
        if last is None:
            return self.record
        return replace(self.record, generation=last.generation, next_sequence=last.sequence + 1)

    def source_state(self) -> Iterator[tuple[str, IndexEntry | SourceFolder]]:
        """Yield key and record of the feed's state; what the log settled since it was read is owed no more."""
        for name, record in self.state.items():
            mailbox = self.record.mailbox
            if isinstance(record, SourceFolder):
                yield folder_key(mailbox, name), record
            elif record.item not in self.settled:
                yield item_record_key(mailbox, name), record


@dataclass(slots=True)
class Excerpt:
    """What was taken, by mailbox; records and bytes as they were written to the rehearsal's log."""

    mailboxes: dict[str, Taken] = field(default_factory=dict)
    records: int = 0
    size_bytes: int = 0


class LogCopy:
    """Writes to the rehearsal's topics; whoever opens it again fences the one before."""

    def __init__(self, settings: KafkaSettings, topics: Topics) -> None:
        self._partitions = settings.partition_count
        self._producer: Producer = producer(settings, f"{topics.pipeline}.rehearsal")
        self._records = self._bytes = 0
        self._opened_at: float | None = None
        try:
            self._producer.init_transactions(INIT_SECONDS)
        except KafkaException as error:
            raise KafkaUnreachableError(f"the rehearsal's topics can't be written: {error}") from error

    def write(self, topic: str, mailbox: str, key: str, value: bytes, *, partition: int | None = None) -> None:
        """Write a record of a mailbox; `commit` makes it seen, and so does every bounded part before."""
        if self._records >= TRANSACTION_RECORDS_MAX or self._bytes >= TRANSACTION_BYTES_MAX:
            self.commit()
        try:
            if self._opened_at is None:
                self._producer.begin_transaction()
                self._opened_at = time.monotonic()
            number = partition_of(mailbox, self._partitions) if partition is None else partition
            self._producer.produce(topic, key=key, value=value, partition=number)
            self._producer.poll(0)
        except (KafkaException, BufferError) as error:
            raise KafkaUnreachableError(f"the rehearsal's topics can't be written: {error}") from error
        self._records += 1
        self._bytes += len(value)

    def beat(self) -> bool:
        """End a transaction that is open for long: much of a log may be read before the next record of ours."""
        if self._opened_at is not None and time.monotonic() - self._opened_at > TRANSACTION_SECONDS_MAX:
            self.commit()
        return True

    def commit(self) -> None:
        """Make all that was written seen."""
        if self._opened_at is None:
            return
        try:
            self._producer.commit_transaction(COMMIT_SECONDS)
        except KafkaException as error:
            raise KafkaUnreachableError(f"the rehearsal's topics can't be written: {error}") from error
        self._opened_at, self._records, self._bytes = None, 0, 0


def take_excerpt(
    settings: KafkaSettings,
    real: Topics,
    own: Topics,
    mailboxes: Iterable[str],
    copy: LogCopy,
) -> Excerpt:
    """Copy what the real log says of the mailboxes to the rehearsal's own; PartitionLost if Kafka can't be read."""
    excerpt = Excerpt({m: Taken(MailboxRecord(mailbox=m)) for m in mailboxes})
    for number in sorted({partition_of(m, settings.partition_count) for m in excerpt.mailboxes}):

        def records(topic: str, number: int = number) -> Iterator[Incoming]:
            found = read_to_end(settings, topic, number, None, copy.beat)
            return (r for r in found if isinstance(r, Incoming) and r.key.split("/")[0] in excerpt.mailboxes)

        _take_state(records(real.mailboxes), records(real.source_state), excerpt.mailboxes)
        for incoming in _taken(records(real.changes), excerpt.mailboxes):
            excerpt.records += 1
            excerpt.size_bytes += len(incoming.value or b"")
            copy.write(own.changes, incoming.key.split("/")[0], incoming.key, incoming.value or b"")
    for mailbox, taken in excerpt.mailboxes.items():
        if not taken.refusal:
            copy.write(own.mailboxes, mailbox, mailbox, encode(taken.source_record()))
            for key, record in taken.source_state():
                copy.write(own.source_state, mailbox, key, encode(record))
    copy.commit()
    return excerpt


def _take_state(
    mailbox_records: Iterable[Incoming], state_records: Iterable[Incoming], mailboxes: Mapping[str, Taken]
) -> None:
    """Keep the newest of the feed's records."""
    for incoming in mailbox_records:
        if incoming.value and incoming.key in mailboxes:
            mailboxes[incoming.key].record = decode(incoming.value)
    for incoming in state_records:
        mailbox, _, rest = incoming.key.partition("/")
        name, found = rest.partition("/")[2], decode(incoming.value) if incoming.value else None
        # of the index only what is not settled: a feed that captures nothing counts it, and needs no more
        if isinstance(found, SourceFolder) or (isinstance(found, IndexEntry) and (found.owed or found.pending)):
            mailboxes[mailbox].state[name] = found
        else:
            mailboxes[mailbox].state.pop(name, None)


def _taken(records: Iterable[Incoming], mailboxes: Mapping[str, Taken]) -> Iterator[Incoming]:
    """Yield the records a new target would take; the first of a mailbox begins a seed, so no body comes before it."""
    for incoming in records:
        taken = mailboxes[incoming.key.split("/")[0]]
        record = decode(incoming.value) if incoming.value else None
        if isinstance(record, Chunk) and taken.folded.first is not None:
            taken.size_bytes += len(incoming.value or b"")
            yield incoming
        elif isinstance(record, Change) and taken.take(record, incoming):
            yield incoming
