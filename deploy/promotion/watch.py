"""Reads the state topics of one pair of servers into a picture, and goes on reading what is added."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from deploy.kafka import KafkaSettings, end_offset, reader
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
        self._partition_count = settings.partition_count
        self._target_topic = topics.target_state(target)
        self._topics = (topics.mailboxes, topics.source_state, self._target_topic)
        self._consumer: Consumer = reader(settings, f"{topics.failover_id}.watch")
        try:
            self._assign()
            self.catch_up()
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
        ends = {place: high for place, (low, high) in self._bounds().items() if low < high}
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
        return self.picture

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*place, low) for place, (low, _) in self._bounds().items()])

    def _bounds(self) -> dict[tuple[str, int], tuple[int, int]]:
        places = [(topic, number) for topic in self._topics for number in range(self._partition_count)]
        return {place: end_offset(self._consumer, *place) for place in places}
