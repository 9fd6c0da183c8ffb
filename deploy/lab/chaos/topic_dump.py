"""Every committed record of the pipeline's topics as JSON lines, as any consumer could read them."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

TIMEOUT_SECONDS = 20.0
SILENCE_SECONDS_MAX = 15.0


class DumpError(Exception):
    """A topic could not be read to its end."""


def dump(bootstrap_servers: str, prefix: str, path: Path) -> int:
    """Write the records of all topics whose name begins with `prefix`; return how many there were.

    Raises DumpError where Kafka does not answer or a partition isn't read to its end in time.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{prefix}evidence",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "log_level": 0,  # a broker that is being killed is what is meant to happen
        }
    )
    count = 0
    try:
        with path.open("w", encoding="utf-8") as file:
            for message in _records(consumer, prefix):
                file.write(json.dumps(_line(message)) + "\n")
                count += 1
    except KafkaException as error:
        raise DumpError(f"the topics {prefix}* can't be read: {error.args[0].name()}") from error
    finally:
        consumer.close()
    return count


def _records(consumer: Consumer, prefix: str) -> Iterator[Message]:
    """Yield all records of all partitions, each partition's in order, from their first to their end."""
    topics = consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
    places = [TopicPartition(n, p, 0) for n, t in topics.items() if n.startswith(prefix) for p in t.partitions]
    consumer.assign(places)
    unread = {(place.topic, place.partition) for place in places}
    heard_at = time.monotonic()
    while unread:
        message = consumer.poll(0.5)
        if message is None:
            if time.monotonic() - heard_at > SILENCE_SECONDS_MAX:
                raise DumpError(f"{len(unread)} partitions of {prefix}* can't be read to their end")
            continue
        heard_at = time.monotonic()
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka names it so
            unread.discard((str(message.topic()), int(message.partition() or 0)))


def _line(message: Message) -> dict[str, Any]:
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp()[1],
        "key": _text(message.key()),
        "value": _text(message.value()),
        "headers": {header[0]: _text(header[1]) for header in message.headers() or []},
    }


def _text(content: Any) -> str | None:
    if content is None:
        return None
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode("ascii")
