from __future__ import annotations

from itertools import count
from os import getpid

import pytest

from deploy.kafka import KafkaSettings, KafkaUnreachableError, ensure_topics
from deploy.ordering import write_order
from deploy.partition.reader import read_to_end
from schemas.codec import decode
from schemas.identity import mailbox_id, partition_of
from schemas.ports import Incoming
from schemas.state import Order
from schemas.topics import Topics

pytestmark = pytest.mark.slow
_NUMBERS = count(1)
PARTITIONS = 3


def order(mailbox: str) -> Order:
    return Order(mailbox=mailbox, kind="PAUSE", items=(), target="", reason="test", issued_at=1)


def test_an_order_stands_in_the_partition_of_its_mailbox_only(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)
    topics = Topics(f"ordering{getpid()}-{next(_NUMBERS)}", "mail")
    ensure_topics(settings, topics.catalogue((), PARTITIONS))
    mailboxes = [mailbox_id(f"user{n}@source.test") for n in range(6)]
    for mailbox in mailboxes:
        write_order(settings, topics, order(mailbox))
    for partition in range(PARTITIONS):
        records = read_to_end(settings, topics.orders("mail"), partition, None, lambda: True)
        found = [decode(r.value or b"") for r in records if isinstance(r, Incoming)]
        assert found == [order(m) for m in mailboxes if partition_of(m, PARTITIONS) == partition]


def test_an_order_that_is_not_confirmed_is_said_to_be_given_again(free_port: int) -> None:
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port}", partition_count=PARTITIONS)
    with pytest.raises(KafkaUnreachableError, match="give it again"):
        write_order(settings, Topics("p", "mail"), order("m"))
