"""A command runs for its time and no longer, and its exit code is told."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.front_door import bounded


def run(seconds: float, *command: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-I", "-S", str(Path(bounded.__file__)), str(seconds), *command]
    return subprocess.run(program, check=False, capture_output=True, text=True, start_new_session=True, timeout=20)  # noqa: S603


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 75"), 75),
        (("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM),
        (("/no/such/program",), 126),
    ],
)
def test_the_exit_code_is_the_commands(command: tuple[str, ...], code: int) -> None:
    assert run(10, *command).returncode == code


def test_what_it_is_given_and_says_passes_through() -> None:
    assert run(10, "sh", "-c", "echo said; echo wrong >&2").stdout == "said\n"


def test_after_its_time_it_is_killed_with_all_it_started() -> None:
    began = time.monotonic()
    assert run(0.3, "sh", "-c", "sleep 60 & sleep 60").returncode == -signal.SIGKILL
    assert time.monotonic() - began < 10
