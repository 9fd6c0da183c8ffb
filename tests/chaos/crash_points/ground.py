"""Where crash points are struck: one broker and one pair of servers for all, mailboxes and topics for each."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from os import environ, getpid
from pathlib import Path
from threading import Lock

from confluent_kafka.admin import AdminClient

from deploy.kafka import KafkaSettings, ensure_topics, producer
from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress
from deploy.partition.reader import read_to_end
from schemas.change import Version
from schemas.codec import decode
from schemas.ports import Incoming
from schemas.state import ItemRecord, TargetMailbox
from schemas.topics import Topics

from .feed_life import FeedJob
from .forking import LOSSES_MAX, LOST, Forkers, Life, forkers
from .owning import SOURCE, Server
from .replay_life import ReplayJob

WORKERS = 3
STEPS = 12
DOUBLINGS = 8
IS_FULL = bool(environ.get("MAILSHADOW_CRASH_POINTS"))
"""Whether every boundary of every case is struck (`make crash-points`), or a few of a few."""
SEED = int(environ.get("MAILSHADOW_SEED", "7"))
"""Which cases and boundaries the short form strikes: the same every time, so that what turns red was changed."""
STRIDE = 1 if IS_FULL else 6
_NUMBERS = count(1)


def chosen(boundaries: int, *, sparser: int = 1) -> list[int]:
    """Return the numbers of the boundaries to strike."""
    return list(range(SEED % (STRIDE * sparser), boundaries, STRIDE * sparser))


def trials_max(struck: int) -> int:
    """Return how many trials striking so many boundaries may take: each again, and what lies beyond the last."""
    return 2 * struck + len(_offsets_beyond()) + 16


def chosen_cases(cases: Iterable[str]) -> list[str]:
    """Return the cases to strike: all of them, or one."""
    found = list(cases)
    return found if IS_FULL else [found[SEED % len(found)]]


@contextmanager
def failing_at(number: int, life: Life) -> Iterator[None]:
    """Say in a failure where the worker died and how to see it again."""
    try:
        yield
    except AssertionError as error:
        place = f"died at boundary {number}: {life.at or 'not at all'}"
        error.add_note(f"{place} (MAILSHADOW_SEED={SEED} strikes the same again)")
        raise


@dataclass(slots=True)
class Ground:
    """A broker, a source, a target and warm workers."""

    settings: KafkaSettings
    source: ExchangeProcess
    target: ExchangeProcess
    forkers: Forkers
    directory: Path

    def new_pipeline(self, partition_count: int = 1) -> Topics:
        """Make the topics of a pipeline without targets."""
        topics = Topics(f"crash{getpid()}-{next(_NUMBERS)}", SOURCE)
        ensure_topics(replace(self.settings, partition_count=partition_count), topics.catalogue((), partition_count))
        return topics

    def new_mailbox(self, server: ExchangeProcess) -> str:
        """Make a mailbox nobody else has."""
        address = f"user{next(_NUMBERS)}@{'source' if server is self.source else 'target'}.test"
        server.add_mailbox(address)
        return address

    def new_directory(self) -> str:
        """Return the name of a directory for one worker's local state."""
        found = self.directory / f"state{next(_NUMBERS)}"
        found.mkdir()
        return str(found)

    def fence(self, transactional_id: str) -> None:
        """End what a dead owner left open, as the next one does: only then what it committed can be read for sure."""
        producer(self.settings, transactional_id).init_transactions(30.0)

    def records(self, topic: str, partition: int = 0) -> list[Incoming]:
        """Return the committed records of a topic."""
        found = read_to_end(self.settings, topic, partition, None, lambda: True)
        return [r for r in found if isinstance(r, Incoming)]

    @staticmethod
    def strike_all(strike: Callable[[int], str], numbers: Sequence[int], expected: int) -> str:
        """Strike boundaries by number, a few at once, then go on until a worker ends by itself; return what was done.

        `strike` returns where the worker died. How often a loop turns, and how many folders are too young to be taken
        as unchanged, depends on the time, so one life may have more or fewer boundaries than another; `expected` is
        what an undisturbed one had.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(WORKERS) as threads:
            try:
                struck = list(threads.map(partial(_struck, strike), numbers))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        assert all(struck), "a worker ended before its first boundary"
        beyond = 0
        for offset in _offsets_beyond():
            if not strike(expected + offset):
                break
            beyond += 1
        else:
            raise AssertionError("no end of boundaries")
        died = sum(map(bool, struck)) + beyond
        return f"{died} deaths, {expected} boundaries undisturbed, {time.monotonic() - began:.0f} s"


@contextmanager
def new_ground(bootstrap_servers: str, directory: Path) -> Iterator[Ground]:
    """Start servers and warm workers, and end them afterwards."""
    source = ExchangeProcess(directory / "source", version="2013")
    target = ExchangeProcess(directory / "target", version="2019")
    with source, target, forkers(WORKERS, directory / "workers.log") as found:
        yield Ground(
            KafkaSettings(bootstrap_servers=bootstrap_servers, partition_count=1), source, target, found, directory
        )


def server_of(process: ExchangeProcess) -> Server:
    """Return how a worker reaches a server."""
    found = process.connection
    return Server(url=found.url, user=found.user, password=found.password, version=process.version)


def address_of(process: ExchangeProcess) -> ServerAddress:
    """Return how the test itself reaches a server."""
    return ServerAddress(**asdict(server_of(process)))


@dataclass(slots=True)
class SourceLog:
    """A story told by a real feed, once: a log in two halves that any number of targets can be replayed from."""

    ground: Ground
    topics: Topics
    address: str
    half: int
    end: int
    last: Version

    @classmethod
    def tell(cls, ground: Ground, story: str, *, forgets_index: bool = False) -> "SourceLog":
        """Let a user act and a feed write; `forgets_index`: its state is lost between the halves, so it seeds."""
        topics, address = ground.new_pipeline(), ground.new_mailbox(ground.source)
        job = FeedJob(
            bootstrap_servers=ground.settings.bootstrap_servers, pipeline=topics.pipeline, partition=0,
            partition_count=1, source_address=address, server=asdict(server_of(ground.source)),
            directory=ground.new_directory(), story=story, stages_max=1, forms=("STREAM", "PORTABLE"),
        )  # fmt: skip
        ground.forkers.finish(job)
        ground.fence(f"{topics.feed_group}.0")
        half = ground.records(topics.changes)[-1].offset + 1
        if forgets_index:
            _forget(ground.settings, topics)
        ground.forkers.finish(replace(job, first_stage=1, stages_max=9))
        ground.fence(f"{topics.feed_group}.0")
        newest = ground.records(topics.changes)[-1]
        return cls(ground, topics, address, half, newest.offset + 1, decode(newest.value or b"").version)

    def new_job(self, *, is_portable: bool = False, from_start: bool = False) -> ReplayJob:
        """Return the replay into a target of its own; from the start it also counts what the first half takes."""
        target = f"target{next(_NUMBERS)}"
        catalogue = [t for t in self.topics.catalogue((target,), 1) if target in t.name]
        with _TOPIC_LOCK:
            ensure_topics(self.ground.settings, catalogue)
        return ReplayJob(
            bootstrap_servers=self.ground.settings.bootstrap_servers, pipeline=self.topics.pipeline, target=target,
            source_address=self.address, target_address=self.ground.new_mailbox(self.ground.target),
            server=asdict(server_of(self.ground.target)), directory=self.ground.new_directory(),
            counted_from=0 if from_start else self.half, end=self.end, is_portable=is_portable,
        )  # fmt: skip

    def assert_exact(self, job: ReplayJob) -> None:
        """The target holds what the source holds, once; nothing staged, open, parked, wanted, behind or unapplied."""
        self.ground.fence(f"{self.topics.replay_group(job.target)}.0")
        source, target = address_of(self.ground.source), address_of(self.ground.target)
        found = compare(source, target, [(job.source_address, job.target_address)])
        assert found.is_clean, found
        assert (found.folders_missing, found.folders_extra, found.foreign) == (0, 0, 0), found
        latest = {r.key: r.value for r in self.ground.records(self.topics.target_state(job.target))}
        records = [decode(value) for value in latest.values() if value]
        items = [r for r in records if isinstance(r, ItemRecord)]
        assert len(items) == found.items_source
        assert [r for r in items if r.intent or r.state != "PRESENT"] == []
        mailboxes = [r for r in records if isinstance(r, TargetMailbox)]
        assert [(m.unsettled, m.behind, m.waiting, m.applied) for m in mailboxes] == [((), "", "", self.last)]
        assert self.ground.records(self.topics.dead_letters(job.target)) == []


_TOPIC_LOCK = Lock()


def _offsets_beyond() -> list[int]:
    """Return how far beyond the undisturbed life to strike until one ends by itself, in ever larger steps at last.

    On a slow machine one life may have twice the boundaries of another: it is a round late.
    """
    return [*range(STEPS if IS_FULL else 1), *(STEPS << doubling for doubling in range(DOUBLINGS))]


def _struck(strike: Callable[[int], str], number: int) -> str:
    """Strike a boundary; again where the slow machine took the partition first, earlier where this life was shorter."""
    losses = 0
    while losses < LOSSES_MAX:
        at = strike(number)
        if at and at != LOST:
            return at
        if not at and not number:
            return ""
        losses += at == LOST
        number = number if at else number // 2
    raise AssertionError(f"the partition was lost {LOSSES_MAX} times before boundary {number}; why is printed above")


def _forget(settings: KafkaSettings, topics: Topics) -> None:
    """Lose the feed's state: the topics are made anew, empty."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    lost = [topics.mailboxes, topics.source_state]
    for future in admin.delete_topics(lost).values():
        future.result(10)
    ensure_topics(settings, topics.catalogue((), 1))
