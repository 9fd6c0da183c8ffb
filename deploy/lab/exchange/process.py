"""A simulated server as a managed child process, with its control interface as methods."""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from deploy.interruption import undivided
from deploy.lab.broker.guard import die_with_parent

_ROOT: Final = Path(__file__).resolve().parents[3]
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_CONTROL_SECONDS: Final = 30.0


class ExchangeProcessError(RuntimeError):
    """The server could not be started, stopped or asked; the message says what it said."""


@dataclass(frozen=True, slots=True)
class ExchangeConnection:
    """How a running server is reached."""

    url: str
    control: str
    user: str
    password: str
    version: str


def _first_line(process: subprocess.Popen[str]) -> str:
    """Wait for the line that says a server is ready; an empty text where it ended or took too long."""
    if process.stdout is None or not select.select([process.stdout], [], [], _START_SECONDS)[0]:
        return ""
    return process.stdout.readline()


def _ended(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a server that was told to end; one that takes too long is killed."""
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class ExchangeProcess:
    """One simulated Exchange server; start, stop, kill and start again keep its port and its data."""

    def __init__(
        self,
        directory: Path,
        *,
        version: str = "2019",
        mailboxes: Sequence[str] = (),
        user: str = "service@example.com",
        password: str = "secret",  # noqa: S107 - the lab's password guards a loopback port
        port: int = 0,
        switches: dict[str, Any] | None = None,
        keeps_history: bool = False,
    ) -> None:
        self.directory = directory
        self.version = version
        self.mailboxes = list(mailboxes)
        self.user = user
        self._password = password
        self._port = port
        self._switches = dict(switches or {})
        self._keeps_history = keeps_history
        self._process: subprocess.Popen[str] | None = None
        self._connection: ExchangeConnection | None = None

    @property
    def connection(self) -> ExchangeConnection:
        """How to reach the server; raises `ExchangeProcessError` before the first start."""
        if self._connection is None:
            raise ExchangeProcessError("the simulated Exchange server was never started")
        return self._connection

    @property
    def pid(self) -> int:
        """The process id; raises `ExchangeProcessError` where nothing runs."""
        if self._process is None:
            raise ExchangeProcessError("the simulated Exchange server is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> ExchangeConnection:
        """Start the server and wait until it answers; the port of the first start is kept for every later one."""
        if self.running:
            return self.connection
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / "server.log"
        with log.open("a", encoding="utf-8") as errors, undivided():
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._command(),
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, safe between fork and exec
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
                env=self._environment(),
            )
        line = _first_line(self._process)
        if not line:
            code = self._end(None)
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise ExchangeProcessError(f"the simulated Exchange server ended with code {code}: {' '.join(said[-3:])}")
        values = json.loads(line)
        self._connection = ExchangeConnection(*(values[field.name] for field in fields(ExchangeConnection)))
        self._port = int(self._connection.url.split(":")[2].split("/")[0])
        return self._connection

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "deploy.lab.exchange", "--port", str(self._port), "--version", self.version]
        command += ["--data", str(self.directory), "--user", self.user]
        for address in self.mailboxes:
            command += ["--mailbox", address]
        for name, value in self._switches.items():
            command += ["--switch", f"{name}={value}"]
        return [*command, "--history"] if self._keeps_history else command

    def _environment(self) -> dict[str, str]:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MAILSHADOW_LAB_PASSWORD": self._password}

    def stop(self) -> int:
        """Stop the server cleanly; answers its exit code. One that does not stop in time is killed."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals | None) -> int:
        """Wait for the end, after a signal if one is given; answers the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if number is not None and process.poll() is None:
            process.send_signal(number)
        try:
            code = _ended(process)
        except KeyboardInterrupt:
            self._process = process  # the stopping of everything has to find it
            raise
        if process.stdout is not None:
            process.stdout.close()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT."""
        os.kill(self.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Control

    def control(self, method: str, path: str, values: Any = None) -> Any:
        """One request to `/lab/…`, answered as JSON; raises `ExchangeProcessError` with the server's own words."""
        connection = self.connection
        token = base64.b64encode(f"{connection.user}:{connection.password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the URL is the server's own http URL
            connection.control + path,
            method=method,
            data=None if values is None else json.dumps(values).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CONTROL_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise ExchangeProcessError(f"{method} {path}: {error.read().decode('utf-8', 'replace')}") from error
        except OSError as error:
            raise ExchangeProcessError(f"{method} {path}: the simulated server does not answer ({error})") from error

    def add_fault(self, operation: str, action: str, **values: Any) -> None:
        """Add a fault rule (see `faults.FaultRule`)."""
        self.control("POST", "faults", {"operation": operation, "action": action, **values})

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules with what is left (`count`) and what struck (`hits`)."""
        return list(self.control("GET", "faults")["rules"])

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self.control("DELETE", "faults")

    def calls(self) -> dict[str, Any]:
        """Return calls, parts and bytes by operation, and what is under way."""
        return dict(self.control("GET", "calls"))

    def reset_calls(self) -> None:
        """Start counting calls anew."""
        self.control("POST", "calls/reset")

    def clients(self) -> list[dict[str, Any]]:
        """Every call under way with the TCP port of its client."""
        return list(self.control("GET", "clients")["clients"])

    def history(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the journal of item writes after a position, all of it."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.control("GET", f"history?after={after}")
            found += page["history"]
            if not page["more"]:
                return found
            after = found[-1]["seq"]

    def set_switch(self, name: str, value: Any) -> None:
        """Set a switch of the running server; a later start has it too."""
        self.control("POST", "switches", {name: value})
        self._switches[name] = value

    def add_mailbox(self, address: str) -> None:
        """Create a mailbox; a later start names it too."""
        self.control("POST", "mailboxes", {"address": address})
        self.mailboxes.append(address)

    def change_directory(self, *, also: dict[str, str] | None = None, moved: dict[str, str] | None = None) -> None:
        """Give mailboxes further addresses, or say that an address lives elsewhere; an empty value takes it back."""
        self.control("POST", "directory", {"also": also or {}, "moved": moved or {}})

    def invalidate_sync_states(self) -> None:
        """Make every sync state given out so far invalid."""
        self.control("POST", "sync-states/invalidate")
