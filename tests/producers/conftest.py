"""A feed between a source in memory and an owned partition in memory, on a clock that stands still."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from producers.capture import Capture, Dirt
from producers.contents import ContentReader
from producers.feed import Feed, FeedSettings
from producers.index import MailboxIndex
from producers.publisher import Publisher
from producers.spool import Spool
from schemas.change import Change, Chunk, Form, Operation
from schemas.codec import decode, encode
from schemas.identity import mailbox_id
from schemas.metrics import FeedMetrics
from schemas.ports import Incoming, Outgoing, PartitionLost
from schemas.topics import Topics

from .memory_source import ADDRESS, MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from schemas.turning import Known


class MemoryOwned:
    """State, log and positions as committed; the next transaction may be lost, before or after it was applied."""

    number = 0

    def __init__(self) -> None:
        self.state: dict[tuple[str, str], bytes] = {}
        self.log: dict[str, list[Outgoing]] = defaultdict(list)
        self.positions: dict[str, int] = {}
        self.failing: list[str] = []
        self.spins_left = 0
        self.appended_at: dict[str, int] = {}

    def get(self, topic: str, key: str) -> bytes | None:
        return self.state.get((topic, key))

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        yield from sorted((k, v) for (t, k), v in self.state.items() if t == topic and k.startswith(prefix))

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:
        failure = self.failing.pop(0) if self.failing else ""
        if failure == "lost":
            raise PartitionLost("lost before it was applied")
        for record in records:
            self.log[record.topic].append(record)
            if record.value is None:
                self.state.pop((record.topic, record.key), None)
            else:
                self.state[record.topic, record.key] = record.value
        self.positions |= positions
        if failure:
            raise PartitionLost("applied, but nobody can tell")

    def history(self, topic: str) -> Iterable[Incoming]:
        return [Incoming(n, self.appended_at.get(topic, 0), r.key, r.value) for n, r in enumerate(self.log[topic])]

    def still_owned(self) -> bool:
        self.spins_left -= 1
        return self.spins_left >= 0


class Orders:
    """The topic of orders, read from the committed position on."""

    def __init__(self, rig: Rig) -> None:
        self._log = rig.owned.log[rig.orders_topic]
        self._ordered_at = rig.ordered_at
        self.position = rig.owned.positions.get(rig.orders_topic, 0)

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:
        assert timeout_seconds == 0.0
        found = self._log[self.position : self.position + count_max]
        first, self.position = self.position, self.position + len(found)
        return [Incoming(n, self._ordered_at.get(n, 0), r.key, r.value) for n, r in enumerate(found, first)]

    def seek(self, offset: int) -> None:
        self.position = offset

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return len(self._log) - self.position


class Rig:
    """A source, what is committed, and a feed or a bare capture between them, on a clock that stands still."""

    def __init__(self, directory: Path) -> None:
        self.now = 1_000_000_000
        self.source = MemorySource(lambda: self.now)
        self.owned = MemoryOwned()
        self.topics = Topics("test", "memory")
        self.orders_topic = self.topics.orders("memory")
        self.spool = Spool(directory / "spool")
        self.forms: tuple[Form, ...] = (Form.STREAM,)
        self.mailbox = mailbox_id(ADDRESS)
        self.registered = {self.mailbox: ADDRESS}
        self.metrics = FeedMetrics(CollectorRegistry())
        self.waits = 0
        self.checksum_interval_seconds = 0.0
        self.is_capturing = True
        self.is_back = False
        self.known: Known | None = None
        self.ordered_at: dict[int, int] = {}
        self._feed: tuple[Feed, Orders] | None = None

    def capture(self) -> Capture:
        """A capture that knows what is committed and nothing else."""
        index = MailboxIndex.restore(self.mailbox, self.topics, self.owned)
        index.record = replace(index.record, generation=1)
        return Capture(
            self.source, ADDRESS, index, ContentReader(self.source, self.spool, self.forms), lambda: self.now
        )

    def round(self, capture: Capture, dirt: Dirt | None = None, parts_max: int | None = None) -> list[Operation]:
        """Run one round, publish it, and return what it said; the feed dies after `parts_max` parts."""
        publisher = Publisher(self.owned, self.topics, self.source.version, lambda: self.now)
        said: list[Operation] = []
        parts = capture.parts(dirt or Dirt())
        for part in islice(parts, parts_max):
            said += part.operations
            publisher.publish([(capture, part)], {})
        return said

    def rest(self, seconds: int = 10) -> None:
        """Let time go by, so that equal times prove something again."""
        self.now += seconds * 1000

    # -- the feed ----------------------------------------------------------------------------------------------

    def watch(self, mailboxes: Mapping[str, str]) -> None:
        assert mailboxes == self.registered

    def rung(self, mailbox: str) -> Dirt | None:
        assert mailbox in self.registered
        return None

    def wait(self, timeout_seconds: float) -> None:
        assert timeout_seconds > 0
        self.waits += 1

    def crash(self) -> None:
        """Lose everything that is not committed."""
        self._feed = None

    def spin(self, times: int, milliseconds: int = 1000) -> None:
        """Let the feed go round, time passing between; PartitionLost leaves it crashed."""
        settings = FeedSettings(
            poll_interval_seconds=1.0,
            heartbeat_seconds=5.0,
            checksum_interval_seconds=self.checksum_interval_seconds,
            forms=self.forms,
            targets=("one",),
            is_capturing=self.is_capturing,
            is_back=self.is_back,
            opposite=lambda _order: self.known,
        )
        for _ in range(times):
            if self._feed is None:
                feed = Feed(
                    self.owned, self.source, self.topics, settings, self.spool, self, lambda: self.now, self.metrics
                )
                self._feed = feed, Orders(self)
            self.owned.spins_left = 1
            try:
                self._feed[0].run(lambda: self.registered, self._feed[1])
            except PartitionLost:
                self.crash()
            self.now += milliseconds

    def order(self, record: Any) -> None:
        self.ordered_at[len(self.owned.log[self.orders_topic])] = self.now
        self.owned.log[self.orders_topic].append(Outgoing(self.orders_topic, record.mailbox, encode(record)))

    def changes(self) -> list[Change]:
        """Every change in the log, without the chunks."""
        found = (decode(r.value) for r in self.owned.log[self.topics.changes] if r.value)
        return [c for c in found if isinstance(c, Change)]

    def chunks(self) -> list[Chunk]:
        found = (decode(r.value) for r in self.owned.log[self.topics.changes] if r.value)
        return [c for c in found if isinstance(c, Chunk)]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A source with an inbox, nothing committed yet."""
    return Rig(tmp_path)


@pytest.fixture(scope="session")
def new_rig(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Rig]:
    """Makes as many rigs as a property needs."""
    directory = tmp_path_factory.mktemp("rigs")
    return lambda: Rig(directory)
