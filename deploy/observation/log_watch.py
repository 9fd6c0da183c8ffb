"""What the monitor asks of Kafka every few seconds: open transactions, sizes, groups, settings that can lose data.

The clients are made anew after every look that was not answered: an admin client that was without its brokers once
never hears of a group again, while it goes on answering everything else (librdkafka 2.16).
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined] # as in kafka

from deploy.kafka import CALL_TIMEOUT_SECONDS, KafkaSettings, admin, answer_of, is_away, offsets_reader
from schemas.fleet_metrics import LogMetrics
from schemas.topics import Topics

log = logging.getLogger(__name__)

SAFE_REPLICATION = 3
SAFE_IN_SYNC = 2


def unsafe_settings(replication: int, config: Mapping[str, str]) -> dict[str, bool]:
    """Say for each setting that decides over acknowledged records whether it is unsafe."""
    in_sync = int(config.get("min.insync.replicas", "1"))
    return {
        "replication.factor": replication < SAFE_REPLICATION,
        "min.insync.replicas": in_sync < SAFE_IN_SYNC or in_sync >= max(replication, SAFE_REPLICATION),
        "unclean.leader.election.enable": config.get("unclean.leader.election.enable", "false") == "true",
    }


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Pass over what Kafka refuses; that it does not answer at all is for `look` to say."""
    try:
        yield
    except KafkaException as error:
        if is_away(error):
            raise


class LogWatch:
    """Asks Kafka and sets the gauges; `look` may take seconds and is called by one thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Topics,
        targets: tuple[str, ...],
        metrics: LogMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._numbers = range(settings.partition_count)
        self._topics = [topics.changes, topics.mailboxes, topics.source_state]
        self._topics += [topics.orders(topics.source)]
        for target in targets:
            self._topics += [topics.target_state(target), topics.orders(target), topics.dead_letters(target)]
        self._changes = topics.changes
        self._groups = [topics.feed_group, *(topics.replay_group(target) for target in targets)]
        self._metrics = metrics
        self._monotonic = monotonic
        self._stuck: dict[tuple[str, int], tuple[int, float]] = {}
        self._begin()

    def _begin(self) -> None:
        self._admin = admin(self._settings)
        # No members: they only ask. An admin client that asks for a group's offsets kills its process where the group
        # has no coordinator yet (librdkafka 2.16, https://github.com/confluentinc/confluent-kafka-javascript/issues/374).
        self._asking = {group: offsets_reader(self._settings, group) for group in self._groups[1:]}

    def look(self) -> None:
        """Ask everything once; what can't be answered now stays as it was, and `answered_at` stands still."""
        try:
            self._ask()
        except KafkaException as error:
            log.warning("Kafka does not answer the monitor", extra={"why": str(error)})
            self.close()
            self._begin()
            return
        self._metrics.answered_at.set(time.time())

    def _ask(self) -> None:
        ends = self._offsets(OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]
        stable = self._offsets(OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)  # type: ignore[no-untyped-call]
        starts = self._offsets(OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]
        self._tell_unstable(ends, stable)
        for topic in self._topics:
            size = sum(ends[topic, n] - starts[topic, n] for n in self._numbers)
            self._metrics.records.labels(topic=topic).set(size)
        self._tell_groups(ends)
        self._tell_settings()

    def close(self) -> None:
        """Ask no more."""
        for consumer in self._asking.values():
            consumer.close()

    def _offsets(self, which: OffsetSpec, isolation: IsolationLevel) -> dict[tuple[str, int], int]:
        asked = {TopicPartition(topic, number): which for topic in self._topics for number in self._numbers}
        answers = self._admin.list_offsets(asked, isolation_level=isolation)
        return {(at.topic, at.partition): answer_of(f).offset for at, f in answers.items()}

    def _tell_unstable(self, ends: Mapping[tuple[str, int], int], stable: Mapping[tuple[str, int], int]) -> None:
        now = self._monotonic()
        worst = dict.fromkeys(self._topics, 0.0)
        for place, offset in stable.items():
            if offset >= ends[place]:
                self._stuck.pop(place, None)
                continue
            known = self._stuck.get(place)
            if known is None or known[0] != offset:
                known = self._stuck[place] = (offset, now)
            worst[place[0]] = max(worst[place[0]], now - known[1])
        for topic, seconds in worst.items():
            self._metrics.unstable_seconds.labels(topic=topic).set(seconds)

    def _tell_groups(self, ends: Mapping[tuple[str, int], int]) -> None:
        for group, answer in self._admin.describe_consumer_groups(self._groups).items():
            with _answered():  # a group that nobody joined yet
                self._metrics.group_members.labels(group=group).set(len(answer_of(answer).members))
        places = [TopicPartition(self._changes, number) for number in self._numbers]
        for group, consumer in self._asking.items():
            with _answered():  # a group without a coordinator, for a moment
                found = [at for at in consumer.committed(places, CALL_TIMEOUT_SECONDS) if at.offset >= 0]
                lag = sum(ends[self._changes, at.partition] - at.offset for at in found)
                self._metrics.group_lag_records.labels(group=group).set(lag)

    def _tell_settings(self) -> None:
        known = self._admin.list_topics(timeout=CALL_TIMEOUT_SECONDS).topics
        asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in self._topics]
        for resource, answer in self._admin.describe_configs(asked).items():
            with _answered():  # settings we are not allowed to read
                topic = str(resource.name)
                config = {name: str(entry.value) for name, entry in answer_of(answer).items()}
                replication = len(known[topic].partitions[0].replicas)
                for setting, is_unsafe in unsafe_settings(replication, config).items():
                    self._metrics.unsafe_settings.labels(topic=topic, setting=setting).set(is_unsafe)
