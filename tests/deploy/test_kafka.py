from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace
from itertools import count
from os import getpid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException

from deploy.kafka import (
    KafkaSettings,
    KafkaUnreachableError,
    TopicMismatchError,
    TopicsMissingError,
    answer_of,
    committed_offset,
    end_offset,
    ensure_topics,
    partition_counts,
    reader,
    topic_ids,
)
from schemas.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = count(1)


@pytest.fixture
def topics() -> Topics:
    return Topics(f"kafka{getpid()}-{next(_NUMBERS)}", "mail")


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka, partition_count=2)


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("ask", [partition_counts, lambda s: ensure_topics(s, [])], ids=["counts", "ensure"])
def test_a_broker_that_does_not_answer_is_named_with_its_setting(
    free_port: int, ask: Callable[[KafkaSettings], object]
) -> None:
    with pytest.raises(KafkaUnreachableError, match=rf":{free_port} does not answer.*kafka\.bootstrap_servers"):
        ask(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port}"))


@pytest.mark.slow
def test_missing_topics_are_made_once_with_their_partitions(settings: KafkaSettings, topics: Topics) -> None:
    catalogue = topics.catalogue(("standby",), 2)
    assert sorted(ensure_topics(settings, catalogue)) == sorted(t.name for t in catalogue)
    assert ensure_topics(settings, catalogue) == []
    counts = partition_counts(settings)
    assert {t.name: counts[t.name] for t in catalogue} == {t.name: t.partition_count for t in catalogue}


@pytest.mark.slow
def test_missing_topics_are_named_where_we_are_not_to_make_them(settings: KafkaSettings, topics: Topics) -> None:
    catalogue = topics.catalogue(("standby",), 2)
    modest = replace(settings, creates_topics=False)
    with pytest.raises(
        TopicsMissingError, match=r"create_topics is false: .*changes\.mail.*`mailshadow topics commands`"
    ):
        ensure_topics(modest, catalogue)
    ensure_topics(settings, catalogue)
    assert ensure_topics(modest, catalogue) == []


@pytest.mark.slow
def test_another_count_is_refused_and_nothing_is_made(settings: KafkaSettings, topics: Topics) -> None:
    ensure_topics(settings, topics.catalogue((), 2))
    with pytest.raises(TopicMismatchError, match=r"has 2 partitions and kafka\.partition_count says 3"):
        ensure_topics(settings, topics.catalogue(("standby",), 3))
    assert topics.target_state("standby") not in partition_counts(settings)


@pytest.mark.slow
def test_topics_are_told_apart_by_id(settings: KafkaSettings, topics: Topics) -> None:
    ensure_topics(settings, topics.catalogue((), 2))
    ids = topic_ids(settings, [topics.changes, topics.mailboxes])
    assert len(set(ids.values())) == len([topics.changes, topics.mailboxes])
    assert topic_ids(settings, [topics.changes]) == {topics.changes: ids[topics.changes]}


@pytest.mark.slow
def test_an_empty_partition_starts_and_ends_at_0_and_nothing_is_committed(
    settings: KafkaSettings, topics: Topics
) -> None:
    ensure_topics(settings, topics.catalogue((), 2))
    consumer = reader(settings, "test")
    try:
        assert end_offset(consumer, topics.changes, 1) == (0, 0)
    finally:
        consumer.close()
    assert _committed(settings, topics) is None


def _committed(settings: KafkaSettings, topics: Topics) -> int | None:
    """Ask until a broker that never had a group has made the topic of its offsets: doubt is raised, not hidden."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return committed_offset(settings, topics.feed_group, topics.changes, 1)
        except KafkaException:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_an_answer_that_does_not_come_in_time_is_told_as_every_other_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.kafka.CALL_TIMEOUT_SECONDS", 0.01)
    with pytest.raises(KafkaException, match="no answer in"):
        answer_of(Future())


def test_secrets_of_the_client_are_in_no_text() -> None:
    assert "hidden" not in repr(KafkaSettings(bootstrap_servers="x", client={"sasl.password": "hidden"}))
