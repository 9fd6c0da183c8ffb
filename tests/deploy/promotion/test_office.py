"""One drives at a time: begun, seen, taken over from the dead, with a real Kafka."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from deploy.kafka import KafkaSettings, ensure_topics
from deploy.partition.reader import read_to_end
from deploy.promotion import office
from deploy.promotion.office import Addressed, DrivenError, KafkaOffice
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import Order, Promotion
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
