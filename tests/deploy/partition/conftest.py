"""Partitions of a real Kafka, owned by hand or by a group."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from os import getpid
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from deploy.kafka import KafkaSettings, ensure_topics, group_member, topic_ids
from deploy.partition.owned import Owned, Role
from schemas.metrics import PartitionMetrics
from schemas.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = count(1)


@dataclass(slots=True)
class Ground:
    """Topics of a pipeline nobody else uses, a member of its group, and owners of its partition 0."""

    settings: KafkaSettings
    topics: Topics
    metadata: object = None
    directory: Path | None = None
    assigned: bool = True
    owners: list[Owned] = field(default_factory=list)

    def role(self) -> Role:
        names = (self.topics.mailboxes, self.topics.source_state)
        return Role(
            group=self.topics.feed_group, state_topics=topic_ids(self.settings, names),
            positions_topic=self.topics.mailboxes, cache_directory=self.directory,
        )  # fmt: skip

    def owner(self) -> Owned:
        """An owner that has acquired, fencing every earlier one."""
        owned = Owned(
            self.settings, self.role(), 0, lambda: self.metadata, lambda: self.assigned,
            lambda: int(time.time() * 1000), PartitionMetrics(CollectorRegistry()),
        )  # fmt: skip
        self.owners.append(owned)
        owned.acquire()
        return owned


@pytest.fixture
def ground(kafka: str) -> Iterator[Ground]:
    """Topics with one partition, and a member that keeps its membership alive on a thread."""
    topics = Topics(f"partition{getpid()}-{next(_NUMBERS)}", "mail")
    settings = KafkaSettings(bootstrap_servers=kafka, partition_count=1)
    ensure_topics(settings, topics.catalogue((), 1))
    member = group_member(settings, topics.feed_group)
    assigned = threading.Event()
    member.subscribe([topics.mailboxes], on_assign=lambda *_: assigned.set())
    deadline = time.monotonic() + 60
    while not assigned.is_set() and time.monotonic() < deadline:
        member.poll(0.1)
    assert assigned.is_set()
    stop = threading.Event()

    # only the polling thread may ask the member: another one would wait for ever
    ground = Ground(settings, topics, member.consumer_group_metadata())

    def poll() -> None:
        while not stop.is_set():
            member.poll(0.1)
            ground.metadata = member.consumer_group_metadata()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    yield ground
    for owned in ground.owners:
        owned.close()
    stop.set()
    thread.join()
    member.close()
