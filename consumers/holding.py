"""A lagged target: the log is held back by a fixed time, and an operator may let a mailbox run ahead (design §5).

State: none that has to survive. What is due follows from the log's own append times, and how far a mailbox may run
ahead stands in its record.
Order: the reader hands out nothing before its time and reports the position of the first record it holds, so nothing
held is ever committed as done. A released mailbox is read a second time, by a reader of its own from that position to
the time of the release, once; its changes are skipped by sequence when their time comes. Released bodies come through
a subscription of their own, because pieces of two readers must not meet.
Failure: a mailbox that fell behind while it ran ahead goes back with the others, and runs ahead again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from consumers.subscription import Batch, Subscription
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock, Incoming, LogReader
from schemas.state import TargetMailbox


class LogCopy(LogReader, Protocol):
    """The log read once more, by a reader that is closed when it is done."""

    def close(self) -> None:
        """Let go."""
        ...


OpenLog = Callable[[int], LogCopy]
AHEAD_IDLE_SECONDS = 3.0


class HeldReader:
    """Hands out the records of a log once they are old enough; `schemas.ports.LogReader`."""

    def __init__(
        self, reader: LogReader, hold_seconds: float, clock: Clock, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._reader = reader
        self._hold_ms = int(hold_seconds * 1000)
        self._clock = clock
        self._sleep = sleep or time.sleep
        self._held: deque[Incoming] = deque()

    @property
    def position(self) -> int:
        """Offset of the first record that was not handed out."""
        return self._held[0].offset if self._held else self._reader.position

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:
        """Return the next records that are due, perhaps none."""
        if not self._held:
            self._held.extend(self._reader.read(count_max, timeout_seconds))
        elif self._held[0].appended_at > self._due_before():
            self._sleep(timeout_seconds)
        due_before = self._due_before()
        due: list[Incoming] = []
        while self._held and len(due) < count_max and self._held[0].appended_at <= due_before:
            due.append(self._held.popleft())
        return due

    def seek(self, offset: int) -> None:
        """Go on reading at another offset."""
        self._held.clear()
        self._reader.seek(offset)

    def end(self) -> int:
        """Return the offset after the newest record, held or not."""
        return self._reader.end()

    def lag_records(self) -> int:
        """Return how many records are not handed out yet."""
        return self._reader.lag_records() + len(self._held)

    @property
    def is_level(self) -> bool:
        """Whether the next record is read and not due yet, so that everything due was handed out."""
        return bool(self._held) and self._held[0].appended_at > self._due_before()

    def oldest_seconds(self) -> float:
        """Return the age of the oldest record that is held."""
        return max(0.0, (self._clock() - self._held[0].appended_at) / 1000) if self._held else 0.0

    def show(self, metrics: ReplayMetrics, partition: int) -> None:
        """Set the gauges of what is held."""
        metrics.hold_seconds.labels(partition=partition).set(self._hold_ms / 1000)
        metrics.held_seconds.labels(partition=partition).set(self.oldest_seconds())
        metrics.held_records.labels(partition=partition).set(self.lag_records() if self._held else 0)

    def _due_before(self) -> int:
        return self._clock() - self._hold_ms


class RunAhead:
    """Reads ahead of a held reader for the mailboxes an operator released."""

    def __init__(self, open_log: OpenLog, mailboxes: Callable[[], Iterable[TargetMailbox]], clock: Clock) -> None:
        self._open_log = open_log
        self._mailboxes = mailboxes
        self._clock = clock
        self._until: dict[str, int] = {}
        self._log: LogCopy | None = None
        self._subscription: Subscription | None = None
        self._read_at = 0
        self._has_read = False
        self._is_stale = True

    def restart(self) -> None:
        """Look again who may run ahead: an order was obeyed, or reading went back."""
        self._is_stale = True

    def next_batch(self, position: int) -> Batch:
        """Return what is released beyond `position`, which is the held reader's; nothing if there is none."""
        if self._is_stale:
            self._begin(position)
        if self._subscription is None:
            return Batch()
        if self._has_read:
            self._read_at = self._clock()  # applying what was read took its time
        found = self._subscription.next_batch(0.0)
        self._has_read = bool(found.changes)
        is_past = bool(found.changes) and found.changes[-1].appended_at > max(self._until.values())
        if is_past or self._clock() - self._read_at > AHEAD_IDLE_SECONDS * 1000:
            self._end()
        return Batch([r for r in found.changes if r.appended_at <= self._until.get(r.change.mailbox, -1)], position)

    def _begin(self, position: int) -> None:
        self._is_stale = False
        self._end()
        self._until = {m.mailbox: m.released_until for m in self._mailboxes() if m.released_until and not m.behind}
        if self._until:
            self._log = self._open_log(position)
            self._subscription = Subscription(self._log)
        self._read_at = self._clock()

    def _end(self) -> None:
        if self._log:
            self._log.close()
        self._log = self._subscription = None
