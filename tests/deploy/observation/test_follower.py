"""With a real Kafka: the state topics are followed from their beginning, and count once they are read to their end."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from deploy.kafka import KafkaSettings, ensure_topics
from deploy.observation.fold import Fold
from deploy.observation.follower import Follower
from schemas.codec import encode
from schemas.identity import partition_of
from schemas.state import MailboxRecord, TargetMailbox
from schemas.topics import Topics

pytestmark = pytest.mark.slow
PARTITIONS = 2
MAILBOXES = [f"{number:020x}" for number in range(20)]


@pytest.fixture(scope="module")
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)


@pytest.fixture
def topics(settings: KafkaSettings) -> Topics:
    made = Topics(f"p{uuid.uuid4().hex[:8]}", "source")
    ensure_topics(settings, made.catalogue(("standby",), PARTITIONS))
    return made


@pytest.fixture
def write(kafka: str) -> Callable[[str, str, bytes | None], None]:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})

    def written(topic: str, key: str, value: bytes | None) -> None:
        producer.produce(topic, key=key, value=value, partition=partition_of(key.split("/", maxsplit=1)[0], PARTITIONS))
        assert producer.flush(10) == 0

    return written


@pytest.fixture
def follow(settings: KafkaSettings, topics: Topics) -> Iterator[Callable[[], Follower]]:
    made: list[Follower] = []

    def follower() -> Follower:
        made.append(Follower(settings, topics, Fold({"standby": 0.0}), lambda: 1_000))
        return made[-1]

    yield follower
    for one in made:
        one.close()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sequence_of(follower: Follower, mailbox: str) -> tuple[int, int]:
    """Return how far source and target are."""
    with follower.turn:
        (look,) = follower.fold.looks("standby", mailbox)
    return look.source.next_sequence - 1, look.target.applied_sequence if look.target else 0


def test_topics_without_a_record_are_read_at_once(follow: Callable[[], Follower]) -> None:
    assert follow().await_restored(15)


def test_what_stands_there_is_folded_before_it_counts_and_what_comes_later_follows(
    follow: Callable[[], Follower], topics: Topics, write: Callable[[str, str, bytes | None], None]
) -> None:
    for sequence in (3, 5):
        for name in MAILBOXES:
            write(topics.mailboxes, name, encode(MailboxRecord(mailbox=name, generation=1, next_sequence=sequence)))
    one = MAILBOXES[7]
    write(topics.target_state("standby"), one, encode(TargetMailbox(mailbox=one, generation=1, applied_sequence=2)))
    follower = follow()
    assert follower.await_restored(15)
    assert len(list(follower.fold.looks("standby"))) == len(MAILBOXES)
    assert sequence_of(follower, one) == (4, 2)
    write(topics.target_state("standby"), one, encode(TargetMailbox(mailbox=one, generation=1, applied_sequence=4)))
    until(lambda: sequence_of(follower, one) == (4, 4))


def test_a_reader_that_is_closed_follows_no_more_and_can_be_closed_again(
    follow: Callable[[], Follower], topics: Topics, write: Callable[[str, str, bytes | None], None]
) -> None:
    follower = follow()
    assert follower.await_restored(15)
    follower.close()
    follower.close()
    write(topics.mailboxes, MAILBOXES[0], encode(MailboxRecord(mailbox=MAILBOXES[0], generation=1, next_sequence=2)))
    time.sleep(0.7)
    assert not list(follower.fold.looks("standby"))
