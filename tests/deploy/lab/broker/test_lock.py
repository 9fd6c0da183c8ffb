"""The lock on a data directory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy.lab.broker import lock
from deploy.lab.broker.lock import DirectoryInUseError, DirectoryLock


def waiting_child(lock_held: DirectoryLock) -> subprocess.Popen[bytes]:
    """A child that inherits the lock and ends when its standard input is closed."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    return subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.PIPE, pass_fds=(lock_held.descriptor,)
    )


def dead_process_id() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first, second = DirectoryLock(tmp_path / "lock"), DirectoryLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(DirectoryInUseError, match=f"supervised by process {os.getpid()} already runs here"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_released_lock_has_no_descriptor(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not held"):
        _ = DirectoryLock(tmp_path / "lock").descriptor


@pytest.mark.slow
def test_what_remains_of_a_dead_supervisor_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RELEASE_TIMEOUT_SECONDS", 0.3)
    first, second = DirectoryLock(tmp_path / "lock"), DirectoryLock(tmp_path / "lock")
    first.acquire()
    with waiting_child(first) as child:
        first.release()
        (tmp_path / "lock").write_text(str(dead_process_id()))
        with pytest.raises(DirectoryInUseError, match="lost its supervisor"):
            second.acquire()
        child.communicate()
    second.acquire()
    second.release()


@pytest.mark.slow
def test_our_own_remains_are_waited_for(tmp_path: Path) -> None:
    ours = DirectoryLock(tmp_path / "lock")
    ours.acquire()
    with waiting_child(ours) as child:
        ours.release()
        timer = threading.Timer(0.5, child.stdin.close if child.stdin else child.kill)
        timer.start()
        ours.acquire(is_ours=True)
        timer.join()
    ours.release()
