"""The guard lets neither a supervisor nor its Java outlive the other; any program may stand for the Java."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.lab.broker import guard

pytestmark = pytest.mark.slow

WAIT_SECONDS = 20
# Says that it runs and waits for ever; on SIGTERM it ends with a code of its own, as a clean stop does.
CHILD = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
open(sys.argv[1], "w").close()
while True:
    signal.pause()
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start_guard(*command: str, parent: int | None = None, keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-I", guard.__file__, str(os.getpid() if parent is None else parent), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, guard.KEEP_VARIABLE: " ".join(map(str, keep))},
            pass_fds=keep,
        )
        started.append(process)
        return process

    yield start_guard
    for process in started:
        process.communicate(timeout=WAIT_SECONDS)


@pytest.fixture
def waiting(start: Start, tmp_path: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A guard whose child is up and waits, and the child's process id."""
    process = start(sys.executable, "-c", CHILD, str(tmp_path / "up"))
    assert process.stdout is not None
    child = int(process.stdout.readline())
    while not (tmp_path / "up").exists():
        assert process.poll() is None
    return process, child


def has_ended(process_id: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return True


def test_it_ends_with_its_childs_exit_code(start: Start) -> None:
    assert start(sys.executable, "-c", "raise SystemExit(5)").wait(WAIT_SECONDS) == 5


def test_a_closed_input_ends_the_child_in_order(waiting: tuple[subprocess.Popen[bytes], int]) -> None:
    process, child = waiting
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(WAIT_SECONDS) == 7
    process.stdin = None
    assert has_ended(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_child_in_order(waiting: tuple[subprocess.Popen[bytes], int], number: signal.Signals) -> None:
    process, child = waiting
    process.send_signal(number)
    assert process.wait(WAIT_SECONDS) == 7
    assert has_ended(child)


def test_a_child_of_another_parent_is_not_kept(start: Start) -> None:
    process = start(sys.executable, "-c", "import signal; signal.pause()", parent=1)
    assert process.wait(WAIT_SECONDS) == -signal.SIGTERM & 0xFF


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_a_killed_guard_takes_its_child_along(waiting: tuple[subprocess.Popen[bytes], int]) -> None:
    process, child = waiting
    process.kill()
    process.wait(WAIT_SECONDS)
    while not has_ended(child):
        os.sched_yield()


def test_the_childs_end_is_the_end_of_the_guards_output_before_the_guard_has_seen_it(
    waiting: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, child = waiting
    assert process.stdout is not None
    process.send_signal(signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    try:
        assert process.stdout.read() == b""
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGCONT)


def test_the_child_inherits_the_lock(start: Start, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        inode = os.fstat(lock.fileno()).st_ino
        code = f"import os; raise SystemExit(os.fstat({lock.fileno()}).st_ino != {inode})"
        process = start(sys.executable, "-c", code, keep=(lock.fileno(),))
        assert process.wait(WAIT_SECONDS) == 0
