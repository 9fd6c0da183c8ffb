"""A service whose clock jumps: the same program, started with a clock that a file makes wrong by so many seconds.

Only what the process calls the time is wrong: the monotonic clock, Kafka's client and everybody else stay true. As a
program: `python -m deploy.lab.chaos.wrong_clock FILE COMMAND…`.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READ_EVERY_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The clock of one process; its file says how many seconds it is wrong by."""

    file: Path

    def set(self, seconds: int) -> None:
        """Let the clock be wrong by so many seconds from now on."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds), encoding="ascii")
        new.replace(self.file)

    def read(self) -> int:
        """Return by how many seconds it is wrong now."""
        return int(self.file.read_text(encoding="ascii")) if self.file.exists() else 0

    def clock(self, true: Callable[[], float], monotonic: Callable[[], float]) -> Callable[[], float]:
        """Return the wrong clock, in seconds since 1970; the file is looked at a few times a second."""
        read_at, wrong_by = monotonic(), self.read()

        def wrong() -> float:
            nonlocal read_at, wrong_by
            if monotonic() - read_at >= READ_EVERY_SECONDS:
                read_at, wrong_by = monotonic(), self.read()
            return true() + wrong_by

        return wrong


if __name__ == "__main__":
    time.time = WrongClock(Path(sys.argv.pop(1))).clock(time.time, time.monotonic)
    time.time_ns = lambda: int(time.time() * 1e9)
    from deploy.cli import main

    main()
