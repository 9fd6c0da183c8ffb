"""Large bodies on disk between the source and the log (design §4).

A body over the inline limit is written to a file before its transaction begins and read back chunk by chunk.
The files have no names: whatever happens to the process, nothing is left and no other process can touch them.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

INLINE_SIZE_BYTES_MAX = 700_000
"""Bodies up to this size travel in their change record: a record must fit 1,000,000 bytes."""
CHUNK_SIZE_BYTES = 900_000


class SpoolError(Exception):
    """The spool directory can't be written: nothing is lost, the items stay owed until it can."""


@dataclass(frozen=True, slots=True)
class SpooledBody:
    """A body on disk, known by its hash."""

    file: IO[bytes]
    sha256: str
    size_bytes: int

    @property
    def chunk_count(self) -> int:
        """How many chunk records it takes."""
        return -(-self.size_bytes // CHUNK_SIZE_BYTES)

    def chunks(self) -> Iterator[bytes]:
        """Yield its pieces in order."""
        self.file.seek(0)
        while piece := self.file.read(CHUNK_SIZE_BYTES):
            yield piece


class Spool:
    """A directory for bodies that wait for their transaction."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"spool directory {directory}: {error.strerror}; check its disk and rights") from error

    def keep(self, body: bytes) -> SpooledBody:
        """Write a body to disk; SpoolError if the disk is full or not writable."""
        file: IO[bytes] | None = None
        try:
            file = tempfile.TemporaryFile(dir=self._directory, prefix="mailshadow-")  # noqa: SIM115 - released later
            file.write(body)
            file.flush()
        except OSError as error:
            if file:
                with contextlib.suppress(OSError):
                    file.close()
            raise SpoolError(
                f"spool directory {self._directory}: {error.strerror} while keeping {len(body)} bytes; "
                "free room or set feed.spool_directory to a larger disk"
            ) from error
        return SpooledBody(file, hashlib.sha256(body).hexdigest(), len(body))

    @staticmethod
    def release(body: SpooledBody) -> None:
        """Let go of a body whose transaction is committed or given up."""
        body.file.close()
