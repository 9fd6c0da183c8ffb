"""Large bodies on disk between the source and the log (design §4).

A body over the inline limit is written to a file before its transaction begins and read back chunk by chunk.
Files are named by their hash and removed after the transaction; whatever a dead process left is removed at start.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INLINE_SIZE_BYTES_MAX = 700_000
"""Bodies up to this size travel in their change record: a record must fit 1,000,000 bytes."""
CHUNK_SIZE_BYTES = 900_000


class SpoolError(Exception):
    """The spool directory can't be written: nothing is lost, the items stay owed until it can."""


@dataclass(frozen=True, slots=True)
class SpooledBody:
    """A body on disk, named by its hash."""

    path: Path
    sha256: str
    size_bytes: int

    @property
    def chunk_count(self) -> int:
        """How many chunk records it takes."""
        return -(-self.size_bytes // CHUNK_SIZE_BYTES)

    def chunks(self) -> Iterator[bytes]:
        """Yield its pieces in order."""
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_SIZE_BYTES):
                yield piece


class Spool:
    """A directory of bodies that wait for their transaction; one owner."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = itertools.count()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for left in directory.glob("*.body"):
                left.unlink()
        except OSError as error:
            raise SpoolError(f"spool directory {directory}: {error.strerror}; check its disk and rights") from error

    def keep(self, body: bytes) -> SpooledBody:
        """Write a body to disk; SpoolError if the disk is full or not writable."""
        name = hashlib.sha256(body).hexdigest()
        path = self._directory / f"{next(self._count)}-{name[:16]}.body"
        try:
            path.write_bytes(body)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise SpoolError(
                f"spool directory {self._directory}: {error.strerror} while keeping {len(body)} bytes; "
                "free room or set feed.spool_directory to a larger disk"
            ) from error
        return SpooledBody(path, name, len(body))

    @staticmethod
    def release(body: SpooledBody) -> None:
        """Remove a body whose transaction is committed or given up."""
        body.path.unlink(missing_ok=True)
