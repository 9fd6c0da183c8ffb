"""Reads the log of a partition: changes in order, large bodies put together, and what may be committed.

State: pieces of a body whose change record did not come yet, in a temporary file.
Order: a transaction of the feed holds the chunks right before their change, so at most one body is open.
Failure: the position to commit never passes the first piece of an open body. A body that does not add up to the
hash its change names is left out, so that its item is parked: it is never applied in part.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from schemas.change import Change, Chunk, Form, ItemSaved
from schemas.codec import decode
from schemas.ports import Incoming, LogReader

log = logging.getLogger(__name__)

READ_RECORDS_MAX = 50
BATCH_CHANGES_MAX = 500
BATCH_SIZE_BYTES_MAX = 24_000_000
BODY_IN_MEMORY_BYTES_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """A change with its offset, its bytes as they stand in the log, and its bodies by form.

    `appended_at` is the log's time in milliseconds, `begins_at` the offset of the first piece of its bodies.
    """

    change: Change
    offset: int
    encoded: bytes
    bodies: dict[Form, bytes]
    appended_at: int = 0
    begins_at: int = -1

    @property
    def size_bytes(self) -> int:
        """Content bytes it carries."""
        return sum(map(len, self.bodies.values()))


@dataclass(slots=True)
class Batch:
    """Changes in the order of the log, and the position that is complete once all of them are done."""

    changes: list[Received] = field(default_factory=list)
    position: int = 0


class Subscription:
    """Turns records into batches of changes."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._open: dict[str, IO[bytes]] = {}
        self._open_since: int | None = None

    def rewind(self, offset: int) -> None:
        """Read on from an earlier offset; what was open is read again with it."""
        for file in self._open.values():
            file.close()
        self._open.clear()
        self._open_since = None
        self._reader.seek(offset)

    def next_batch(self, timeout_seconds: float) -> Batch:
        """Return what the log holds next, perhaps nothing, bounded by count and bytes."""
        batch = Batch()
        size_bytes = 0
        while len(batch.changes) < BATCH_CHANGES_MAX and size_bytes < BATCH_SIZE_BYTES_MAX:
            records = self._reader.read(READ_RECORDS_MAX, 0.0 if batch.changes else timeout_seconds)
            for received in self._received(records):
                batch.changes.append(received)
                size_bytes += received.size_bytes
            if not records:
                break
        batch.position = self._open_since if self._open_since is not None else self._reader.position
        return batch

    def _received(self, records: list[Incoming]) -> Iterator[Received]:
        for incoming in records:
            if incoming.value is None:
                continue
            record = decode(incoming.value)
            if isinstance(record, Chunk):
                self._keep(record, incoming.offset)
            elif isinstance(record, Change):
                begins_at = self._open_since if self._open_since is not None else incoming.offset
                bodies = self._bodies(record)
                yield Received(record, incoming.offset, incoming.value, bodies, incoming.appended_at, begins_at)

    def _keep(self, chunk: Chunk, offset: int) -> None:
        if self._open_since is None:
            self._open_since = offset
        if chunk.index == 0 or chunk.sha256 not in self._open:
            if old := self._open.pop(chunk.sha256, None):
                old.close()
            self._open[chunk.sha256] = tempfile.SpooledTemporaryFile(BODY_IN_MEMORY_BYTES_MAX)  # noqa: SIM115 - closed with its change
        self._open[chunk.sha256].write(chunk.body)

    def _bodies(self, change: Change) -> dict[Form, bytes]:
        operation = change.operation
        bodies: dict[Form, bytes] = {}
        if isinstance(operation, ItemSaved):
            for content in operation.contents:
                body = content.body
                if content.chunk_count and (file := self._open.get(content.sha256)):
                    file.seek(0)
                    body = file.read()
                if hashlib.sha256(body).hexdigest() == content.sha256:
                    bodies[content.form] = body
                else:
                    log.error(
                        "body does not add up, left out",
                        extra={
                            "mailbox": change.mailbox,
                            "generation": change.generation,
                            "sequence": change.sequence,
                        },
                    )
        for file in self._open.values():
            file.close()
        self._open.clear()
        self._open_since = None
        return bodies
