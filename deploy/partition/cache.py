"""The local copy of a partition's state topics in SQLite: a cache that may vanish at any time.

Written only after a transaction is committed, together with the offset it leads to. One that is ahead of the
topic, belongs to another topic of the same name, or is older than the tombstones' life is thrown away. One owner
uses a file at a time: while somebody else holds it (a stopped process that may wake up), state is kept in memory.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_TABLES = """
CREATE TABLE IF NOT EXISTS state (topic TEXT, key TEXT, value BLOB, PRIMARY KEY (topic, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (topic TEXT PRIMARY KEY, topic_id TEXT, next_offset INTEGER, written_at INTEGER);
"""


class CacheError(Exception):
    """The cache can't be written: nothing is lost, it is rebuilt from the topics."""


@dataclass(frozen=True, slots=True)
class CachedPosition:
    """How far which topic is in the cache, and when that was written (milliseconds)."""

    topic_id: str
    next_offset: int
    written_at: int


class StateCache:
    """One partition's state, for the threads of its worker, one at a time."""

    def __init__(self, path: Path | None) -> None:
        self._lock = _lock(path) if path else None
        path = path if self._lock else None
        self._path = path
        self._turn = threading.Lock()
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.DatabaseError:
            # a cache that can't be read is as good as none
            self._database.close()
            if path:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            self._open()

    def _open(self) -> None:
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_TABLES)

    def position(self, topic: str) -> CachedPosition | None:
        """Return how far a topic was restored."""
        row = self._database.execute(
            "SELECT topic_id, next_offset, written_at FROM position WHERE topic = ?", (topic,)
        ).fetchone()
        return CachedPosition(*row) if row else None

    def forget(self, topic: str) -> None:
        """Throw away what is known of a topic."""
        self._database.execute("BEGIN")
        self._database.execute("DELETE FROM state WHERE topic = ?", (topic,))
        self._database.execute("DELETE FROM position WHERE topic = ?", (topic,))
        self._database.execute("COMMIT")

    def write(self, entries: Iterable[tuple[str, str, bytes | None]], positions: dict[str, CachedPosition]) -> None:
        """Take over committed entries (topic, key, value or None) and positions, as one; CacheError on a full disk."""
        try:
            with self._turn:
                self._write(entries, positions)
        except sqlite3.OperationalError as error:
            raise CacheError(
                f"state cache {self._path}: {error}; free room or name another pipeline.data_directory"
            ) from error

    def _write(self, entries: Iterable[tuple[str, str, bytes | None]], positions: dict[str, CachedPosition]) -> None:
        self._database.execute("BEGIN")
        for topic, key, value in entries:
            if value is None:
                self._database.execute("DELETE FROM state WHERE topic = ? AND key = ?", (topic, key))
            else:
                self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (topic, key, value))
        for topic, position in positions.items():
            self._database.execute(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)",
                (topic, position.topic_id, position.next_offset, position.written_at),
            )
        self._database.execute("COMMIT")

    def get(self, topic: str, key: str) -> bytes | None:
        """Return the value of a key."""
        query = "SELECT value FROM state WHERE topic = ? AND key = ?"
        with self._turn:
            row = self._database.execute(query, (topic, key)).fetchone()
        return row[0] if row else None

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield key and value of the keys that start with `prefix`, in order."""
        query = "SELECT key, value FROM state WHERE topic = ? AND key >= ? AND key < ? ORDER BY key"
        with self._turn:
            found = self._database.execute(query, (topic, prefix, prefix + "\U0010ffff")).fetchall()
        yield from found

    def size_bytes(self) -> int:
        """Return what the database takes, in the file or in memory."""
        with self._turn:
            pages, size = (
                self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
            )
        return int(pages) * int(size)

    def close(self) -> None:
        """Close the file and let others have it."""
        self._database.close()
        if self._lock:
            self._lock.close()


def _lock(path: Path) -> IO[bytes] | None:
    """Take the file for this owner alone, or return None if another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
