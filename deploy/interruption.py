"""Ctrl-C and SIGTERM as KeyboardInterrupt, but never between a process's birth and the moment somebody owns it.

An interrupt is raised between any two steps of the main thread, also within `subprocess.Popen`, when the process is
there and nobody has its name yet: nobody would stop it.
"""

import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Self

from deploy.lab.broker.guard import die_with_parent

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
    """Called, or left as the innermost block: from then on no second Ctrl-C interrupts the stopping."""

    def __call__(self) -> None:
        """Ignore both signals until `interruptible` is left."""
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self()


@contextmanager
def undivided() -> Iterator[None]:
    """Put off what comes meanwhile until the block has ended; other threads than the main one hear no signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: dict[int, None] = {}
    with ExitStack() as kept:
        kept.callback(_raise, came)
        for number in ENDING:
            kept.callback(signal.signal, number, signal.getsignal(number))
        for number in ENDING:
            signal.signal(number, lambda heard, _frame: came.setdefault(heard))
        yield


@contextmanager
def attended(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a command that is waited for within the block, and killed where the block ends by an error."""
    started: list[subprocess.Popen[str]] = []
    try:
        with undivided():
            started.append(
                subprocess.Popen(  # noqa: S603 - the caller's own command
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, which takes no lock
                )
            )
        yield started[0]
    except BaseException:
        for process in started:
            process.kill()
            process.communicate()
        raise


def _raise(numbers: Iterable[int]) -> None:
    for number in numbers:
        signal.raise_signal(number)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
