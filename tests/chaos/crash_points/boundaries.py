"""The boundaries of a worker with the outside: every I/O call passes here before and after, and one of them kills.

Nothing of the product is changed: the session, the producer, the local cache and the spool are wrapped where the
worker puts the loop together.
"""

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from deploy.exchange import Session
from deploy.kafka import KafkaSettings, producer
from deploy.partition import owned as owned_module
from deploy.partition.cache import CachedPosition, StateCache
from producers.spool import Spool, SpooledBody
from schemas.ports import Answers

EXIT_DIED = 86
DEATHS = ("exit", "kill", "kill running")
"""`os._exit`; SIGKILL from outside while the worker stands at the boundary; SIGKILL while it runs on from there."""


class Boundaries:
    """Counts the boundaries that are met and dies at the chosen one; says so over a pipe first."""

    def __init__(self, die_at: int | None, death: str, pipe: int) -> None:
        self.met: list[str] = []
        self.stage = 0
        self.is_counting = False
        self._die_at = die_at
        self._death = death
        self._pipe = pipe

    def meet(self, name: str, last_act: Callable[[], object] = lambda: None) -> None:
        """Note a boundary; `last_act` is done right before a death here, to make it as unkind as it can be."""
        if not self.is_counting:
            return
        number = len(self.met)
        self.met.append(name)
        if number == self._die_at:
            last_act()
            self.report(at=name, is_exiting=self._death == "exit")
            self._die()

    def report(self, **values: object) -> None:
        """Tell the parent process something, as a line of JSON."""
        os.write(self._pipe, json.dumps({"stage": self.stage, **values}).encode() + b"\n")

    def _die(self) -> None:
        if self._death == "exit":
            os._exit(EXIT_DIED)
        while self._death == "kill":
            signal.pause()


class CountedSession:
    """`schemas.ports.EwsSession`: a boundary before each request is sent and after it was answered."""

    def __init__(self, inner: Session, boundaries: Boundaries, ahead_seconds: Callable[[], int]) -> None:
        self._inner = inner
        self._boundaries = boundaries
        self._ahead_seconds = ahead_seconds

    @property
    def server_version(self) -> str:
        return self._inner.server_version

    @server_version.setter
    def server_version(self, value: str) -> None:
        self._inner.server_version = value

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        self._boundaries.meet(f"{operation} before")
        answers = self._inner.call(operation, mailbox, body, expected)
        self._boundaries.meet(f"{operation} after")
        # the worker's clock runs ahead, and with it the server's: what was written a moment ago is at rest
        return Answers(answers.messages, answers.server_time_seconds + self._ahead_seconds())


class _CountedProducer:
    """A transactional producer with boundaries around everything that asks the broker."""

    def __init__(self, inner: Any, boundaries: Boundaries) -> None:
        self._inner = inner
        self._boundaries = boundaries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def init_transactions(self, *arguments: Any) -> None:
        self._boundaries.meet("fence before")
        self._inner.init_transactions(*arguments)
        self._boundaries.meet("fence after")

    def begin_transaction(self) -> None:
        self._boundaries.meet("transaction before begin")
        self._inner.begin_transaction()

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        self._boundaries.meet("transaction produced", self._inner.flush)
        self._inner.send_offsets_to_transaction(*arguments)
        self._boundaries.meet("transaction with positions", self._inner.flush)

    def commit_transaction(self, *arguments: Any) -> None:
        self._boundaries.meet("transaction before commit")
        self._boundaries.meet("transaction written, not committed", self._inner.flush)
        self._inner.commit_transaction(*arguments)
        self._boundaries.meet("transaction committed")


class _CountedCache(StateCache):
    """The local copy with boundaries before, within and after each write."""

    def __init__(self, path: Path | None, boundaries: Boundaries) -> None:
        super().__init__(path)
        self._boundaries = boundaries

    def forget(self, topic: str) -> None:
        self._boundaries.meet("cache before forgetting")
        super().forget(topic)
        self._boundaries.meet("cache forgotten")

    def write(self, entries: Iterable[tuple[str, str, bytes | None]], positions: dict[str, CachedPosition]) -> None:
        self._boundaries.meet("cache before write")
        super().write(self._halved(entries), positions)
        self._boundaries.meet("cache written")

    def _halved(self, entries: Iterable[tuple[str, str, bytes | None]]) -> Iterator[tuple[str, str, bytes | None]]:
        for number, entry in enumerate(entries):
            yield entry
            if number == 0:
                self._boundaries.meet("cache within write")


class CountedSpool(Spool):
    """The spool with boundaries around keeping a body."""

    def __init__(self, directory: Path, boundaries: Boundaries) -> None:
        super().__init__(directory)
        self._boundaries = boundaries

    def keep(self, body: bytes) -> SpooledBody:
        self._boundaries.meet("spool before")
        kept = super().keep(body)
        self._boundaries.meet("spool after")
        return kept


@contextmanager
def counted(boundaries: Boundaries) -> Iterator[None]:
    """Let owned partitions made inside use a producer and a cache that pass the boundaries."""

    def make_producer(settings: KafkaSettings, transactional_id: str) -> Any:
        return _CountedProducer(producer(settings, transactional_id), boundaries)

    def make_cache(path: Path | None) -> StateCache:
        return _CountedCache(path, boundaries)

    with patch.object(owned_module, "producer", make_producer), patch.object(owned_module, "StateCache", make_cache):
        yield
