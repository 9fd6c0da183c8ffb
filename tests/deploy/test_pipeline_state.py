"""Where a pipeline stands, from its topics alone; registry and orders beside it."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy import pipeline_state
from deploy.kafka import KafkaSettings, ensure_topics
from deploy.ordering import write_order
from deploy.partition.reader import read_to_end
from deploy.registry import Registry
from deploy.settings import load
from schemas.codec import decode, encode
from schemas.identity import mailbox_id, partition_of
from schemas.ports import Incoming
from schemas.state import IndexEntry, ItemRecord, ItemState, MailboxRecord, Order, TargetMailbox
from schemas.topics import Topics, item_record_key, mailbox_key

pytestmark = pytest.mark.slow
MAILBOX = mailbox_id("anna@source.test")
PARTITIONS = 3


@pytest.fixture
def topics() -> Topics:
    return Topics(f"p{uuid.uuid4().hex[:8]}", "source")


@pytest.fixture
def connection(kafka: str, topics: Topics) -> KafkaSettings:
    settings = KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)
    ensure_topics(settings, topics.catalogue(("standby",), PARTITIONS))
    return settings


@pytest.fixture
def write(kafka: str) -> Callable[[str, str, bytes | None], None]:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})

    def written(topic: str, key: str, value: bytes | None) -> None:
        producer.produce(topic, key=key, value=value, partition=partition_of(MAILBOX, PARTITIONS))
        assert producer.flush(10) == 0

    return written


def _entry(item: str, *, is_pending: bool) -> bytes:
    return encode(
        IndexEntry(
            item=item, item_id=item, folder_id="f", change_key="c", search_key="", fingerprint="", digest="",
            marks=None, pending=is_pending,
        )
    )  # fmt: skip


def test_the_newest_record_of_each_key_counts(
    topics: Topics, connection: KafkaSettings, write: Callable[[str, str, bytes | None], None]
) -> None:
    for sequence in (2, 9):
        record = MailboxRecord(mailbox=MAILBOX, generation=1, next_sequence=sequence)
        write(topics.mailboxes, mailbox_key(MAILBOX), encode(record))
    write(topics.source_state, item_record_key(MAILBOX, "a"), _entry("a", is_pending=False))
    write(topics.source_state, item_record_key(MAILBOX, "b"), _entry("b", is_pending=True))
    write(topics.source_state, item_record_key(MAILBOX, "a"), None)
    target = topics.target_state("standby")
    write(target, mailbox_key(MAILBOX), encode(TargetMailbox(mailbox=MAILBOX, generation=1, applied_sequence=8)))
    parked = ItemRecord(
        item="b", state=ItemState.PARKED, generation=1, sequence=4, source_change_key="", folder_id="f", marks=None,
        target_id="", target_change_key="", nonce="", reason="ErrorCorruptData",
    )  # fmt: skip
    write(target, item_record_key(MAILBOX, "b"), encode(parked))
    state = pipeline_state.read(connection, topics, ("standby",))
    source, standing = state.sources[MAILBOX], state.targets["standby"][MAILBOX]
    assert (source.record.next_sequence, source.items, source.pending) == (9, 1, 1)
    assert [p.reason for p in standing.parked] == ["ErrorCorruptData"]
    assert source.missing == {"b"}


def test_an_order_goes_to_the_partition_of_its_mailbox(topics: Topics, connection: KafkaSettings) -> None:
    order = Order(mailbox=MAILBOX, kind="SEED", items=(), target="", reason="resync", issued_at=1)
    write_order(connection, topics, order)
    number = partition_of(MAILBOX, PARTITIONS)
    found = [
        decode(r.value)
        for r in read_to_end(connection, topics.orders("source"), number, None, lambda: True)
        if isinstance(r, Incoming) and r.value
    ]
    assert found == [order]


def test_a_registration_reaches_a_running_process_and_a_later_one(
    topics: Topics, connection: KafkaSettings, tmp_path: Path
) -> None:
    config = tmp_path / "m.toml"
    server = 'url = "http://127.0.0.1:1/x"\nuser = "u"\npassword = "p"\n'
    config.write_text(
        f'[pipeline]\nname = "{topics.pipeline}"\n[source]\n{server}[targets.standby]\n{server}'
        '[[mailboxes]]\nsource = "anna@source.test"\ntargets = { standby = "anna@target.test" }\n'
    )
    running = Registry(load(config, {}), connection, topics)
    running.add("ben@source.test", {"standby": "ben@target.test"})
    deadline = time.monotonic() + 20.0
    while len(running.all()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    later = Registry(load(config, {}), connection, topics)
    assert [r.source for r in later.all()] == [r.source for r in running.all()]
    numbers = range(PARTITIONS)
    assert sorted(a for n in numbers for a in later.of_target(n, "standby").values()) == [
        "anna@target.test",
        "ben@target.test",
    ]
    running.close()
    later.close()
