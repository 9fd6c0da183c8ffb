"""Kafka's assignment is the sharding: one worker a partition, moved when members come and go (real Kafka)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer, TopicPartition
from prometheus_client import CollectorRegistry

from deploy.kafka import ensure_topics, reader, topic_ids
from deploy.partition.membership import Membership
from deploy.partition.owned import Owned, Role
from schemas.metrics import PartitionMetrics
from schemas.ports import Outgoing, PartitionLost
from schemas.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.kafka import KafkaSettings

    from .conftest import Ground

pytestmark = pytest.mark.slow
WAIT_SECONDS = 60.0
PARTITIONS = 4


class Member:
    """A membership on a thread; `working` holds the partitions worked on now."""

    def __init__(self, settings: KafkaSettings, topics: Topics, trouble: Callable[[int], None] | None = None) -> None:
        self.working: set[int] = set()
        self.taken: list[int] = []
        self.raised: list[Exception] = []
        self._trouble = trouble
        self.ahead_ms = 0
        self.at_the_end: Callable[[Owned], None] = lambda _owned: None
        self.registry = CollectorRegistry()
        names = (topics.mailboxes, topics.source_state)
        role = Role(
            group=topics.feed_group,
            state_topics=topic_ids(settings, names),
            positions_topic=topics.mailboxes,
            cache_directory=None,
        )
        metrics = PartitionMetrics(self.registry)
        self.membership = Membership(
            settings, role, topics.mailboxes, self._work, lambda: int(time.time() * 1000) + self.ahead_ms, metrics
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.membership.run(self._stop)
        except Exception as error:  # noqa: BLE001 - what is raised is what is tested
            self.raised.append(error)

    def _work(self, owned: Owned) -> None:
        self.taken.append(owned.number)
        self.working.add(owned.number)
        try:
            while owned.still_owned():
                if self._trouble:
                    self._trouble(len(self.taken))
                time.sleep(0.05)
            self.at_the_end(owned)
        finally:
            self.working.discard(owned.number)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def wide(ground: Ground) -> tuple[KafkaSettings, Topics]:
    topics = Topics(f"{ground.topics.pipeline}-wide", "mail")
    ensure_topics(ground.settings, topics.catalogue((), PARTITIONS))
    return ground.settings, topics


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "still not so"
        time.sleep(0.05)


def test_one_member_works_on_every_partition_and_a_second_takes_its_share(
    wide: tuple[KafkaSettings, Topics],
) -> None:
    everything = set(range(PARTITIONS))
    one = Member(*wide)
    until(lambda: one.working == everything)
    two = Member(*wide)
    until(lambda: bool(two.working) and one.working | two.working == everything and not one.working & two.working)
    assert sorted(one.membership.assigned) == sorted(one.working)
    one.stop()
    assert one.working == set()
    until(lambda: two.working == everything)
    two.stop()
    assert not one.raised + two.raised


def test_a_lost_partition_is_acquired_again_and_counted(wide: tuple[KafkaSettings, Topics]) -> None:
    def lose_once(times_taken: int) -> None:
        if times_taken == 1:
            raise PartitionLost("unclear")

    member = Member(*wide, lose_once)
    until(lambda: len(member.taken) > PARTITIONS and member.working == set(range(PARTITIONS)))
    assert (member.registry.get_sample_value("mailshadow_partitions_lost_total") or 0) >= 1
    member.stop()
    assert not member.raised


def kept_at_the_end(member: Member, topic: str, late_seconds: float = 0.0) -> list[int]:
    """Stop a member whose workers have something under way; return the partitions that could commit it."""
    committed: list[int] = []

    def finish(owned: Owned) -> None:
        time.sleep(late_seconds)
        owned.transact([Outgoing(topic, "under way", b"done")], {})
        committed.append(owned.number)

    until(lambda: member.working == set(range(PARTITIONS)))
    member.at_the_end = finish
    member.stop()
    time.sleep(late_seconds)
    return committed


def test_what_is_under_way_when_a_partition_is_given_up_is_still_committed(wide: tuple[KafkaSettings, Topics]) -> None:
    member = Member(*wide)
    assert sorted(kept_at_the_end(member, wide[1].source_state)) == list(range(PARTITIONS))
    assert not member.raised


def test_what_takes_longer_than_the_time_to_give_a_partition_up_is_not_committed(
    wide: tuple[KafkaSettings, Topics], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.partition.membership.REVOKE_SECONDS_MAX", 0.2)
    member = Member(*wide)
    assert kept_at_the_end(member, wide[1].source_state, late_seconds=1.0) == []
    assert not member.raised


def test_a_clock_that_jumps_makes_every_partition_begin_anew(wide: tuple[KafkaSettings, Topics]) -> None:
    member = Member(*wide)
    everything = set(range(PARTITIONS))
    until(lambda: member.working == everything)
    member.taken.clear()
    member.ahead_ms = -3_600_000
    until(lambda: sorted(member.taken) == sorted(everything) and member.working == everything)
    member.stop()
    assert not member.raised


def test_a_worker_that_fails_for_good_ends_the_process_with_its_error(wide: tuple[KafkaSettings, Topics]) -> None:
    def fail(_: int) -> None:
        raise ValueError("no disk")

    member = Member(*wide, fail)
    until(lambda: bool(member.raised))
    member.stop()
    assert [str(e) for e in member.raised] == ["no disk"]


def test_a_worker_that_hangs_shows_as_standing_still_while_the_others_stir(
    wide: tuple[KafkaSettings, Topics],
) -> None:
    hung, go_on = threading.Event(), threading.Event()

    def hang(_taken: int) -> None:
        if not hung.is_set():
            hung.set()
            go_on.wait(WAIT_SECONDS)

    member = Member(*wide, hang)
    until(lambda: member.working == set(range(PARTITIONS)))
    try:
        until(lambda: member.membership.still_seconds() > 2.0)
    finally:
        go_on.set()
    until(lambda: member.membership.still_seconds() < 1.0)
    member.stop()


def test_a_partition_that_is_lost_again_and_again_is_told_until_it_is_kept(
    wide: tuple[KafkaSettings, Topics], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("deploy.partition.membership.SETTLED_SECONDS", 1.0)
    is_over = threading.Event()

    def lose(_: int) -> None:
        if not is_over.is_set():
            raise PartitionLost("Kafka does not answer")

    member = Member(*wide, lose)
    until(lambda: bool(member.membership.losing()))
    told = [record.__dict__ for record in caplog.records if record.message == "partition lost again and again"]
    assert told[0]["why"] == "Kafka does not answer"
    assert set(member.membership.losing()) == {"at work"}
    is_over.set()
    until(lambda: not member.membership.losing())
    member.stop()
    assert not member.raised


def test_a_transaction_without_an_end_holds_its_partition_alone(
    wide: tuple[KafkaSettings, Topics], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.partition.owned.ENDLESS_SECONDS", 0.5)
    monkeypatch.setattr("deploy.partition.membership.ENDLESS_RETRY_SECONDS", 0.5)
    settings, topics = wide
    lost = Producer(
        settings.options() | {"transactional.id": "somebody without an end", "transaction.timeout.ms": 600_000}
    )
    lost.init_transactions(30)
    lost.begin_transaction()
    lost.produce(topics.mailboxes, key="k", value=b"v", partition=2)
    lost.flush(30)
    member = Member(settings, topics)
    until(lambda: member.working == {0, 1, 3} and bool(member.membership.losing()))
    assert set(member.membership.losing()) == {"transaction without an end"}
    assert not member.raised
    lost.abort_transaction(30)
    until(lambda: member.working == set(range(PARTITIONS)))
    member.stop()
    assert not member.raised


def test_offsets_of_the_group_that_never_become_certain_keep_no_partition_from_work(
    wide: tuple[KafkaSettings, Topics],
) -> None:
    """Kafka lost the mark that ends a transaction in its own topic of offsets, and nobody can write it any more."""
    settings, topics = wide
    orders, everything = topics.orders("mail"), set(range(PARTITIONS))
    first = Member(settings, topics)
    first.at_the_end = lambda owned: owned.transact([], {orders: 7})
    until(lambda: first.working == everything)
    first.stop()
    nobody = reader(settings, topics.feed_group)
    lost = Producer(
        settings.options() | {"transactional.id": "somebody without an end", "transaction.timeout.ms": 600_000}
    )
    lost.init_transactions(30)
    lost.begin_transaction()
    places = [TopicPartition(orders, number, 9) for number in everything]
    lost.send_offsets_to_transaction(places, nobody.consumer_group_metadata(), 30)
    positions: dict[int, int | None] = {}
    second = Member(settings, topics)
    second.at_the_end = lambda owned: positions.update({owned.number: owned.position(orders)})
    until(lambda: second.working == everything)
    second.stop()
    assert positions == dict.fromkeys(everything, 7)
    lost.abort_transaction(30)
    nobody.close()
