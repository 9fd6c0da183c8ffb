"""What is wrong with a cluster, and what is only to be known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.kafka_findings import TopicFacts, judge_brokers, judge_rights, judge_topic
from schemas.topics import Topics

CHANGES = Topics("p", "mail").catalogue(("standby",), 12)[0]
GOOD = TopicFacts(
    config={**CHANGES.config, "min.insync.replicas": "2", "unclean.leader.election.enable": "false"},
    partition_count=12,
    replicas_min=3,
    insync_min=3,
)


def with_config(name: str, value: str) -> TopicFacts:
    return replace(GOOD, config={**GOOD.config, name: value})


def test_a_topic_as_it_should_be_is_not_spoken_of() -> None:
    assert judge_topic(CHANGES, GOOD, 3) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(GOOD, partition_count=6), "has 6 partitions"),
        (replace(GOOD, replicas_min=2, insync_min=2), "has 2 replicas"),
        (replace(GOOD, insync_min=1), "can't be written: 1 replicas in sync, 2 needed"),
        (with_config("min.insync.replicas", "1"), "--topic p.changes.mail --add-config min.insync.replicas=2"),
        (with_config("cleanup.policy", "compact"), "--add-config cleanup.policy=delete"),
        (with_config("message.timestamp.type", "CreateTime"), "message.timestamp.type=LogAppendTime"),
        (with_config("retention.ms", "1000"), "--add-config retention.ms=1209600000"),
        (with_config("unclean.leader.election.enable", "true"), "unclean.leader.election.enable=false"),
        (with_config("max.message.bytes", "500000"), "--add-config max.message.bytes=1000012"),
    ],
)
def test_what_can_lose_or_stop_the_log_is_a_failure_with_what_mends_it(found: TopicFacts, said: str) -> None:
    told = judge_topic(CHANGES, found, 3)
    assert [j.is_good for j in told] == [False]
    assert said in told[0].text


@pytest.mark.parametrize(
    "found",
    [replace(GOOD, insync_min=2), with_config("min.insync.replicas", "3"), with_config("retention.ms", "-1")],
    ids=["a replica away", "no replica to spare", "kept for ever"],
)
def test_what_is_only_to_be_known_is_no_failure(found: TopicFacts) -> None:
    assert all(j.is_good for j in judge_topic(CHANGES, found, 3))


def test_one_broker_is_a_choice_and_its_topics_are_not_blamed() -> None:
    lonely = replace(GOOD, replicas_min=1, insync_min=1, config={**GOOD.config, "min.insync.replicas": "1"})
    assert judge_topic(CHANGES, lonely, 1) == []
    assert [j.is_good for j in judge_brokers({}, 1)] == [True]


@pytest.mark.parametrize(
    ("name", "value", "is_good"),
    [
        ("transaction.max.timeout.ms", "10000", False),
        ("transaction.state.log.replication.factor", "1", False),
        ("group.consumer.session.timeout.ms", "300000", True),
    ],
)
def test_the_brokers_own_settings_are_judged(name: str, value: str, is_good: bool) -> None:  # noqa: FBT001
    assert judge_brokers({"transaction.max.timeout.ms": "900000"}, 3) == []
    assert [j.is_good for j in judge_brokers({name: value}, 3)] == [is_good]


def test_a_right_that_is_missing_is_named_and_a_cluster_without_rights_is_not_blamed() -> None:
    needed = {CHANGES.name: ("READ", "WRITE")}
    seen = replace(GOOD, operations=frozenset({"READ", "DESCRIBE"}))
    assert "the feed may not WRITE" in judge_rights(needed, {CHANGES.name: seen}, "feed")[0].text
    assert judge_rights(needed, {CHANGES.name: GOOD}, "feed") == []
