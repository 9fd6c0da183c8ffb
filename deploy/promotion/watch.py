"""Reads the state topics of one pair of servers into a picture, and goes on reading what is added."""

import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # not in their __all__

from deploy.kafka import KafkaSettings, admin, answer_of, end_offset, reader
from deploy.partition.reader import STALL_SECONDS, incoming
from deploy.promotion.picture import Picture
from schemas.codec import decode
from schemas.ports import PartitionLost
from schemas.topics import Topics

BATCH_RECORDS_MAX = 2_000


class Watch:
    """One consumer of every partition of the three topics; PartitionLost if Kafka can't be read."""

    def __init__(self, settings: KafkaSettings, topics: Topics, target: str) -> None:
        self.picture = Picture()
        self._target_topic = topics.target_state(target)
        kept = (topics.mailboxes, topics.source_state, self._target_topic)
        self._places = [(topic, number) for topic in kept for number in range(settings.partition_count)]
        # on a connection of its own: behind the fetches of the consumer each question waits for one
        self._admin = admin(settings)
        self._consumer: Consumer = reader(settings, f"{topics.failover_id}.watch")
        try:
            bounds = {place: end_offset(self._consumer, *place) for place in self._places}
            self._consumer.assign([TopicPartition(*place, low) for place, (low, _) in bounds.items()])
            self._read_to({place: high for place, (low, high) in bounds.items() if low < high})
            self._empty = {place: high for place, (low, high) in bounds.items() if low == high}
        except KafkaException as error:
            self._consumer.close()
            raise PartitionLost(f"the state of the pipeline can't be read: {error}") from error

    def look(self, timeout_seconds: float) -> Picture:
        """Return the picture with what came meanwhile; waits for something at most so long."""
        messages = self._consumer.consume(BATCH_RECORDS_MAX, timeout=timeout_seconds)
        for message in messages:
            if error := message.error():
                if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's name
                    raise PartitionLost(f"the state of the pipeline can't be read: {error}")
                continue
            record = incoming(message)
            value = decode(record.value) if record.value else None
            take = self.picture.take_target if message.topic() == self._target_topic else self.picture.take_source
            take(record.key, value)
        return self.picture

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def catch_up(self) -> Picture:
        """Return the picture with everything that stood in the topics when this was called."""
        latest = {TopicPartition(*place): OffsetSpec.latest() for place in self._places}  # type: ignore[no-untyped-call]
        try:
            found = self._admin.list_offsets(latest, isolation_level=IsolationLevel.READ_COMMITTED)
            ends = {(p.topic, p.partition): answer_of(f).offset for p, f in found.items()}
            self._read_to({place: end for place, end in ends.items() if end > self._empty.get(place, 0)})
        except KafkaException as error:
            raise PartitionLost(f"the state of the pipeline can't be read: {error}") from error
        return self.picture

    def _read_to(self, ends: dict[tuple[str, int], int]) -> None:
        moved_at, before = time.monotonic(), -1
        while ends:
            self.look(0.1)
            at = self._consumer.position([TopicPartition(t, n) for t, n in ends])
            ends = {
                (p.topic, p.partition): ends[p.topic, p.partition] for p in at if p.offset < ends[p.topic, p.partition]
            }
            total = sum(max(0, p.offset) for p in at)
            if total != before:
                moved_at, before = time.monotonic(), total
            if time.monotonic() - moved_at > STALL_SECONDS:
                raise PartitionLost(f"reading the state of the pipeline stalls: {len(ends)} partitions are not read")
