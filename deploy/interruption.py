"""Ctrl-C and SIGTERM as KeyboardInterrupt, but never between a process's birth and the moment somebody owns it.

An interrupt is raised between any two steps of the main thread, also within `subprocess.Popen`, when the process is
there and nobody has its name yet: nobody would stop it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator["Hold"]:
    """Let SIGTERM interrupt like Ctrl-C, and give back how both are switched off while everything stops."""
    previous = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        yield Hold()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Hold:
    """Called once: from then on nothing interrupts the stopping."""

    def __call__(self) -> None:
        """Ignore both signals until `interruptible` is left."""
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def undivided() -> Iterator[None]:
    """Put off what comes meanwhile until the block has ended; other threads than the main one hear no signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    previous = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number in ENDING:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for heard in came[:1]:
            signal.raise_signal(heard)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
