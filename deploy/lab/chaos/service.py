"""A service under chaos: a process with settings, state directory and links of its own, started again when it ends."""

import contextlib
import json
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

from deploy.lab.chaos.journal import JournalFile
from deploy.lab.chaos.proxy import HOST, Link
from deploy.lab.chaos.wrong_clock import WrongClock
from deploy.lab.child import Child, ChildError
from deploy.lab.session import ServerAddress

SUPERVISION_SECONDS = 0.5
REQUEST_TIMEOUT_SECONDS = 8.0
"""What the services wait for a server's answer: so short that a run can have both shorter and longer stops."""
WORDS_MAX = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What the settings files of all services have in common."""

    name: str
    source: str
    partition_count: int
    mailboxes: Sequence[tuple[str, Mapping[str, str]]]
    """Addresses at the source, and by target's name."""
    servers: Mapping[str, ServerAddress] = field(repr=False)
    """Every server by name, as it is reached directly."""

    def settings(self, data: Path, bootstrap_servers: str, ports: Mapping[str, int]) -> str:
        """Return a settings file; `ports` are those of the links in front of the servers, where there are any."""
        text = json.dumps  # JSON's strings are TOML's
        parts = [
            f"[pipeline]\nname = {text(self.name)}\ndata_directory = {text(str(data.absolute()))}\n\n",
            f"[kafka]\nbootstrap_servers = {text(bootstrap_servers)}\npartition_count = {self.partition_count}\n\n",
            f"[source]\nname = {text(self.source)}\n{self._server(self.source, ports)}\n",
        ]
        targets = [name for name in self.servers if name != self.source]
        parts += [f"[targets.{name}]\n{self._server(name, ports)}\n" for name in targets]
        parts.append('[feed]\nforms = ["STREAM"]\npoll_interval_seconds = 1.0\nheartbeat_seconds = 1.0\n\n')
        # these users delete more in minutes than anybody should in an hour
        parts.append("[replay]\nbreaker_deletions_max = 0\n\n")
        for address, at in self.mailboxes:
            pairs = ", ".join(f"{name} = {text(one)}" for name, one in at.items())
            parts.append(f"[[mailboxes]]\nsource = {text(address)}\ntargets = {{ {pairs} }}\n\n")
        return "".join(parts)

    def _server(self, name: str, ports: Mapping[str, int]) -> str:
        server = self.servers[name]
        url = server.url
        if name in ports:
            url = f"http://{HOST}:{ports[name]}/{url.split('/', 3)[3]}"
        return (
            f"url = {json.dumps(url)}\nuser = {json.dumps(server.user)}\npassword = {json.dumps(server.password)}\n"
            f'version = {json.dumps(server.version)}\nauth = "basic"\ntimeout_seconds = {REQUEST_TIMEOUT_SECONDS}\n'
        )


class Service:
    """One feed or replay. Its methods may be called from any thread that lives as long as the run."""

    def __init__(self, name: str, target: str, directory: Path, journal: JournalFile) -> None:
        self.name = name
        self.target = target  # empty for a feed
        self.config = directory / f"{name}.toml"
        self.data = directory / f"data-{name}"
        self.links: dict[str, Link] = {}  # by server's name, and "kafka"
        self._journal = journal
        self._lock = threading.RLock()
        self._is_wanted = False
        role = ["replay", "--target", target] if target else ["feed"]
        arguments = [*role, "--config", str(self.config), "--no-preflight"]
        self.clock = WrongClock(directory / f"{name}.clock")
        program = ["deploy.lab.chaos.wrong_clock", str(self.clock.file)]
        self._child = Child(name, arguments, directory / f"{name}.log", program=program)

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._child.is_running

    @property
    def pid(self) -> int:
        """Its process id; raises ChildError when it doesn't run."""
        return self._child.pid

    def start(self) -> None:
        """Start it, and have it started again whenever it ends by itself."""
        with self._lock:
            self._is_wanted = True
            self._child.start()
            self._note("service_start", pid=self._child.pid, by="harness")

    def kill(self) -> None:
        """SIGKILL; it stays down until `start`."""
        self._end(SIGKILL)

    def stop(self) -> None:
        """SIGTERM, by force after a time limit; it stays down until `start`."""
        self._end(None)

    def signal(self, number: Signals) -> None:
        """Send a signal, if it lives."""
        with contextlib.suppress(ProcessLookupError, ChildError):
            self._child.signal(number)

    def wipe(self) -> None:
        """Delete its state directory; it must be down."""
        shutil.rmtree(self.data, ignore_errors=True)

    def supervise(self) -> None:
        """Start it again if it ended by itself, as an init system would."""
        with self._lock:
            if not self._is_wanted or self._child.is_running:
                return
            words = self._child.last_words()[-WORDS_MAX:]
            code = self._child.stop()
            self._note("service_end", code=code, by="itself", last_words=words)
            self._child.start()
            self._note("service_start", pid=self._child.pid, by="supervisor")

    def _end(self, number: Signals | None) -> None:
        with self._lock:
            self._is_wanted = False
            if number is not None:
                self.signal(number)
            code = self._child.stop()
            self._note("service_end", code=code, by="harness")

    def _note(self, kind: str, **detail: object) -> None:
        self._journal.write(fault=0, phase="note", kind=kind, subject=self.name, detail=detail)


class Supervisor:
    """Looks after all services; `look` is called from one thread, every half second or so."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._stop = threading.Event()

    def run(self) -> None:
        """Supervise until `stop`; to be run in a thread that outlives the services."""
        while not self._stop.wait(SUPERVISION_SECONDS):
            for service in self._services:
                service.supervise()

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
