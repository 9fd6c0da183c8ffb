"""The lock on a broker's data directory: held by the supervising process, its guard and its Java together."""

import fcntl
import os
import time
from pathlib import Path

POLL_INTERVAL_SECONDS = 0.1
RELEASE_TIMEOUT_SECONDS = 40.0  # more than the guard gives a Java whose supervisor was killed


class DirectoryInUseError(Exception):
    """Another broker runs on this data directory."""


class DirectoryLock:
    """An advisory lock (flock) on one file; the system releases it when the last holder has ended.

    A child that inherits `descriptor` holds it too: after kill -9 of the supervisor the directory stays
    locked until its Java has really gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file to pass on to children; raises ValueError when the lock is not held."""
        if self._descriptor is None:
            raise ValueError(f"{self._path}: the lock is not held.")
        return self._descriptor

    def acquire(self, *, is_ours: bool = False) -> None:
        """Take the lock, waiting while only remains of a dead supervisor (or, `is_ours`, of us) hold it.

        Raises DirectoryInUseError at once when a living process supervises this directory.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + RELEASE_TIMEOUT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _recorded_holder(descriptor)
                is_remainder = holder is None or (is_ours and holder == os.getpid())
                if not is_remainder or time.monotonic() > deadline:
                    os.close(descriptor)
                    raise self._refusal(holder) from None
                time.sleep(POLL_INTERVAL_SECONDS)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
                self._descriptor = descriptor
                return

    def release(self) -> None:
        """Let go of the lock; children that inherited it keep holding it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refusal(self, holder: int | None) -> DirectoryInUseError:
        directory = self._path.parent
        if holder is None:
            return DirectoryInUseError(
                f"{directory}: still in use by a broker that lost its supervisor and does not end. "
                "Look for a java process with this directory in its arguments and stop it."
            )
        return DirectoryInUseError(
            f"{directory}: a broker supervised by process {holder} already runs here. "
            "Stop it first, or choose another directory."
        )


def _recorded_holder(descriptor: int) -> int | None:
    """Return the supervisor's process id if it lives; None when it is dead or not recorded yet."""
    text = os.pread(descriptor, 32, 0)
    if not text.isdigit():
        return None
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it lives, and is another user's
    return int(text)
