"""What the monitor asks of Kafka: an open transaction is timed, groups and sizes are told, unsafe settings named."""

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from deploy.kafka import KafkaSettings, ensure_topics, reader
from deploy.lab.broker.ports import choose_port
from deploy.lab.broker.process import Broker
from deploy.lab.broker.properties import Door
from deploy.lab.chaos.proxy import HOST, Proxy
from deploy.observation.log_watch import LogWatch, unsafe_settings
from schemas.fleet_metrics import LogMetrics
from schemas.topics import Topics

PARTITIONS = 2


@pytest.mark.parametrize(
    ("replication", "config", "unsafe"),
    [
        (3, {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}, set()),
        (3, {"min.insync.replicas": "1"}, {"min.insync.replicas"}),
        (3, {"min.insync.replicas": "3"}, {"min.insync.replicas"}),
        (5, {"min.insync.replicas": "3"}, set()),
        (1, {"min.insync.replicas": "1"}, {"replication.factor", "min.insync.replicas"}),
        (2, {"min.insync.replicas": "2"}, {"replication.factor"}),
        (
            3,
            {"min.insync.replicas": "2", "unclean.leader.election.enable": "true"},
            {"unclean.leader.election.enable"},
        ),
        (3, {}, {"min.insync.replicas"}),
    ],
)
def test_a_setting_is_unsafe_where_it_can_lose_what_was_acknowledged_or_stops_at_one_broker(
    replication: int, config: dict[str, str], unsafe: set[str]
) -> None:
    assert {name for name, is_so in unsafe_settings(replication, config).items() if is_so} == unsafe


class Ground:
    """A pipeline's topics, a watch with a clock of ours, and what it tells."""

    def __init__(self, kafka: str, *, watched_through: str = "") -> None:
        self.bootstrap_servers = kafka
        self.topics = Topics(f"p{uuid.uuid4().hex[:8]}", "source")
        self.now_seconds = 100.0
        settings = KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)
        ensure_topics(settings, self.topics.catalogue(("standby",), PARTITIONS))
        self.registry = CollectorRegistry()
        metrics = LogMetrics(self.registry)
        if watched_through:
            settings = dataclasses.replace(settings, bootstrap_servers=watched_through)
        self.watch = LogWatch(settings, self.topics, ("standby",), metrics, lambda: self.now_seconds)
        deadline = time.monotonic() + 15
        while not self.told("kafka_answered_timestamp_seconds"):
            assert time.monotonic() < deadline  # topics just made have no leader for a moment
            self.watch.look()

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mailshadow_{name}", labels)

    def look_until_told(self, name: str, value: float, **labels: str) -> None:
        deadline = time.monotonic() + 30
        while self.told(name, **labels) != value:
            assert time.monotonic() < deadline, self.told(name, **labels)
            self.look()
            time.sleep(0.5)

    def look(self, seconds_later: float = 0.0) -> None:
        self.now_seconds += seconds_later
        self.watch.look()


@pytest.fixture
def ground(kafka: str) -> Iterator[Ground]:
    made = Ground(kafka)
    yield made
    made.watch.close()


@pytest.fixture
def stranger(ground: Ground) -> Iterator[Producer]:
    """A producer in the middle of a transaction on the log."""
    producer = Producer({"bootstrap.servers": ground.bootstrap_servers, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(ground.topics.changes, b"held", partition=1)
    assert producer.flush(10) == 0
    yield producer
    producer.abort_transaction(20)


@pytest.mark.slow
def test_an_open_transaction_is_timed_from_when_it_was_first_seen_and_only_its_topic_waits(
    ground: Ground, stranger: Producer
) -> None:
    ground.look()
    ground.look(40.0)
    assert ground.told("kafka_unstable_seconds", topic=ground.topics.changes) == 40.0
    assert ground.told("kafka_unstable_seconds", topic=ground.topics.mailboxes) == 0.0
    stranger.commit_transaction(20)
    deadline = time.monotonic() + 10
    while ground.told("kafka_unstable_seconds", topic=ground.topics.changes):
        assert time.monotonic() < deadline  # the marks of a commit are written after its answer
        ground.look(5.0)
    stranger.begin_transaction()
    stranger.produce(ground.topics.changes, b"again", partition=1)
    assert stranger.flush(10) == 0
    ground.look(5.0)
    ground.look(3.0)
    assert ground.told("kafka_unstable_seconds", topic=ground.topics.changes) == 3.0


@pytest.mark.slow
def test_sizes_group_lag_members_and_unsafe_settings_are_told(ground: Ground) -> None:
    producer = Producer({"bootstrap.servers": ground.bootstrap_servers, "acks": "all"})
    for _ in range(5):
        producer.produce(ground.topics.changes, b"one", partition=0)
    assert producer.flush(10) == 0
    group = ground.topics.replay_group("standby")
    committed(ground, group, 2)
    ground.look()
    assert ground.told("kafka_records", topic=ground.topics.changes) == 5
    assert ground.told("kafka_group_lag_records", group=group) == 3
    assert ground.told("kafka_group_members", group=group) == 0
    assert ground.told("kafka_unsafe_settings", topic=ground.topics.changes, setting="replication.factor") == 1
    election = {"topic": ground.topics.changes, "setting": "unclean.leader.election.enable"}
    assert ground.told("kafka_unsafe_settings", **election) == 0
    assert (ground.told("kafka_answered_timestamp_seconds") or 0) > 0


@pytest.mark.slow
def test_an_open_transaction_on_the_orders_is_timed_too_because_nobody_hears_them(
    ground: Ground, stranger: Producer
) -> None:
    orders = ground.topics.orders("source")
    stranger.produce(orders, b"held", partition=0)
    assert stranger.flush(10) == 0
    ground.look()
    ground.look(40.0)
    assert ground.told("kafka_unstable_seconds", topic=orders) == 40.0


@pytest.mark.slow
def test_an_offset_of_a_group_that_never_becomes_certain_does_not_blind_the_monitor(
    ground: Ground, stranger: Producer
) -> None:
    group = ground.topics.replay_group("standby")
    committed(ground, group, 0)
    nobody = reader(KafkaSettings(bootstrap_servers=ground.bootstrap_servers), group)
    at = TopicPartition(ground.topics.changes, 0, 1)
    stranger.send_offsets_to_transaction([at], nobody.consumer_group_metadata(), 20)
    nobody.close()
    before = ground.told("kafka_answered_timestamp_seconds") or 0
    began_at = time.monotonic()
    ground.look()
    assert time.monotonic() - began_at < 5
    assert (ground.told("kafka_answered_timestamp_seconds") or 0) > before
    assert ground.told("kafka_group_lag_records", group=group) == 0


def committed(ground: Ground, group: str, offset: int) -> None:
    """Commit a place of a group, as its replay does."""
    options: dict[str, Any] = {"bootstrap.servers": ground.bootstrap_servers, "group.id": group}
    consumer = Consumer(options)
    consumer.commit(offsets=[TopicPartition(ground.topics.changes, 0, offset)], asynchronous=False)
    consumer.close()


@pytest.mark.slow
def test_a_watch_that_was_without_its_broker_tells_groups_again_and_answers_only_for_all_it_asked(
    tmp_path: Path,
) -> None:
    proxy, port = Proxy(), choose_port(Random())
    link = proxy.link("watch", port, is_exchange=False)
    door = Door(name="WATCH", port=port, advertised_port=link.port)
    with contextlib.closing(proxy), Broker(tmp_path, is_short_lived=True, doors=(door,)) as broker:
        ground = Ground(broker.bootstrap_servers, watched_through=f"{HOST}:{link.port}")
        group = ground.topics.replay_group("standby")
        with member_of(ground, group):
            ground.look_until_told("kafka_group_members", 1, group=group)
            answered_at = ground.told("kafka_answered_timestamp_seconds")
            link.cut()
            ground.look()
            ground.look()
            assert ground.told("kafka_answered_timestamp_seconds") == answered_at
            link.mend()
        ground.look_until_told("kafka_group_members", 0, group=group)
        ground.watch.close()


@contextlib.contextmanager
def member_of(ground: Ground, group: str) -> Iterator[None]:
    """Be the member of a group."""
    options: dict[str, Any] = {"bootstrap.servers": ground.bootstrap_servers, "group.id": group}
    consumer = Consumer(options)
    consumer.subscribe([ground.topics.changes])
    deadline = time.monotonic() + 20
    while not consumer.assignment():
        assert time.monotonic() < deadline
        consumer.poll(0.2)
    yield
    consumer.close()


def test_no_admin_client_is_asked_for_the_offsets_of_a_group(repository: Path) -> None:
    """It kills its process where the group has no coordinator yet, and `run` holds feed and replays."""
    name = "list_consumer" + "_group_offsets"
    asking = [p for p in (repository / "deploy").rglob("*.py") if name in p.read_text(encoding="utf-8")]
    assert asking == []


@pytest.mark.slow
def test_a_kafka_that_does_not_answer_leaves_what_was_told_and_when(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.look()
    answered = ground.told("kafka_answered_timestamp_seconds")
    away = KafkaSettings(bootstrap_servers="127.0.0.1:9", partition_count=PARTITIONS)
    monkeypatch.setattr("deploy.kafka.CALL_TIMEOUT_SECONDS", 0.5)
    registry = CollectorRegistry()
    blind = LogWatch(away, ground.topics, ("standby",), LogMetrics(registry))
    blind.look()
    assert registry.get_sample_value("mailshadow_kafka_answered_timestamp_seconds") == 0.0
    assert ground.told("kafka_answered_timestamp_seconds") == answered
