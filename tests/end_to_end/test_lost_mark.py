"""Kafka lost the mark that ends a transaction in its topic of offsets: nobody waits for what it will never say."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer, TopicPartition

from deploy import wiring
from deploy.kafka import reader
from deploy.lab.world import TARGET
from deploy.settings import load

from .conftest import PARTITIONS, Living

pytestmark = pytest.mark.slow


@contextmanager
def stopped(living: Living) -> Iterator[None]:
    """Feed and replay are killed, and started again afterwards."""
    services = (living.world.feed, living.world.replay)
    for service in services:
        service.signal(signal.SIGKILL)
        service.stop()
    yield
    for service in services:
        service.start()


def hold_offsets(living: Living, group: str, topics: tuple[str, ...]) -> Producer:
    """Hold the offsets of a group by a transaction without an end."""
    connection = wiring.kafka_settings(load(living.world.config, {}))
    lost = Producer(
        connection.options() | {"transactional.id": f"without an end: {group}", "transaction.timeout.ms": 600_000}
    )
    lost.init_transactions(30)
    lost.begin_transaction()
    nobody = reader(connection, group)
    places = [TopicPartition(topic, number, 0) for topic in topics for number in range(PARTITIONS)]
    lost.send_offsets_to_transaction(places, nobody.consumer_group_metadata(), 60)
    nobody.close()
    return lost


def test_mail_flows_although_the_offsets_of_both_groups_never_become_certain(living: Living) -> None:
    topics = wiring.topics_of(load(living.world.config, {}))
    with stopped(living):
        held = [
            hold_offsets(living, topics.feed_group, (topics.orders(topics.source),)),
            hold_offsets(living, topics.replay_group(TARGET), (topics.changes, topics.orders(TARGET))),
        ]
    for owner in range(len(living.users)):
        living.put(living.mail(owner))
    living.await_level()
    assert living.compare().is_clean
    for lost in held:
        lost.abort_transaction(30)
