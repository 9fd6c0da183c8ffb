"""Append-only JSON lines of a run: the workload's truth and the fault journal, readable while the run goes on."""

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


def now_ms() -> int:
    """Return the wall clock's time in milliseconds since the epoch: one machine, one clock for a whole run."""
    return time.time_ns() // 1_000_000


class JournalFile:
    """A file of JSON lines, one an event, each with its time; may be written from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        """Append one line; `time_ms` is set here."""
        with self._lock:
            if not self._file.closed:
                self._file.write(json.dumps({"time_ms": now_ms(), **entry}, ensure_ascii=False) + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file; later writes are ignored."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
