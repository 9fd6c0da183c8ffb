"""A whole pipeline on this machine: a real Kafka, two simulated Exchange servers, a feed and a replay process."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import pipeline_state, settings, wiring
from deploy.commands.status import report as status_report
from deploy.kafka import partition_counts
from deploy.lab.broker.access import Access
from deploy.lab.broker.directory import BrokerDirectory
from deploy.lab.broker.jars import OnProgress
from deploy.lab.broker.process import Broker
from deploy.lab.broker.properties import Door
from deploy.lab.child import Child, ChildError
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress
from schemas.ports import PartitionLost
from schemas.topics import Topics

PIPELINE = "lab"
SOURCE = "source"
TARGET = "standby"
USER = "mailshadow@lab.test"
PASSWORD = "lab"  # noqa: S105 - guards loopback ports of simulated servers
POLL_INTERVAL_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOptions:
    """What kind of world: where its data lie, mailboxes and partitions, which versions, which way content takes.

    `keeps_history`: the servers keep every write, to be read by `deploy.lab.exchange.history`. `doors`: further
    listeners of Kafka.
    """

    directory: Path
    mailbox_count: int
    source_version: str = "2013"
    target_version: str = "2019"
    is_portable: bool = False
    access: Access | None = None
    partition_count: int = 12
    keeps_history: bool = False
    doors: tuple[Door, ...] = ()


class World:
    """The processes of one pipeline; started in parts, stopped in any state. Not to be shared between threads."""

    def __init__(self, options: WorldOptions, on_fetch: OnProgress | None = None) -> None:
        self.options = options
        numbers = range(1, options.mailbox_count + 1)
        self.mailboxes = [(f"user{n}@source.test", f"user{n}@target.test") for n in numbers]
        directory = options.directory
        self.broker = Broker(
            directory / "kafka",
            is_short_lived=True,
            on_progress=on_fetch,
            doors=options.doors,
            access=options.access,
        )
        self.source = self._server("source", options.source_version, [s for s, _ in self.mailboxes])
        self.target = self._server("target", options.target_version, [t for _, t in self.mailboxes])
        self.config = directory / "mailshadow.toml"
        arguments = ["--config", str(self.config)]
        self.further_settings = ""
        self.feed = Child("feed", ["feed", *arguments], directory / "feed.log")
        self.replay = Child("replay", ["replay", *arguments, "--target", TARGET], directory / "replay.log")
        back = [*arguments, "--back", TARGET]
        self.owners_back = [Child(f"{n} back", [n, *back], directory / f"{n}-back.log") for n in ("feed", "replay")]
        """Feed and replay of the way back; started when the old source is to return."""

    def _server(self, name: str, version: str, addresses: Iterable[str]) -> ExchangeProcess:
        return ExchangeProcess(
            self.options.directory / name,
            version=version,
            mailboxes=list(addresses),
            user=USER,
            password=PASSWORD,
            keeps_history=self.options.keeps_history,
        )

    def start_servers(self) -> None:
        """Start both Exchange servers."""
        self.source.start()
        self.target.start()

    def write_settings(self) -> None:
        """Write the settings file; broker and servers must run."""
        self.config.write_text(self._settings() + self.further_settings, encoding="utf-8")

    def start_services(self) -> None:
        """Write the settings file, then start feed and replay; broker and servers must run."""
        self.write_settings()
        self.feed.start()
        self.replay.start()

    def stop_services(self) -> None:
        """Stop every feed and replay in order."""
        for service in (self.feed, self.replay, *self.owners_back):
            service.stop()

    def stop(self) -> None:
        """Stop whatever runs, clients first."""
        steps: tuple[Callable[[], object], ...] = (
            self.stop_services,
            self.source.stop,
            self.target.stop,
            self.broker.stop,
        )
        for step in steps:
            step()

    def require_services(self) -> None:
        """Raise ChildError if feed, replay or Kafka ended by themselves."""
        if not self.broker.is_running:
            raise ChildError(f"Kafka ended by itself. See {self.broker.server_log}.")
        self.feed.require_running()
        self.replay.require_running()

    @property
    def source_address(self) -> ServerAddress:
        """How the source is reached."""
        return _address(self.source, self.options.source_version)

    @property
    def target_address(self) -> ServerAddress:
        """How the target is reached."""
        return _address(self.target, self.options.target_version)

    def status(self) -> list[dict[str, Any]]:
        """Return where every mailbox stands, as `mailshadow status --json` prints it; nothing while Kafka can't say."""
        loaded = settings.load(self.config, {})
        connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
        try:
            if topics.target_state(TARGET) not in partition_counts(connection):
                return []
            state = pipeline_state.read(connection, topics, tuple(loaded.targets))
        except PartitionLost:
            return []  # its topics are still being made, or the broker is
        return list(status_report(state)["mailboxes"])

    def log_bytes(self) -> int:
        """Return the size of the changes topic on the broker's disk, in bytes."""
        changes = Topics(PIPELINE, SOURCE).changes
        logs = BrokerDirectory(self.options.directory.absolute() / "kafka").log_directory
        return sum(segment.stat().st_size for segment in logs.glob(f"{changes}-[0-9]*/*.log"))

    def _settings(self) -> str:
        options, source, target = self.options, self.source_address, self.target_address
        form = "PORTABLE" if options.is_portable else "STREAM"
        text = json.dumps  # JSON's strings are TOML's
        mailboxes = "".join(
            f"[[mailboxes]]\nsource = {text(one)}\ntargets = {{ {TARGET} = {text(other)} }}\n\n"
            for one, other in self.mailboxes
        )
        return (
            f"[pipeline]\nname = {text(PIPELINE)}\n"
            f"data_directory = {text(str(options.directory.absolute() / 'data'))}\n\n"
            f"[kafka]\nbootstrap_servers = {text(self.broker.bootstrap_servers)}\n"
            f"partition_count = {options.partition_count}\n\n"
            f"[source]\n{_server_settings(source, SOURCE)}\n"
            f"[targets.{TARGET}]\n{_server_settings(target, TARGET)}"
            f"portable_only = {text(options.is_portable)}\n\n"
            f"[feed]\nforms = [{text(form)}]\npoll_interval_seconds = {POLL_INTERVAL_SECONDS}\n"
            f"heartbeat_seconds = {HEARTBEAT_SECONDS}\n\n{mailboxes}"
        )


def _server_settings(address: ServerAddress, name: str) -> str:
    return (
        f"name = {json.dumps(name)}\nurl = {json.dumps(address.url)}\nuser = {json.dumps(address.user)}\n"
        f'password = {json.dumps(address.password)}\nversion = {json.dumps(address.version)}\nauth = "basic"\n'
    )


def _address(server: ExchangeProcess, version: str) -> ServerAddress:
    found = server.connection
    return ServerAddress(url=found.url, user=found.user, password=found.password, version=version)
