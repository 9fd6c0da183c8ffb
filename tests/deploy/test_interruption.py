"""Ctrl-C and SIGTERM at any moment: what was started has an owner, who stops it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from deploy.interruption import ENDING, attended, interruptible, undivided
from deploy.lab.broker.process import Broker
from deploy.lab.child import Child
from deploy.lab.exchange.process import ExchangeProcess


class Started(Protocol):
    """Whatever the lab starts and stops."""

    def start(self) -> object: ...
    def stop(self) -> object: ...


def child(directory: Path) -> Started:
    return Child("feed", ["feed", "--config", str(directory / "none.toml")], directory / "feed.log")


def exchange(directory: Path) -> Started:
    return ExchangeProcess(directory / "server")


def broker(directory: Path) -> Started:
    made = Broker(directory)
    made.start()
    made.stop()
    return made


def fresh_broker(directory: Path) -> Started:
    """Its storage is formatted first, by a process of its own."""
    return Broker(directory)


@pytest.fixture
def born(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[subprocess.Popen[Any]]]:
    """Have SIGTERM come in the middle of every birth from now on; returns what was born."""
    processes: list[subprocess.Popen[Any]] = []
    bear = subprocess.Popen.__init__

    def interrupted(process: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        bear(process, *arguments, **options)
        processes.append(process)
        signal.raise_signal(signal.SIGTERM)

    def begin() -> list[subprocess.Popen[Any]]:
        monkeypatch.setattr(subprocess.Popen, "__init__", interrupted)
        return processes

    return begin


@pytest.mark.slow
@pytest.mark.parametrize("make", [child, exchange, broker, fresh_broker])
def test_what_is_interrupted_while_it_is_born_is_stopped_by_its_owner(
    tmp_path: Path, born: Callable[[], list[subprocess.Popen[Any]]], make: Callable[[Path], Started]
) -> None:
    started = make(tmp_path)
    processes = born()
    with interruptible():
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            started.start()
        started.stop()
    assert [process.returncode is not None for process in processes] == [True]


@pytest.mark.slow
@pytest.mark.parametrize("make", [child, exchange])
def test_one_whose_stop_is_interrupted_is_stopped_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Started]
) -> None:
    waits: list[subprocess.Popen[Any]] = []
    wait = subprocess.Popen.wait

    def interrupted(process: subprocess.Popen[Any], timeout: float | None = None) -> int:
        waits.append(process)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return wait(process, timeout)

    started = make(tmp_path)
    started.start()
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        started.stop()
    assert waits[0].returncode is None
    started.stop()
    assert waits[0].returncode is not None


def test_an_attended_command_does_not_outlive_its_block() -> None:
    with pytest.raises(KeyboardInterrupt), attended([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", ENDING)
def test_what_comes_in_an_undivided_block_is_heard_at_its_end_and_once(number: signal.Signals) -> None:
    done: list[signal.Signals] = []

    def work() -> None:
        with undivided():
            for _ in range(2):
                signal.raise_signal(number)
                done.append(number)

    with interruptible():
        with pytest.raises(KeyboardInterrupt, match=number.name):
            work()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert done == [number, number]


def test_while_everything_stops_nothing_interrupts_it_and_afterwards_it_is_as_before() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with interruptible() as hold:
        hold()
        for number in ENDING:
            signal.raise_signal(number)
        with undivided():
            signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in ENDING] == before


def test_a_block_of_another_thread_hears_no_signal_and_leaves_them_alone() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    found: list[object] = []

    def work() -> None:
        with undivided():
            found.extend(signal.getsignal(number) for number in ENDING)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == before
