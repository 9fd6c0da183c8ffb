"""The end of the log is deleted while no replay runs: nobody is called protected, and the source fills the gap."""

from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition

from deploy import wiring
from deploy.kafka import admin
from deploy.lab.world import TARGET
from deploy.settings import load
from schemas.identity import mailbox_id

from .conftest import Living

pytestmark = pytest.mark.slow
MAILS = 6


def delete_all_changes(living: Living) -> None:
    """Delete every record of the log, as retention or an administrator does."""
    loaded = load(living.world.config, {})
    connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
    ends = [TopicPartition(topics.changes, number, -1) for number in range(connection.partition_count)]
    client = admin(connection)
    for future in client.delete_records(ends).values():
        future.result(30)


def test_changes_that_the_log_lost_before_they_were_applied_are_told_and_sent_again(living: Living) -> None:
    living.world.replay.stop()
    for _ in range(MAILS):
        living.put(living.mail(0))
    name = mailbox_id(living.users[0].address)

    def is_captured() -> bool:
        rows = [r for r in living.world.status() if r["mailbox"] == name]
        return bool(rows) and rows[0]["targets"][TARGET]["changes_not_applied"] >= MAILS

    await_without_services(living, is_captured)
    living.world.feed.stop()  # nothing comes to the log any more that could tell of the gap
    delete_all_changes(living)
    living.world.replay.start()
    await_without_services(living, lambda: living.row().get("waiting") == "lost end of the log")
    living.world.feed.start()
    living.await_level()
    assert living.compare().is_clean


def await_without_services(living: Living, condition: Callable[[], bool]) -> None:
    """Wait for a condition while a service is stopped on purpose."""
    services = living.world.require_services
    living.world.require_services = lambda: None  # type: ignore[method-assign] # they do not run
    try:
        living.await_true(condition)
    finally:
        living.world.require_services = services  # type: ignore[method-assign]
