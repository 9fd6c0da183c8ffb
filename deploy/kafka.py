"""Connections to Kafka with the settings exactly-once needs (facts: kafka §1, §2, §4)."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # not in their __all__
from confluent_kafka.cimpl import NewTopic

from deploy.kafka_security import Security
from deploy.secret import Stamp
from schemas.topics import TopicSettings

log = logging.getLogger(__name__)
_librdkafka_log = logging.getLogger("librdkafka")
_librdkafka_log.setLevel(logging.ERROR)

TRANSACTION_TIMEOUT_MS = 15_000
CALL_TIMEOUT_SECONDS = 10.0
RECORD_SIZE_BYTES_MAX = 1_000_000
START_SECONDS = 30.0
RETRY_SECONDS = 0.1
_NOT_READY = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka names it so
        KafkaError._WAIT_COORD,  # noqa: SLF001 - as above
    }
)


_AWAY = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - as above
        KafkaError._TRANSPORT,  # noqa: SLF001 - as above
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - as above
    }
)
_NOT_ALLOWED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class KafkaUnreachableError(Exception):
    """No broker answers at the configured addresses."""


class TopicMismatchError(Exception):
    """A topic is not as the pipeline recorded it."""


class TopicsMissingError(Exception):
    """Topics are not there, or hidden from us, and we may not make them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Bootstrap servers, replication, who we are, and any further librdkafka settings."""

    bootstrap_servers: str
    replication_factor: int = 1
    partition_count: int = 12
    creates_topics: bool = True
    security: Security = field(default_factory=Security)
    client: dict[str, str] = field(default_factory=dict, repr=False)

    def options(self) -> dict[str, str | int | float | bool]:
        """Return the librdkafka settings every client of the cluster begins with; secrets are read anew."""
        return {**self.client, **self.security.options(), "bootstrap.servers": self.bootstrap_servers}

    def stamp(self) -> Stamp:
        """Return what changes when a secret was rotated: clients made before have to be made anew."""
        return self.security.stamp()


def producer(settings: KafkaSettings, transactional_id: str) -> Producer:
    """Return a transactional producer; short retry back-off because it paces CONCURRENT_TRANSACTIONS."""
    return Producer(
        settings.options()
        | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "retry.backoff.ms": 5,
            "compression.type": "zstd",
            "linger.ms": 2,
            "batch.size": 900_000,
            "queue.buffering.max.kbytes": 262_144,
            "message.max.bytes": RECORD_SIZE_BYTES_MAX,
        },
        logger=_librdkafka_log,
    )


def reader(settings: KafkaSettings, group: str, isolation: str = "read_committed") -> Consumer:
    """Return a consumer for assign(): reads committed records, commits nothing by itself."""
    return Consumer(
        settings.options()
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 32_768,
            "fetch.message.max.bytes": 4_194_304,
        },
        logger=_librdkafka_log,
    )


def group_member(settings: KafkaSettings, group: str) -> Consumer:
    """Return a consumer whose assignment is the sharding (KIP-848); it never reads."""
    return Consumer(
        settings.options()
        | {
            "group.id": group,
            "group.protocol": "consumer",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        },
        logger=_librdkafka_log,
    )


def admin(settings: KafkaSettings) -> AdminClient:
    """Return a client for what is no reading or writing."""
    return AdminClient(settings.options(), logger=_librdkafka_log)


def answer_of(future: Any) -> Any:
    """Return what Kafka answered to a question of an admin client; KafkaException also where it did not in time."""
    try:
        return future.result(CALL_TIMEOUT_SECONDS)
    except TimeoutError as error:
        silence = KafkaError(KafkaError._TIMED_OUT, f"no answer in {CALL_TIMEOUT_SECONDS:.0f} s")  # noqa: SLF001 - librdkafka names it so
        raise KafkaException(silence) from error


def is_away(error: KafkaException) -> bool:
    """Tell whether Kafka did not answer at all, which is no refusal."""
    return error.args[0].code() in _AWAY


def partition_counts(settings: KafkaSettings) -> dict[str, int]:
    """Return every topic with its number of partitions; KafkaUnreachableError if no broker answers."""
    client = admin(settings)
    try:
        topics = client.list_topics(timeout=CALL_TIMEOUT_SECONDS).topics
    except KafkaException as error:
        raise KafkaUnreachableError(
            f"Kafka at {settings.bootstrap_servers} does not answer ({error.args[0].name()}); "
            "check kafka.bootstrap_servers and that the broker runs"
        ) from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def topic_ids(settings: KafkaSettings, names: Iterable[str]) -> dict[str, str]:
    """Return name to topic id: a topic made anew under an old name has another one.

    Waits out a broker that has not heard of a new topic yet, or is about to come back: a service that starts now would
    only be started again. KafkaException if that takes long.
    """
    client, asked = admin(settings), TopicCollection(list(names))
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return {name: str(answer_of(f).topic_id) for name, f in client.describe_topics(asked).items()}
        except KafkaException as error:
            if error.args[0].code() not in _NOT_READY | _AWAY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)


def offsets_reader(settings: KafkaSettings, group: str) -> Consumer:
    """Return a consumer that asks for the offsets of a group, and is told the last one that is certain.

    A consumer that reads committed records waits until no transaction holds an offset: where Kafka lost the mark that
    ends one, it waits for ever.
    """
    return reader(settings, group, "read_uncommitted")


def committed_offset(settings: KafkaSettings, group: str, topic: str, partition: int) -> int | None:
    """Return the offset a group committed for any topic of a partition; KafkaException on doubt.

    Asked by a consumer that is no member: confluent-kafka lets only the polling thread ask a member.
    """
    consumer = offsets_reader(settings, group)
    deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
    try:
        while True:
            try:
                found = consumer.committed([TopicPartition(topic, partition)], timeout=CALL_TIMEOUT_SECONDS)[0]
                if found.error:
                    raise KafkaException(found.error)  # noqa: TRY301 - both ways of saying it end below
            except KafkaException as failure:
                # a broker that never had a group has no coordinator for a moment
                if failure.args[0].code() not in _NOT_READY or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)
            else:
                return found.offset if found.offset >= 0 else None
    finally:
        consumer.close()


def open_transactions(settings: KafkaSettings, topics: Iterable[str], partition: int) -> dict[str, tuple[int, int]]:
    """Return the topics with a transaction that has no end: where the oldest begins, and where the log ends."""
    asked = {TopicPartition(t, partition): OffsetSpec.latest() for t in topics}  # type: ignore[no-untyped-call] # theirs
    client = admin(settings)
    ends: dict[str, list[int]] = {}
    for isolation in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        for at, future in client.list_offsets(asked, isolation_level=isolation).items():
            ends.setdefault(at.topic, []).append(answer_of(future).offset)
    return {topic: (stable, end) for topic, (stable, end) in ends.items() if stable < end}


def ensure_topics(settings: KafkaSettings, catalogue: Iterable[TopicSettings]) -> list[str]:
    """Create the missing topics and return their names; TopicMismatchError where a count differs."""
    wanted = list(catalogue)
    existing = partition_counts(settings)
    for topic in wanted:
        found = existing.get(topic.name, topic.partition_count)
        if found != topic.partition_count:
            raise TopicMismatchError(
                f"topic {topic.name} has {found} partitions and kafka.partition_count says {topic.partition_count}: "
                "the count is fixed when a pipeline is created; set it back, or drain into a new pipeline"
            )
    missing = [t for t in wanted if t.name not in existing]
    if missing and not settings.creates_topics:
        raise _refusal(missing, "kafka.create_topics is false")
    client = admin(settings)
    new = [NewTopic(t.name, t.partition_count, settings.replication_factor, config=t.config) for t in missing]
    for name, future in (client.create_topics(new) if new else {}).items():
        try:
            answer_of(future)
        except KafkaException as error:
            if error.args[0].code() in _NOT_ALLOWED:
                raise _refusal(missing, f"Kafka does not allow it ({error.args[0].name()})") from error
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            log.info("topic made by another process", extra={"topic": name})
    _await_leaders(settings, {t.name for t in missing})
    return [t.name for t in missing]


def _refusal(missing: list[TopicSettings], why: str) -> TopicsMissingError:
    names = ", ".join(t.name for t in missing)
    return TopicsMissingError(
        f"topics are missing or can't be seen, and can't be made here: {why}: {names}. `mailshadow topics commands` "
        "prints what makes them, `mailshadow topics acls` what lets this principal see them"
    )


def _await_leaders(settings: KafkaSettings, names: set[str]) -> None:
    deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
    while names - partition_counts(settings).keys() and time.monotonic() < deadline:
        time.sleep(0.1)


def end_offset(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return start and end of a partition, asked of the broker; waits out a leader that is not known yet."""
    deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
    while True:
        try:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=CALL_TIMEOUT_SECONDS, cached=False
            )
        except KafkaException as error:
            if error.args[0].code() not in _NOT_READY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return low, high
