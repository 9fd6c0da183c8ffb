"""`mailshadow lab kafka` as a user meets it: it prints its address, stops cleanly and leaves no process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from deploy.lab.broker.command import EXIT_CANNOT_CREATE, EXIT_CODES, EXIT_IN_USE, FetchDisplay, kafka
from deploy.lab.broker.jars import FetchProgress
from deploy.lab.broker.process import Broker

PROGRAM = [sys.executable, "-c", "from deploy.lab.broker.command import kafka; kafka()"]
WAIT_SECONDS = 60


class Running:
    """The command in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.ready: dict[str, Any] = json.loads(line)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(*arguments))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def is_alive(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def test_every_expected_failure_has_an_exit_code_of_its_own_kind() -> None:
    assert 0 not in EXIT_CODES.values()
    assert 1 not in EXIT_CODES.values()


def test_a_directory_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(kafka, ["--data", str(tmp_path / "file" / "data")])
    assert result.exit_code == EXIT_CANNOT_CREATE
    assert "cannot hold a broker's data" in result.stderr


def test_a_fetch_is_announced_and_a_complete_cache_is_not() -> None:
    states = [
        FetchProgress(jars_done=done, jars_total=2, bytes_done=done * 10**6, bytes_total=2 * 10**6) for done in range(3)
    ]
    for shown, expected in ((states, "Fetching Kafka 4.4.0 once (2 MB)\n"), (states[2:], "")):
        output = StringIO()
        display = FetchDisplay(Console(file=output))
        for state in shown:
            display(state)
        assert output.getvalue().startswith(expected)
        assert bool(output.getvalue()) == bool(expected)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_when_ready_and_a_signal_ends_it_cleanly(
    tmp_path: Path, run: Callable[..., Running], number: signal.Signals
) -> None:
    running = run("--data", str(tmp_path))
    assert set(running.ready) >= {"bootstrap_servers", "kafka_version", "pid", "data", "flush_every_append"}
    assert running.end(number) == 0
    assert not is_alive(running.ready["pid"])


@pytest.mark.slow
def test_a_port_or_directory_in_use_is_refused_with_its_exit_code(tmp_path: Path, run: Callable[..., Running]) -> None:
    running = run("--data", str(tmp_path / "first"))
    port = running.ready["bootstrap_servers"].rpartition(":")[2]
    for arguments, expected in (
        (["--data", str(tmp_path / "first")], f"process {running.process.pid} already runs here"),
        (["--data", str(tmp_path / "second"), "--port", port], f"Port {port} of 127.0.0.1 is in use"),
    ):
        result = CliRunner().invoke(kafka, arguments)
        assert result.exit_code == EXIT_IN_USE
        assert expected in result.stderr


@pytest.mark.slow
def test_after_kill_9_of_the_supervisor_the_java_ends_and_the_next_start_keeps_everything(
    tmp_path: Path, run: Callable[..., Running], create_log: Callable[[str], Any]
) -> None:
    running = run("--data", str(tmp_path))
    log = create_log(running.ready["bootstrap_servers"])
    log.append(b"acknowledged")
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    with Broker(tmp_path) as broker:  # waits for what remains of the killed one
        assert not is_alive(running.ready["pid"])
        assert broker.bootstrap_servers == running.ready["bootstrap_servers"]
        assert log.read() == [b"acknowledged"]
