"""Readers of one partition: compacted state to its end, the log from a position, a topic's whole history."""

import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from deploy.kafka import CALL_TIMEOUT_SECONDS, KafkaSettings, end_offset, reader
from schemas.ports import Incoming, PartitionLost
from schemas.topics import readers_group

BATCH_RECORDS_MAX = 1000
STALL_SECONDS = 30.0


def incoming(message: Message) -> Incoming:
    """Return what a Kafka message says."""
    key, value = message.key(), message.value()
    return Incoming(
        offset=message.offset() or 0,
        appended_at=message.timestamp()[1],
        key=key.decode() if isinstance(key, bytes) else str(key or ""),
        value=value if isinstance(value, bytes) or value is None else value.encode(),
    )


def read_to_end(
    settings: KafkaSettings, topic: str, partition: int, start: int | None, is_wanted: Callable[[], bool]
) -> Iterator[Incoming | int]:
    """Yield the records from `start` (None: the beginning) to the present end, then the end offset itself.

    Restored means start ≥ end, or position ≥ end: control records and compaction leave gaps, so "the last record
    seen" may never come (facts: kafka §2, §3). PartitionLost if nothing moves for 30 s or nobody wants it.
    """
    consumer = reader(settings, readers_group(topic))
    try:
        low, end = end_offset(consumer, topic, partition)
        begin = low if start is None else start
        if begin < end:
            yield from _fetch(consumer, TopicPartition(topic, partition, max(begin, low)), end, is_wanted)
        yield end
    except KafkaException as error:
        raise PartitionLost(f"{topic}/{partition} can't be restored: {error}") from error
    finally:
        consumer.close()


def _fetch(consumer: Consumer, start: TopicPartition, end: int, is_wanted: Callable[[], bool]) -> Iterator[Incoming]:
    consumer.assign([start])
    moved_at, position = time.monotonic(), -1
    while position < end:
        for message in consumer.consume(BATCH_RECORDS_MAX, timeout=0.1):
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka names it so
                    raise KafkaException(error)
            elif (message.offset() or 0) < end:
                yield incoming(message)
        now_at = consumer.position([TopicPartition(start.topic, start.partition)])[0].offset
        if now_at != position:
            position, moved_at = now_at, time.monotonic()
        if not is_wanted():
            raise PartitionLost("given up while restoring")
        if time.monotonic() - moved_at > STALL_SECONDS:
            raise PartitionLost(f"restoring {start.topic}/{start.partition} stalls at {position} of {end}")


class PartitionReader:
    """Reads one topic of the partition onwards from an offset; `schemas.ports.LogReader`."""

    def __init__(self, settings: KafkaSettings, topic: str, partition: int, offset: int | None) -> None:
        self._consumer = reader(settings, readers_group(topic))
        self._at = TopicPartition(topic, partition)
        try:
            low, high = end_offset(self._consumer, topic, partition)
            # a committed offset outside the log: its start, because loss is decided by sequence alone
            self._position = offset if offset is not None and low <= offset <= high else low
            self._consumer.assign([TopicPartition(topic, partition, self._position)])
        except KafkaException as error:
            self._consumer.close()
            raise PartitionLost(f"{topic}/{partition} can't be read: {error}") from error

    @property
    def position(self) -> int:
        """Offset of the next record."""
        return self._position

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:
        """Return the next records, perhaps none; PartitionLost when the log does not hold the position."""
        records = []
        for message in self._consumer.consume(count_max, timeout=timeout_seconds):
            if error := message.error():
                if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - as above
                    raise PartitionLost(f"{self._at.topic}/{self._at.partition}: {error}")
                continue
            record = incoming(message)
            self._position = record.offset + 1
            records.append(record)
        return records

    def seek(self, offset: int) -> None:
        """Go on reading at another offset."""
        self._position = offset
        self._consumer.assign([TopicPartition(self._at.topic, self._at.partition, offset)])

    def end(self) -> int:
        """Return the offset after the newest record, asked of the broker."""
        return end_offset(self._consumer, self._at.topic, self._at.partition)[1]

    def lag_records(self) -> int:
        """Return how many records are not read yet, as far as the client knows."""
        _, high = self._consumer.get_watermark_offsets(self._at, timeout=CALL_TIMEOUT_SECONDS, cached=True)
        return max(0, high - self._position)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
