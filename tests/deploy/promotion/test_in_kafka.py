"""With a real Kafka: one drives at a time, the state is read as it stands, and what a target lacks is listed."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy.kafka import KafkaSettings, ensure_topics
from deploy.partition.reader import read_to_end
from deploy.promotion import office
from deploy.promotion.office import Addressed, DrivenError, KafkaOffice
from deploy.promotion.unapplied import read_unapplied
from deploy.promotion.watch import Watch
from schemas.change import Change, FolderDeleted, ItemDeleted, ItemRef
from schemas.codec import decode, encode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import MailboxRecord, Order, Promotion, TargetMailbox
from schemas.topics import Topics

pytestmark = pytest.mark.slow
PARTITIONS = 2
MAILBOX = "0" * 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "ALIVE_SECONDS", 1.5)
    monkeypatch.setattr(office, "BEAT_SECONDS", 0.4)


@pytest.fixture
def topics() -> Topics:
    return Topics(f"p{uuid.uuid4().hex[:8]}", "source")


@pytest.fixture
def new_office(kafka: str, topics: Topics) -> Iterator[Callable[[], KafkaOffice]]:
    settings = KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)
    ensure_topics(settings, topics.catalogue(("standby",), PARTITIONS))
    made: list[KafkaOffice] = []

    def make() -> KafkaOffice:
        made.append(KafkaOffice(settings, topics))
        return made[-1]

    yield make
    for one in made:
        one.close()


def promotion(operator: str) -> Promotion:
    return Promotion(
        promotion=f"p-{operator}", target="standby", planned=True, reason="", stage="CHECK", failure="",
        operator=operator, since=1, began_at=1, beat=0, mailboxes=(),
    )  # fmt: skip


def order() -> Addressed:
    found = Order(mailbox=MAILBOX, kind="CLOSE", items=(), target="standby", reason="", issued_at=1)
    return Addressed("source", found)


def orders(kafka: str, topics: Topics) -> int:
    number = partition_of(MAILBOX, PARTITIONS)
    settings = KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)
    found = read_to_end(settings, topics.orders("source"), number, None, lambda: True)
    return sum(isinstance(r, Incoming) and isinstance(decode(r.value or b""), Order) for r in found)


def test_a_second_operator_is_told_who_drives_and_a_dead_ones_work_is_taken_over(
    new_office: Callable[[], KafkaOffice], kafka: str, topics: Topics
) -> None:
    anna, ben = new_office(), new_office()
    with pytest.raises(DrivenError, match="there is no promotion to go on with"):
        ben.resume("ben", 2)
    anna.begin(promotion("anna"))
    anna.commit(replace(promotion("anna"), stage="CLOSE"), [order()])
    assert orders(kafka, topics) == 1
    with pytest.raises(DrivenError, match=r"driven by anna since 1970-01-01T00:00:00Z, promotion p-anna .* at CLOSE"):
        ben.begin(promotion("ben"))
    with pytest.raises(DrivenError, match="being driven by anna"):
        ben.resume("ben", 2)
    anna.close()
    taken = ben.resume("ben", 2)
    assert (taken.operator, taken.stage, taken.promotion) == ("ben", "CLOSE", "p-anna")
    with pytest.raises(DrivenError, match="somebody else took it over: ben"):
        anna.commit(replace(promotion("anna"), stage="OPEN"), [order()])
    assert orders(kafka, topics) == 1
    ben.commit(replace(taken, stage="DONE"))
    carl = new_office()
    carl.begin(promotion("carl"))
    assert [found.operator for found in [carl.newest()] if found] == ["carl"]


def test_nobody_takes_over_before_an_act_that_was_under_way_is_over(new_office: Callable[[], KafkaOffice]) -> None:
    anna, ben, said = new_office(), new_office(), list[str]()
    anna.begin(promotion("anna"))
    anna.hold(1.0)
    anna.close()
    began = time.monotonic()
    taken = ben.resume("ben", 2, said.append)
    assert time.monotonic() - began >= 3.0 > office.ALIVE_SECONDS
    assert said == ["an act at the front door was under way: what may be left of it is waited for, 3 s"]
    assert taken.act_seconds == 0
    with pytest.raises(DrivenError, match="somebody else took it over: ben"):
        anna.hold(1.0)
    ben.hold(0.5)
    ben.commit(replace(taken, stage="OPEN"))
    found = ben.newest()
    assert found
    assert (found.stage, found.act_seconds) == ("OPEN", 0)


def test_who_was_fenced_by_one_that_saw_and_left_goes_on(
    new_office: Callable[[], KafkaOffice], kafka: str, topics: Topics
) -> None:
    anna, ben = new_office(), new_office()
    anna.begin(promotion("anna"))
    ben._take()
    anna.commit(replace(promotion("anna"), stage="CLOSE"), [order()])
    found = anna.newest()
    assert found
    assert (found.operator, found.stage) == ("anna", "CLOSE")
    assert orders(kafka, topics) == 1


def test_of_two_that_begin_at_once_the_one_whose_name_stands_goes_on(
    new_office: Callable[[], KafkaOffice], kafka: str, topics: Topics
) -> None:
    anna, ben = new_office(), new_office()
    anna._take()
    ben.begin(promotion("ben"))
    with pytest.raises(DrivenError, match="somebody else took it over: ben"):
        anna._hold(promotion("anna"))
    ben.commit(replace(promotion("ben"), stage="CLOSE"), [order()])
    found = ben.newest()
    assert found
    assert (found.operator, found.stage, orders(kafka, topics)) == ("ben", "CLOSE", 1)


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def connection(kafka: str, new_office: Callable[[], KafkaOffice]) -> KafkaSettings:
    new_office()  # its topics are there
    return KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)


@pytest.fixture
def write(kafka: str) -> Callable[[str, str, Any], None]:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})

    def written(topic: str, key: str, record: Any) -> None:
        value = encode(record) if record else None
        producer.produce(topic, key=key, value=value, partition=partition_of(MAILBOX, PARTITIONS))
        assert producer.flush(10) == 0

    return written


def change(sequence: int, operation: Any) -> Change:
    return Change(
        mailbox=MAILBOX, generation=1, sequence=sequence, captured_at=sequence, source_version="", operation=operation
    )


def test_what_the_state_says_is_seen_and_what_a_target_lacks_is_listed(
    connection: KafkaSettings, topics: Topics, write: Callable[[str, str, Any], None]
) -> None:
    ref = ItemRef(item="x", item_id="id", folder_id="f", change_key="", search_key="", fingerprint="")
    for sequence, operation in enumerate((FolderDeleted(folder_id="g"), ItemDeleted(ref=ref)), 4):
        write(topics.changes, f"{MAILBOX}/x", change(sequence, operation))
    write(topics.mailboxes, MAILBOX, MailboxRecord(mailbox=MAILBOX, generation=1, next_sequence=6))
    target = topics.target_state("standby")
    write(target, MAILBOX, TargetMailbox(mailbox=MAILBOX, generation=1, applied_sequence=4, behind="quota"))
    watch = Watch(connection, topics, "standby")
    try:
        seen = watch.picture.of(MAILBOX)
        assert (seen.source.next_sequence, seen.target.behind, seen.not_applied) == (6, "quota", 1)
        found = read_unapplied(connection, topics, watch.picture, [MAILBOX])
        assert [(u.sequence, u.kind, u.item) for u in found[MAILBOX].changes] == [(5, "ItemDeleted", "x")]
        assert found[MAILBOX].lost == 0
        write(target, MAILBOX, TargetMailbox(mailbox=MAILBOX, generation=1, applied_sequence=5))
        deadline = time.monotonic() + 10.0
        while watch.look(0.1).of(MAILBOX).not_applied:
            assert time.monotonic() < deadline
        assert read_unapplied(connection, topics, watch.picture, [MAILBOX]) == {}
    finally:
        watch.close()
