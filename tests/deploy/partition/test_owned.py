"""One owner at a time, and only what it committed is ever restored (real Kafka)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from deploy.kafka import producer
from deploy.partition import owned as module
from deploy.partition.cache import CachedPosition, StateCache
from deploy.partition.owned import EndlessTransactionError, RecordTooLargeError
from schemas.codec import encode
from schemas.ports import Outgoing, PartitionLost
from schemas.state import Position
from schemas.topics import position_key

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Ground

pytestmark = pytest.mark.slow


def state(ground: Ground, key: str, value: bytes | None) -> Outgoing:
    return Outgoing(ground.topics.source_state, key, value)


def test_what_one_owner_committed_the_next_restores(ground: Ground) -> None:
    first = ground.owner()
    first.transact([state(ground, "a/1", b"1"), state(ground, "a/2", b"2")], {})
    first.transact([state(ground, "a/1", None), state(ground, "b", b"3")], {})
    second = ground.owner()
    assert list(second.scan(ground.topics.source_state, "a/")) == [("a/2", b"2")]
    assert second.get(ground.topics.source_state, "b") == b"3"


def test_a_transaction_without_an_end_is_refused_and_not_restored_without(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.owner().transact([state(ground, "k", b"first")], {})
    monkeypatch.setattr(module, "ENDLESS_SECONDS", 1.0)
    lost = producer(ground.settings, "somebody whose mark was lost")
    lost.init_transactions(30)
    lost.begin_transaction()
    lost.produce(ground.topics.source_state, key="k", value=b"second", partition=0)
    lost.flush(30)
    with pytest.raises(EndlessTransactionError, match="has no end although its writer is fenced"):
        ground.owner()
    lost.commit_transaction(30)
    assert ground.owner().get(ground.topics.source_state, "k") == b"second"


def test_an_owner_that_was_fenced_writes_nothing_more(ground: Ground) -> None:
    first = ground.owner()
    first.transact([state(ground, "k", b"first")], {})
    second = ground.owner()
    with pytest.raises(PartitionLost):
        first.transact([state(ground, "k", b"late")], {ground.topics.changes: 9})
    assert not first.still_owned()
    with pytest.raises(PartitionLost):
        first.transact([state(ground, "k", b"later")], {})
    third = ground.owner()
    assert third.get(ground.topics.source_state, "k") == b"first"
    assert third.position(ground.topics.changes) is None
    assert not second.position(ground.topics.changes)


def test_positions_are_committed_with_the_records(ground: Ground) -> None:
    owned = ground.owner()
    assert owned.position(ground.topics.orders("mail")) is None
    owned.transact([state(ground, "k", b"1")], {ground.topics.orders("mail"): 7})
    assert owned.position(ground.topics.orders("mail")) == 7


def test_without_an_assignment_nothing_is_acquired_or_written(ground: Ground) -> None:
    owned = ground.owner()
    ground.assigned = False
    assert not owned.still_owned()
    with pytest.raises(PartitionLost, match="no longer assigned"):
        owned.transact([state(ground, "k", b"1")], {})
    with pytest.raises(PartitionLost, match="not assigned"):
        ground.owner()
    ground.assigned = True
    assert ground.owner().get(ground.topics.source_state, "k") is None


def test_a_record_too_large_for_kafka_is_said_and_nothing_is_written(ground: Ground) -> None:
    owned = ground.owner()
    with pytest.raises(RecordTooLargeError, match="partition 0"):
        owned.transact([state(ground, "small", b"1"), state(ground, "k", b"x" * 2_000_000)], {})
    assert ground.owner().get(ground.topics.source_state, "small") is None


class Forgetful:
    """A producer whose call to send positions never returns, as librdkafka's does after its coordinator was away."""

    def __init__(self, real: Producer) -> None:
        self._real = real
        self.released = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def send_offsets_to_transaction(self, *_: object) -> None:
        self.released.wait(60)


def test_a_producer_that_never_returns_is_given_up_and_the_next_owner_goes_on(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.partition.owned.OVERDUE_SECONDS", 0.5)
    owned = ground.owner()
    hanging = Forgetful(owned._producer)  # type: ignore[arg-type] # acquired, so there is one
    owned._producer = hanging  # type: ignore[assignment] # it stands in for one
    with pytest.raises(PartitionLost, match="did not return"):
        owned.transact([state(ground, "k", b"doubtful")], {ground.topics.orders("mail"): 7})
    assert not owned.still_owned()
    following = ground.owner()
    assert following.get(ground.topics.source_state, "k") is None
    following.transact([state(ground, "k", b"certain")], {})
    hanging.released.set()
    assert ground.owner().get(ground.topics.source_state, "k") == b"certain"


def test_the_history_of_a_topic_is_what_was_committed_in_order(ground: Ground) -> None:
    owned = ground.owner()
    for number in range(3):
        owned.transact([Outgoing(ground.topics.changes, f"k{number}", b"v")], {})
    assert [r.key for r in owned.history(ground.topics.changes)] == ["k0", "k1", "k2"]


def test_a_cache_that_is_up_to_date_is_used(ground: Ground, tmp_path: Path) -> None:
    ground.directory = tmp_path
    owned = ground.owner()
    owned.transact([state(ground, "k", b"1")], {})
    owned.close()
    path = tmp_path / f"{ground.topics.feed_group}-0.sqlite"
    cache = StateCache(path)
    cache.write([(ground.topics.source_state, "only in the cache", b"2")], {})
    cache.close()
    assert ground.owner().get(ground.topics.source_state, "only in the cache") == b"2"


@pytest.mark.parametrize(
    "wrong", [{"topic_id": "another"}, {"next_offset": 10**9}, {"written_at": 1}], ids=["other topic", "ahead", "old"]
)
def test_a_cache_that_cannot_be_trusted_is_thrown_away(
    ground: Ground, tmp_path: Path, wrong: dict[str, str | int]
) -> None:
    ground.directory = tmp_path
    owned = ground.owner()
    owned.transact([state(ground, "k", b"true")], {})
    owned.close()
    topic = ground.topics.source_state
    cache = StateCache(tmp_path / f"{ground.topics.feed_group}-0.sqlite")
    position = cache.position(topic)
    assert position
    values = {"topic_id": position.topic_id, "next_offset": position.next_offset, "written_at": position.written_at}
    cache.write([(topic, "k", b"false")], {topic: CachedPosition(**(values | wrong))})  # type: ignore[arg-type]
    cache.close()
    assert ground.owner().get(topic, "k") == b"true"


def hang(ground: Ground, topic: str, offset: int) -> Producer:
    """Hold a group's offset of partition 0 by a transaction that has no end, as one whose mark Kafka lost."""
    options = ground.settings.options() | {
        "transactional.id": "somebody without an end",
        "transaction.timeout.ms": 600_000,
    }
    lost = Producer(options)
    lost.init_transactions(30)
    lost.begin_transaction()
    lost.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], ground.metadata, 30)
    return lost


def test_an_offset_of_the_group_that_never_becomes_certain_keeps_nobody_waiting(ground: Ground) -> None:
    orders = ground.topics.orders("mail")
    ground.owner().transact([state(ground, "k", b"1")], {orders: 7})
    lost = hang(ground, orders, 9)
    began_at = time.monotonic()
    owned = ground.owner()
    assert owned.position(orders) == 7
    owned.transact([state(ground, "k", b"2")], {orders: 8})
    assert ground.owner().position(orders) == 8
    assert time.monotonic() - began_at < 10
    lost.abort_transaction(30)


def test_where_an_earlier_release_left_no_record_the_last_certain_offset_of_the_group_is_taken_once(
    ground: Ground,
) -> None:
    orders = ground.topics.orders("mail")
    earlier = producer(ground.settings, "an earlier release")
    earlier.init_transactions(30)
    earlier.begin_transaction()
    earlier.send_offsets_to_transaction([TopicPartition(orders, 0, 7)], ground.metadata, 30)
    earlier.commit_transaction(30)
    lost = hang(ground, orders, 9)
    began_at = time.monotonic()
    owned = ground.owner()
    assert owned.position(orders) == 7
    assert time.monotonic() - began_at < 10
    owned.transact([state(ground, "k", b"1")], {})
    lost.commit_transaction(30)
    assert ground.owner().position(orders) == 7
    assert ground.owner().position(ground.topics.changes) is None


def test_a_group_that_has_no_offset_is_asked_only_once(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    owned = ground.owner()
    assert owned.position(ground.topics.changes) is None
    owned.transact([state(ground, "k", b"1")], {})
    monkeypatch.setattr(module, "committed_offset", lambda *_: pytest.fail("the group was asked again"))
    assert ground.owner().position(ground.topics.changes) is None


def test_a_group_that_does_not_answer_leads_to_the_start_of_the_log(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> int:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(module, "committed_offset", silent)
    assert ground.owner().position(ground.topics.changes) is None


def test_a_topic_made_anew_is_read_from_its_start(ground: Ground) -> None:
    orders = ground.topics.orders("mail")
    owned = ground.owner()
    another = Position(topic=orders, topic_id="of a topic that was deleted", next_offset=7)
    owned.transact([Outgoing(ground.topics.mailboxes, position_key(orders), encode(another))], {})
    assert ground.owner().position(orders) is None
