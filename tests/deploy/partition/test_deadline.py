"""A call that may never return is given up in time; one that returns is as if called directly."""

import threading

import pytest

from deploy.partition.deadline import OverdueError, within


def test_a_call_that_returns_in_time_was_done() -> None:
    done: list[int] = []
    within(5.0, lambda: done.append(1), "a call")
    assert done == [1]


def test_what_a_call_raises_is_raised() -> None:
    def refuse() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        within(5.0, refuse, "a call")


def test_a_call_that_does_not_return_is_given_up() -> None:
    released = threading.Event()
    with pytest.raises(OverdueError, match=r"a call did not return in 0\.1 s"):
        within(0.1, lambda: released.wait(30), "a call")
    released.set()
