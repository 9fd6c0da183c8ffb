"""One life of a feed worker: the real loop on a real source, index and log, from acquiring to rest or to death."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from deploy.kafka import KafkaSettings, end_offset, reader
from deploy.lab.session import ServerAddress, UserSession
from deploy.partition.reader import PartitionReader
from producers.capture import Dirt
from producers.exchange_source import ExchangeSource
from producers.feed import Feed, FeedSettings
from schemas.change import Form
from schemas.identity import mailbox_id
from schemas.metrics import FeedMetrics
from schemas.ports import Incoming
from schemas.topics import Topics

from .boundaries import Boundaries, CountedSpool
from .deeds import STORIES, Actor
from .owning import SOURCE, Clock, Server, Wanted, connect, own

REST_AHEAD_MS = 3_000
RESTS = 4
ORDERS_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedJob:
    """Capture a mailbox while its user acts: stages of a story from `first_stage` on, at most `stages_max`.

    Boundaries count once stage `counted_from` was done.
    """

    bootstrap_servers: str
    pipeline: str
    partition: int
    partition_count: int
    source_address: str
    server: Any
    directory: str
    story: str = ""
    first_stage: int = 0
    counted_from: int = 1
    stages_max: int = 9
    forms: tuple[str, ...] = ("STREAM",)
    die_at: int | None = None
    death: str = "exit"


class _Stages:
    """`producers.feed.Doorbell` that never rings: whenever the feed rests, the user does the next thing."""

    def __init__(
        self, stages: list[Callable[[], None]], counted_from: int, boundaries: Boundaries, clock: Clock, wanted: Wanted
    ) -> None:
        self._stages = stages
        self._counted_from = counted_from
        self._boundaries = boundaries
        self._clock = clock
        self._wanted = wanted
        self._rests = 0
        self.on_deed: Callable[[], None] = lambda: None

    def watch(self, mailboxes: Mapping[str, str]) -> None:
        pass

    def rung(self, mailbox: str) -> Dirt | None:  # noqa: ARG002 - the port's
        return None

    def wait(self, timeout_seconds: float) -> None:  # noqa: ARG002 - the port's
        self._clock.ahead_ms += REST_AHEAD_MS
        self._rests += 1
        if self._rests == RESTS:
            self.go_on()

    def go_on(self) -> None:
        """Let the user do what comes next; at the end of the story the feed may end."""
        self._rests = 0
        if not self._stages:
            self._wanted.value = False
            return
        self._boundaries.is_counting = False
        self._stages.pop(0)()
        self.on_deed()
        self._boundaries.stage += 1
        self._boundaries.is_counting = self._boundaries.stage > self._counted_from


class _WholeOrders:
    """`schemas.ports.LogReader`: waits for every order that was given, so that the same story has the same rounds."""

    def __init__(self, inner: PartitionReader, end_offset_of: Callable[[], int]) -> None:
        self._inner = inner
        self._end_offset_of = end_offset_of
        self._end = end_offset_of()

    @property
    def position(self) -> int:
        return self._inner.position

    def look(self) -> None:
        """Ask how many orders there are now."""
        self._end = self._end_offset_of()

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:  # noqa: ARG002 - the port's
        found: list[Incoming] = []
        while self._inner.position < self._end:
            found += self._inner.read(count_max, ORDERS_SECONDS)
        return found

    def seek(self, offset: int) -> None:
        self._inner.seek(offset)

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return self._inner.lag_records()


def live_feed(job: FeedJob, boundaries: Boundaries) -> None:
    """Work until the story is told and the feed rests."""
    settings = KafkaSettings(bootstrap_servers=job.bootstrap_servers, partition_count=job.partition_count)
    topics, clock, wanted = Topics(job.pipeline, SOURCE), Clock(), Wanted()
    server = Server(**job.server)
    address = ServerAddress(url=server.url, user=server.user, password=server.password, version=server.version)
    actor = Actor(UserSession(address), job.source_address, settings, topics, job.partition)
    deeds = STORIES[job.story] if job.story else ()
    boundaries.stage = job.first_stage
    left: list[Callable[[], None]] = [
        partial(deed, actor) for deed in deeds[job.first_stage : job.first_stage + job.stages_max]
    ]
    stages = _Stages(left, job.counted_from, boundaries, clock, wanted)
    boundaries.is_counting = job.first_stage > job.counted_from
    if left:
        stages.go_on()
    owned = own(
        settings, topics.feed_group, (topics.mailboxes, topics.source_state), job.partition, Path(job.directory),
        wanted, boundaries,
    )  # fmt: skip
    source = ExchangeSource(connect("source", server, boundaries, clock))
    orders_topic = topics.orders(SOURCE)
    inner = PartitionReader(settings, orders_topic, job.partition, owned.position(orders_topic))
    looking = reader(settings, f"{orders_topic}.end")
    orders = _WholeOrders(inner, lambda: end_offset(looking, orders_topic, job.partition)[1])
    stages.on_deed = orders.look
    feed_settings = FeedSettings(poll_interval_seconds=1.0, forms=tuple(Form(f) for f in job.forms), targets=())
    spool = CountedSpool(Path(job.directory) / "spool", boundaries)
    feed = Feed(owned, source, topics, feed_settings, spool, stages, clock, FeedMetrics(CollectorRegistry()))
    registered = {mailbox_id(job.source_address): job.source_address}
    feed.run(lambda: registered, orders)
