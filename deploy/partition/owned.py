"""A partition whose owner we are (design §4 Acquire): fence, restore, then one transaction after another.

Order of acquiring, only while assigned: init_transactions (this is the fence: every earlier producer of the same
transactional id is dead from here on) → end offsets → restore → work.
Failure: an abortable error is aborted and, while still assigned, the same contents are committed anew. After
anything unclear the producer is destroyed and PartitionLost raised: whether it was committed is seen by
restoring. The cache is written only after a successful commit.
Positions: a record of our own state in the transaction whose records come of them. The group's offset goes with them
for tools that ask Kafka, and nobody waits for it: a lost mark may hold it unstable for ever.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from deploy.kafka import (
    RECORD_SIZE_BYTES_MAX,
    KafkaSettings,
    committed_offset,
    open_transactions,
    producer,
    topic_ids,
)
from deploy.partition.cache import CachedPosition, StateCache
from deploy.partition.deadline import OverdueError, within
from deploy.partition.reader import read_to_end
from schemas.codec import decode, encode
from schemas.metrics import PartitionMetrics
from schemas.ports import Clock, Incoming, Outgoing, PartitionLost
from schemas.state import Position
from schemas.topics import TOMBSTONE_RETENTION_MS, position_key

log = logging.getLogger(__name__)

INIT_TIMEOUT_SECONDS = 30.0
COMMIT_TIMEOUT_SECONDS = 12.0
OVERDUE_SECONDS = COMMIT_TIMEOUT_SECONDS + 3.0
ATTEMPTS_MAX = 5
ENDLESS_SECONDS = 10.0
ABORTED_WAIT_SECONDS = 0.4
RESTORE_BATCH = 5_000
_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001 - librdkafka names it so


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What is owned: the transactional id's stem and group, state topics with their ids, the cache's directory.

    `positions_topic`: the state topic that holds how far the topics of the partition are read.
    """

    group: str
    state_topics: Mapping[str, str]
    positions_topic: str
    cache_directory: Path | None


class EndlessTransactionError(Exception):
    """A transaction of an owner that is fenced has no end: what it committed can't be read, so nobody may go on."""


class RecordTooLargeError(Exception):
    """A record can't be written whatever is tried: a person has to look."""


class Owned:
    """An acquired partition; `schemas.ports.OwnedPartition`. Read by several threads, written by one at a time."""

    def __init__(
        self,
        settings: KafkaSettings,
        role: Role,
        number: int,
        group_metadata: Callable[[], object],
        is_assigned: Callable[[], bool],
        clock: Clock,
        metrics: PartitionMetrics,
        may_commit: Callable[[], bool] | None = None,
    ) -> None:
        self.number = number
        self._settings = settings
        self._role = role
        self._group_metadata = group_metadata
        self._is_assigned = is_assigned
        self._may_commit = may_commit or is_assigned
        self._clock = clock
        self._metrics = metrics
        directory = role.cache_directory
        self._cache = StateCache(directory / f"{role.group}-{number}.sqlite" if directory else None)
        self._producer: Producer | None = None
        self._written: dict[str, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._unrecorded: dict[str, int] = {}

    def acquire(self) -> None:
        """Fence every earlier owner and restore; PartitionLost if that can't be done now."""
        started = time.perf_counter()
        if not self._is_assigned():
            raise PartitionLost("not assigned")
        self._producer = producer(self._settings, f"{self._role.group}.{self.number}")
        try:
            self._producer.init_transactions(INIT_TIMEOUT_SECONDS)
        except KafkaException as error:
            self._destroy()
            raise PartitionLost(f"partition {self.number} can't be fenced: {error}") from error
        self._refuse_endless_transactions()
        for topic in self._role.state_topics:
            self._restore(topic)
        self._metrics.acquire_seconds.observe(time.perf_counter() - started)
        self._metrics.cache_bytes.labels(partition=self.number).set(self._cache.size_bytes())

    def still_owned(self) -> bool:
        """Tell whether the partition is ours and nobody asked to stop."""
        return self._is_assigned() and self._producer is not None

    def position(self, topic: str) -> int | None:
        """Return the offset up to which a topic of the partition was read; None: its start is meant.

        Our own record says it. The group's offset is asked once, where an earlier release left no record.
        """
        value = self._cache.get(self._role.positions_topic, position_key(topic))
        if value is None:
            offset = self._offset_of_group(topic)
            self._unrecorded[topic] = -1 if offset is None else offset
            return offset
        record: Position = decode(value)
        if record.topic_id != self._id_of(topic):
            log.error("topic made anew, read from its start", extra={"topic": topic, "partition": self.number})
            return None
        return record.next_offset if record.next_offset >= 0 else None

    def _offset_of_group(self, topic: str) -> int | None:
        try:
            return committed_offset(self._settings, self._role.group, topic, self.number)
        except KafkaException as error:
            where = {"topic": topic, "partition": self.number, "why": str(error)}
            log.warning("offset of the group not told, reading from the start of the log", extra=where)
            return None

    def _id_of(self, topic: str) -> str:
        if topic not in self._topic_ids:
            try:
                self._topic_ids |= topic_ids(self._settings, [topic])
            except KafkaException as error:
                raise PartitionLost(f"id of topic {topic}: {error}") from error
        return self._topic_ids[topic]

    def get(self, topic: str, key: str) -> bytes | None:
        """Return the committed value of a key."""
        return self._cache.get(topic, key)

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield the committed keys that start with `prefix`, in order."""
        return self._cache.scan(topic, prefix)

    def history(self, topic: str) -> Iterable[Incoming]:
        """Read a topic of the partition from its start to its present end."""
        for record in read_to_end(self._settings, topic, self.number, None, self.still_owned):
            if isinstance(record, Incoming):
                yield record

    def close(self) -> None:
        """Let go; nothing is committed."""
        self._destroy()
        with contextlib.suppress(KeyError):
            self._metrics.cache_bytes.remove(str(self.number))
        self._cache.close()

    # -- transactions --------------------------------------------------------------------------------------

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:
        """Write records and positions as one; PartitionLost when it is unclear whether that was done."""
        records = [*records, *self._position_records(positions)]
        for attempt in range(1, ATTEMPTS_MAX + 1):
            if self._producer is None or not self._may_commit():
                raise PartitionLost("no longer assigned")
            with self._metrics.transaction_seconds.time():
                is_committed = self._attempt(records, positions)
            if is_committed:
                self._metrics.transactions.labels(outcome="committed").inc()
                self._remember(records)
                self._unrecorded.clear()
                return
            self._metrics.transactions.labels(outcome="aborted").inc()
            log.info("transaction aborted", extra={"partition": self.number, "attempt": attempt})
            # after a rebalance the polling thread needs a moment to learn the new generation
            time.sleep(ABORTED_WAIT_SECONDS)
        raise self._unclear("aborted again and again")

    def _position_records(self, positions: Mapping[str, int]) -> list[Outgoing]:
        """Return how far topics are read, with what the group said of others: that is asked only once."""
        positions = self._unrecorded | dict(positions)
        return [
            Outgoing(
                self._role.positions_topic,
                position_key(topic),
                encode(Position(topic=topic, topic_id=self._id_of(topic), next_offset=offset)),
            )
            for topic, offset in positions.items()
        ]

    def _attempt(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> bool:
        """Try once: True if committed, False if cleanly aborted; anything else is unclear."""
        transaction = self._producer
        if transaction is None:
            raise PartitionLost("no producer")
        try:
            metadata = self._group_metadata()
            transaction.begin_transaction()
            self._written = {}
            for record in records:
                self._produce(transaction, record)
            offsets = [TopicPartition(t, self.number, o) for t, o in positions.items()]
            if offsets:
                _send_offsets(transaction, offsets, metadata)
            transaction.commit_transaction(COMMIT_TIMEOUT_SECONDS)
        except OverdueError as overdue:
            raise self._unclear(str(overdue)) from overdue
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise RecordTooLargeError(
                    f"partition {self.number}: a record does not fit {RECORD_SIZE_BYTES_MAX} bytes; nothing was written"
                ) from error
            if not error.args[0].txn_requires_abort():
                if error.args[0].code() in _FENCED:
                    self._metrics.fenced.inc()
                raise self._unclear(str(error)) from error
            try:
                transaction.abort_transaction(COMMIT_TIMEOUT_SECONDS)
            except KafkaException as second:
                raise self._unclear(str(second)) from second
            return False
        return True

    def _produce(self, transaction: Producer, record: Outgoing) -> None:
        while True:
            try:
                transaction.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    partition=0 if record.topic.endswith(".control") else self.number,
                    on_delivery=self._delivered,
                )
            except BufferError:
                transaction.poll(0.05)
            else:
                transaction.poll(0)
                return

    def _delivered(self, error: object, message: object) -> None:
        if error is None:
            topic = message.topic()  # type: ignore[attr-defined]
            self._written[topic] = max(self._written.get(topic, -1), message.offset())  # type: ignore[attr-defined]

    def _unclear(self, why: str) -> PartitionLost:
        self._metrics.transactions.labels(outcome="unclear").inc()
        self._destroy()
        return PartitionLost(f"partition {self.number}: {why}")

    def _destroy(self) -> None:
        """Drop the producer: after a time-out it must never be used again (facts: kafka §2)."""
        self._producer = None

    def _remember(self, records: Sequence[Outgoing]) -> None:
        now = self._clock()
        state = [(r.topic, r.key, r.value) for r in records if r.topic in self._role.state_topics]
        positions = {
            t: CachedPosition(self._role.state_topics[t], o + 1, now)
            for t, o in self._written.items()
            if t in self._role.state_topics
        }
        self._cache.write(state, positions)
        self._metrics.cache_bytes.labels(partition=self.number).set(self._cache.size_bytes())

    def _refuse_endless_transactions(self) -> None:
        """Raise EndlessTransactionError if, after the fence, the state is still not readable to its end.

        Only owners write it, and the fence ends what the last one left open. A broker that stood still for longer than
        its session was seen to lose the mark that ends a committed transaction: what restores without it forgets it.
        """
        deadline = time.monotonic() + ENDLESS_SECONDS
        while found := open_transactions(self._settings, self._role.state_topics, self.number):
            if time.monotonic() > deadline:
                topic, (begins, end) = found.popitem()
                raise EndlessTransactionError(
                    f"{topic} partition {self.number}: the transaction at offset {begins} has no end although its "
                    f"writer is fenced (the log ends at {end}). Kafka lost its mark; see the runbook, Kafka"
                )
            if not self._is_assigned():
                raise PartitionLost("no longer assigned")
            time.sleep(ABORTED_WAIT_SECONDS)

    # -- restoring -----------------------------------------------------------------------------------------

    def _restore(self, topic: str) -> None:
        start, topic_id = self._usable_position(topic), self._role.state_topics[topic]
        entries: list[tuple[str, str, bytes | None]] = []
        for record in read_to_end(self._settings, topic, self.number, start, self._is_assigned):
            if isinstance(record, int):
                self._cache.write(entries, {topic: CachedPosition(topic_id, record, self._clock())})
                return
            entries.append((topic, record.key, record.value))
            if len(entries) >= RESTORE_BATCH:
                self._cache.write(entries, {topic: CachedPosition(topic_id, record.offset + 1, self._clock())})
                entries = []

    def _usable_position(self, topic: str) -> int | None:
        """Return where to go on restoring; None (and an empty cache) where it can't be trusted."""
        position = self._cache.position(topic)
        if position is None:
            self._cache.forget(topic)
            return None
        end = next(
            r for r in read_to_end(self._settings, topic, self.number, 2**62, self._is_assigned) if isinstance(r, int)
        )
        age_ms = self._clock() - position.written_at
        is_other = position.topic_id != self._role.state_topics[topic]
        if is_other or position.next_offset > end or age_ms > TOMBSTONE_RETENTION_MS // 2 or age_ms < 0:
            log.info("local cache thrown away", extra={"topic": topic, "partition": self.number})
            self._cache.forget(topic)
            return None
        return position.next_offset


def _send_offsets(transaction: Producer, offsets: list[TopicPartition], metadata: object) -> None:
    """Send positions with a transaction; OverdueError if librdkafka forgets its own time limit.

    It does where the group's coordinator was away and came back (librdkafka issue 5456, open in 2.16), and would
    hold the partition for ever.
    """
    within(
        OVERDUE_SECONDS,
        lambda: transaction.send_offsets_to_transaction(offsets, metadata, COMMIT_TIMEOUT_SECONDS),
        "send-offsets",
    )
