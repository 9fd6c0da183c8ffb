"""Files that other programs read while we write them: always the old one whole or the new one whole, never half."""

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

LOCK_SECONDS_MAX = 10.0
LOCK_POLL_SECONDS = 0.05


def write_whole(path: Path, text: str) -> None:
    """Put `text` in the place of `path`, kept on disk before anybody sees it; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            # a server under an account of its own has to read it; there is nothing secret in it
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`; OSError where another holds it for too long, as one that stands still does.

    The system lets go of it when its holder ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while not _is_locked(lock):
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, f"{lock.name} is held by a process that stands still; end it")
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _is_locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
