"""One life of a replay worker: the real loop on a real log, ledger and server, from acquiring to rest or to death."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.replay_settings import ReplaySettings
from consumers.replayer import Replayer
from deploy.kafka import KafkaSettings
from deploy.partition.reader import PartitionReader
from deploy.wiring import mint_nonce
from schemas.identity import mailbox_id
from schemas.metrics import ReplayMetrics
from schemas.ports import Incoming
from schemas.topics import Topics

from .boundaries import Boundaries
from .owning import SOURCE, Clock, Server, Wanted, connect, own

REST_AHEAD_MS = 20_000
RESTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayJob:
    """Replay a log into a target of its own; boundaries count from the record at offset `counted_from`."""

    bootstrap_servers: str
    pipeline: str
    target: str
    source_address: str
    target_address: str
    server: Any
    directory: str
    counted_from: int
    end: int
    is_portable: bool = False
    die_at: int | None = None
    death: str = "exit"


class _Gate:
    """`schemas.ports.LogReader`: holds the second half of the log back until the loop rests on the first."""

    def __init__(
        self, inner: PartitionReader, job: ReplayJob, boundaries: Boundaries, clock: Clock, wanted: Wanted
    ) -> None:
        self.position = inner.position
        self._inner = inner
        self._end = job.end
        self._boundaries = boundaries
        self._clock = clock
        self._wanted = wanted
        self._limit = job.counted_from
        self._rests = 0
        self._held: list[Incoming] = []
        if inner.position >= job.counted_from:
            self._open()

    def _open(self) -> None:
        self._limit = self._end
        self._boundaries.is_counting = True

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:
        """Return what may be read now; whole, so that the same log always makes the same batches."""
        while self._inner.position < self._end:
            self._held += self._inner.read(1000, max(timeout_seconds, 0.1))
        given = [r for r in self._held if r.offset < self._limit][:count_max]
        self._held = self._held[len(given) :]
        if given:
            self.position = given[-1].offset + 1
        elif timeout_seconds:
            self._rest()
        return given

    def _rest(self) -> None:
        self._rests += 1
        self._clock.ahead_ms += REST_AHEAD_MS
        if self._rests < RESTS:
            return
        self._rests = 0
        if self._limit == self._end:
            self._wanted.value = False
        else:
            self._open()

    def seek(self, offset: int) -> None:
        self._held.clear()
        self._inner.seek(offset)
        self.position = offset

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return self._inner.lag_records()


def live_replay(job: ReplayJob, boundaries: Boundaries) -> None:
    """Work until the log is replayed and staging is clean."""
    settings = KafkaSettings(bootstrap_servers=job.bootstrap_servers, partition_count=1)
    topics, clock, wanted = Topics(job.pipeline, SOURCE), Clock(), Wanted()
    boundaries.is_counting = job.counted_from == 0
    owned = own(
        settings, topics.replay_group(job.target), (topics.target_state(job.target),), 0, Path(job.directory), wanted,
        boundaries,
    )  # fmt: skip
    session = connect("target", Server(**job.server), boundaries, clock)
    replayer = Replayer(
        owned,
        ExchangeTarget(session),
        topics,
        ReplaySettings(target=job.target, portable_only=job.is_portable),
        clock,
        mint_nonce,
        ReplayMetrics(CollectorRegistry()),
    )
    committed = owned.position(topics.changes)
    start = replayer.start_offset(committed)
    gate = _Gate(PartitionReader(settings, topics.changes, 0, start), job, boundaries, clock, wanted)
    registered = {mailbox_id(job.source_address): job.target_address}
    replayer.run(lambda: registered, gate, committed)
