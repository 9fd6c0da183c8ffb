"""What both kinds of worker are made of: a partition owned without a group, and a clock that runs ahead at rest."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.kafka import KafkaSettings, reader, topic_ids
from deploy.partition.owned import Owned, Role
from deploy.throttle import Throttle
from deploy.wiring import now_ms
from schemas.metrics import PartitionMetrics, SessionMetrics

from .boundaries import Boundaries, CountedSession, counted

SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a worker reaches a simulated server."""

    url: str
    user: str
    password: str
    version: str


@dataclass(slots=True)
class Clock:
    """The real time and a lead that grows while the loop rests, so that nobody has to wait."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead_ms

    def ahead_seconds(self) -> int:
        return self.ahead_ms // 1000


@dataclass(slots=True)
class Wanted:
    """Whether the worker is to go on; it is told to end between two steps of its loop."""

    value: bool = True

    def __call__(self) -> bool:
        return self.value


def own(
    settings: KafkaSettings, group: str, topics: tuple[str, ...], number: int, directory: Path, wanted: Wanted,
    boundaries: Boundaries,
) -> Owned:  # fmt: skip
    """Acquire a partition directly: nobody else is in the group, so its offsets take anyone's transaction."""
    role = Role(
        group=group, state_topics=topic_ids(settings, topics), positions_topic=topics[0], cache_directory=directory
    )
    member = reader(settings, group)
    with counted(boundaries):
        owned = Owned(
            settings,
            role,
            number,
            member.consumer_group_metadata,
            wanted,
            now_ms,
            PartitionMetrics(CollectorRegistry()),
        )
        owned.acquire()
    return owned


def connect(name: str, server: Server, boundaries: Boundaries, clock: Clock) -> CountedSession:
    """Open a session whose every call passes the boundaries."""
    settings = ServerSettings(
        name=name, url=server.url, user=server.user, password=server.password, version=server.version
    )
    session = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
    return CountedSession(session, boundaries, clock.ahead_seconds)
