"""Which services run, as a real Kafka and a real port say it."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from deploy.kafka import KafkaSettings, ensure_topics, group_member
from deploy.observation.services import Services, services_of, takes_connections
from schemas.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTITIONS = 2


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/ews"


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka, partition_count=PARTITIONS)


@pytest.fixture
def topics(settings: KafkaSettings) -> Topics:
    topics = Topics(f"p{uuid.uuid4().hex[:8]}", "source")
    ensure_topics(settings, topics.catalogue(("standby",), PARTITIONS))
    return topics


@pytest.fixture
def join(settings: KafkaSettings, topics: Topics) -> Iterator[Callable[[str], None]]:
    stop, threads = threading.Event(), list[threading.Thread]()

    def member(group: str) -> None:
        consumer = group_member(settings, group)
        consumer.subscribe([topics.changes])
        while not stop.is_set():
            consumer.poll(0.1)
        consumer.close()

    def joined(group: str) -> None:
        threads.append(threading.Thread(target=member, args=(group,)))
        threads[-1].start()

    yield joined
    stop.set()
    for thread in threads:
        thread.join(20)


@pytest.mark.slow
def test_a_group_without_a_member_and_a_target_without_a_port_are_down(
    settings: KafkaSettings, topics: Topics, listening: str, join: Callable[[str], None]
) -> None:
    def await_services(url: str, expected: Services) -> None:
        deadline = time.monotonic() + 30
        while (services := services_of(settings, topics, {"standby": url})) != expected:
            assert time.monotonic() < deadline, services

    no_replay = {"standby": "no replay of standby runs"}
    await_services(listening, Services(source_down="no feed runs", targets_down=no_replay))
    join(topics.feed_group)
    await_services(listening, Services(targets_down=no_replay))
    join(topics.replay_group("standby"))
    await_services(listening, Services())
    refused = {"standby": "standby takes no connection from here"}
    await_services("http://127.0.0.1:1/ews", Services(targets_down=refused))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ews", "", "http://[", "http://127.0.0.1:99999/"])
def test_an_address_nobody_listens_at_takes_no_connection(url: str) -> None:
    assert not takes_connections(url)
