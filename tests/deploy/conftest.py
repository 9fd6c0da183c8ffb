"""One simulated server and the settings of a pipeline for the tests of connections and commands."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.exchange.process import ExchangeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAILBOX = "anna@source.test"
PASSWORD = "secret"
COMMAND_SECONDS_MAX = 90.0
_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """A simulated Exchange 2019 with one mailbox; tests leave no fault behind."""
    directory = tmp_path_factory.mktemp("exchange")
    with ExchangeProcess(directory, mailboxes=[MAILBOX], password=PASSWORD) as process:
        yield process


@pytest.fixture
def faulty(server: ExchangeProcess) -> Iterator[ExchangeProcess]:
    """The same server, with its faults and counters cleared before and after."""
    server.clear_faults()
    server.reset_calls()
    yield server
    server.clear_faults()


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The program that renders manifests. Skips aloud, or fails in CI."""
    found = shutil.which("kubectl")
    if found is None:
        reason = "kubectl is not installed: manifests can't be rendered"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass(slots=True)
class Configuration:
    """Values of a settings file by section, written as TOML."""

    path: Path
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    mailboxes: list[tuple[str, str]] = field(default_factory=list)

    def write(self, *arguments: str) -> list[str]:
        """Write the file; return a command's arguments with it."""
        lines = []
        for section, values in self.sections.items():
            lines += [f"[{section}]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in values.items()), ""]
        for source, target in self.mailboxes:
            lines += ["[[mailboxes]]", f"source = {json.dumps(source)}"]
            lines += [f"targets = {{ standby = {json.dumps(target)} }}", ""]
        self.path.write_text("\n".join(lines))
        return [*arguments, "--config", str(self.path)]


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """A complete file for servers and brokers nobody runs; every pipeline has a name of its own."""
    one = {"url": "http://127.0.0.1:9/EWS/Exchange.asmx", "user": "u", "password": PASSWORD, "auth": "basic"}
    sections: dict[str, dict[str, Any]] = {
        "pipeline": {"name": f"test{os.getpid()}-{next(_NUMBERS)}", "data_directory": str(tmp_path / "data")},
        "kafka": {"bootstrap_servers": "127.0.0.1:9", "partition_count": 2},
        "source": {"name": "mail", **one, "version": "2013"},
        "targets.standby": {**one, "version": "2019"},
        "feed": {"poll_interval_seconds": 1, "heartbeat_seconds": 1},
    }
    return Configuration(tmp_path / "mailshadow.toml", sections, [(MAILBOX, "anna@target.test")])


@pytest.fixture
def connected(configuration: Configuration, kafka: str, server: ExchangeProcess) -> Configuration:
    """The same with a real Kafka, and one simulated server that is both source and target."""
    connection = server.connection
    configuration.sections["kafka"]["bootstrap_servers"] = kafka
    for section in ("source", "targets.standby"):
        configuration.sections[section] |= {"url": connection.url, "user": connection.user}
    configuration.mailboxes = [(MAILBOX, MAILBOX)]
    return configuration


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The one line for a person: what went to standard error and is no log."""
        return "\n".join(line for line in self.err.splitlines() if not line.startswith("{"))


@pytest.fixture
def mailshadow() -> Callable[..., Ended]:
    """Runs the command line in a process of its own, to its end."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> Ended:
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS_MAX,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run
