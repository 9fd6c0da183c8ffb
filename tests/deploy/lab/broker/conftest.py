"""Records in and out of a real broker, and a broker of a test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.lab.broker.process import Broker

DEADLINE_SECONDS = 30


class RecordLog:
    """One topic with one partition, written with acknowledgement and read to its end."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.topic = topic

    @classmethod
    def create(cls, bootstrap_servers: str) -> "RecordLog":
        topic = f"records-{uuid4().hex}"
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(DEADLINE_SECONDS)
        return cls(bootstrap_servers, topic)

    def producer(self, **settings: str | int) -> Producer:
        return Producer({"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **settings})

    def append(self, *values: bytes) -> None:
        producer = self.producer()
        for value in values:
            producer.produce(self.topic, value)
        assert producer.flush(DEADLINE_SECONDS) == 0

    def read(self, isolation_level: str = "read_committed") -> list[bytes]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": uuid4().hex,
                "enable.auto.commit": False,
                "isolation.level": isolation_level,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        values: list[bytes] = []
        try:
            while True:
                message = consumer.poll(DEADLINE_SECONDS)
                assert message is not None, "the end of the topic was not reached"
                error = message.error()
                if error is not None:
                    assert error.name() == "_PARTITION_EOF", error
                    return values
                values.append(message.value() or b"")
        finally:
            consumer.close()


@pytest.fixture
def new_broker() -> Iterator[Callable[..., Broker]]:
    """Makes brokers that are stopped at the end of the test, however it ends."""
    with ExitStack() as stack:

        def make(directory: Path, **options: object) -> Broker:
            broker = Broker(directory, **options)  # type: ignore[arg-type]
            stack.callback(broker.stop)
            return broker

        yield make


@pytest.fixture
def create_log() -> Callable[[str], RecordLog]:
    """Makes a topic of a test's own on a broker."""
    return RecordLog.create
