"""A call that may never return, given up after a time limit."""

import threading
from collections.abc import Callable


class OverdueError(Exception):
    """A call did not return in time; it may still run, and what it works on must not be used again."""


def within(seconds: float, call: Callable[[], object], name: str) -> None:
    """Do a call and raise what it raised; raises OverdueError if it isn't over after so many seconds.

    The call runs in a thread of its own, which is left behind when it is overdue.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            raised.append(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise OverdueError(f"{name} did not return in {seconds:g} s")
    if raised:
        raise raised[0]
