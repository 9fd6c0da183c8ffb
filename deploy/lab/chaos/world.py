"""The processes of a chaos run: Kafka, a source, targets, several feeds and replays, each behind links of its own."""

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy import pipeline_state, settings, wiring
from deploy.commands.status import report as status_report
from deploy.interruption import undivided
from deploy.kafka import KafkaUnreachableError, partition_counts
from deploy.lab.broker.jars import OnProgress
from deploy.lab.broker.ports import choose_port
from deploy.lab.broker.process import Broker
from deploy.lab.broker.properties import Door
from deploy.lab.chaos.journal import JournalFile
from deploy.lab.chaos.proxy import HOST, Link, Proxy
from deploy.lab.chaos.service import Pipeline, Service, Supervisor
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress
from schemas.ports import PartitionLost
from schemas.topics import Topics

PIPELINE: Final = "chaos"
SOURCE: Final = "source"
KAFKA: Final = "kafka"
USER: Final = "mailshadow@chaos.test"
PASSWORD: Final = "chaos"  # noqa: S105 - guards loopback ports of simulated servers
SPARE: Final = "spare"
_WORKERS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """What kind of world; targets are given by name with their version."""

    directory: Path
    seed: int
    mailbox_count: int = 4
    feed_count: int = 2
    replay_count: int = 3
    """Of every target."""
    partition_count: int = 6
    source_version: str = "2013"
    targets: tuple[tuple[str, str], ...] = (("standby", "2019"),)


class ChaosWorld:
    """Every process of a run, and the links between them.

    Faults act from the threads of `workers`: a child must not be started by a thread that ends before it.
    """

    def __init__(self, options: ChaosOptions, journal: JournalFile, on_fetch: OnProgress | None = None) -> None:
        self.options = options
        self._directory = options.directory
        self._on_fetch = on_fetch
        numbers = range(1, options.mailbox_count + 1)
        names = [name for name, _ in options.targets]
        self.mailboxes = [(f"user{n}@source.test", {t: f"user{n}@{t}.test" for t in names}) for n in numbers]
        self.servers = {SOURCE: self._server(SOURCE, options.source_version, [s for s, _ in self.mailboxes])}
        for name, version in options.targets:
            addresses = [at[name] for _, at in self.mailboxes]
            self.servers[name] = self._server(f"target-{name}", version, addresses)
        self.services = [Service(name, target, options.directory, journal) for name, target in self._members()]
        self.workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="chaos")
        self._starting: list[Future[object]] = []
        self.config = options.directory / "harness.toml"
        self.broker: Broker | None = None
        self._proxy = Proxy()
        self._supervisor = Supervisor(self.services)

    # -- what there is ---------------------------------------------------------------------------------------

    @property
    def members(self) -> list[Service]:
        """The services that run all the time."""
        return [service for service in self.services if not service.name.endswith(SPARE)]

    @property
    def spares(self) -> list[Service]:
        """The services that come and go in a rebalance storm."""
        return [service for service in self.services if service.name.endswith(SPARE)]

    @property
    def links(self) -> dict[str, Link]:
        """Every link by its name, `<service>><server>`."""
        return {link.name: link for service in self.services for link in service.links.values()}

    @property
    def topics(self) -> Topics:
        """The names of the pipeline's topics."""
        return Topics(PIPELINE, SOURCE)

    def service(self, name: str) -> Service:
        """Return a service by its name."""
        return next(service for service in self.services if service.name == name)

    def address(self, server: str) -> ServerAddress:
        """Return how a server is reached directly."""
        found = self.servers[server].connection
        return ServerAddress(url=found.url, user=found.user, password=found.password, version=found.version)

    def running_broker(self) -> Broker:
        """Return the broker; it must have been started."""
        if self.broker is None:
            raise RuntimeError("the broker was never started")
        return self.broker

    def _members(self) -> list[tuple[str, str]]:
        found = [(f"feed-{n}", "") for n in range(1, self.options.feed_count + 1)]
        for target, _ in self.options.targets:
            found += [(f"replay-{target}-{n}", target) for n in range(1, self.options.replay_count + 1)]
        return [*found, (f"feed-{SPARE}", ""), *((f"replay-{t}-{SPARE}", t) for t, _ in self.options.targets)]

    def _server(self, name: str, version: str, addresses: list[str]) -> ExchangeProcess:
        return ExchangeProcess(
            self._directory / name,
            version=version,
            mailboxes=addresses,
            user=USER,
            password=PASSWORD,
            keeps_history=True,
        )

    # -- starting and stopping -------------------------------------------------------------------------------

    def start_servers(self) -> None:
        """Start Kafka and the Exchange servers, open the links, write the settings files."""
        doors = self._open_kafka_links()
        self.broker = Broker(self._directory / "kafka", is_short_lived=True, on_progress=self._on_fetch, doors=doors)
        self._start([self.broker.start, *(server.start for server in self.servers.values())])
        for service in self.services:
            for name in (service.target or SOURCE,):
                port = int(self.address(name).url.split(":")[2].split("/")[0])
                service.links[name] = self._proxy.link(f"{service.name}>{name}", port, is_exchange=True)
        self._write_settings()

    def _open_kafka_links(self) -> list[Door]:
        chance = random.SystemRandom()
        doors: list[Door] = []
        for number, service in enumerate(self.services, 1):
            port = choose_port(chance, taken=frozenset(door.port for door in doors))
            link = self._proxy.link(f"{service.name}>{KAFKA}", port, is_exchange=False)
            service.links[KAFKA] = link
            doors.append(Door(name=f"DOOR{number}", port=port, advertised_port=link.port))
        return doors

    def _write_settings(self) -> None:
        pipeline = Pipeline(
            name=PIPELINE,
            source=SOURCE,
            partition_count=self.options.partition_count,
            mailboxes=self.mailboxes,
            servers={name: self.address(name) for name in self.servers},
        )
        direct = pipeline.settings(self._directory / "data-harness", self.running_broker().bootstrap_servers, {})
        self.config.write_text(direct, encoding="utf-8")
        for service in self.services:
            ports = {name: link.port for name, link in service.links.items()}
            text = pipeline.settings(service.data, f"{HOST}:{ports.pop(KAFKA)}", ports)
            service.config.write_text(text, encoding="utf-8")

    def start_services(self) -> None:
        """Start the services, and their supervision."""
        self._start([service.start for service in self.members])
        self.workers.submit(self._supervisor.run)

    def _start(self, starts: Sequence[Callable[[], object]]) -> None:
        with undivided():
            self._starting = [self.workers.submit(start) for start in starts]
        for one in self._starting:
            one.result()

    def stop_feeds(self) -> None:
        """Stop every feed in order: nothing more is written to the log of changes."""
        self._stop([service for service in self.services if not service.target])

    def stop_services(self) -> None:
        """Stop all services in order, at once."""
        self._supervisor.stop()
        self._stop(self.services)

    def _stop(self, services: list[Service]) -> None:
        stopping = [self.workers.submit(service.stop) for service in services]
        for one in stopping:
            one.result()

    def stop(self) -> None:
        """Stop whatever runs, clients first; what is being started by a worker is there before it is stopped."""
        wait(self._starting)
        self.stop_services()
        for server in self.servers.values():
            server.stop()
        if self.broker is not None:
            self.broker.stop()
        self._proxy.close()
        self.workers.shutdown()

    # -- asking ----------------------------------------------------------------------------------------------

    def status(self) -> list[Mapping[str, Any]]:
        """Return where every mailbox stands, as `mailshadow status --json` prints it; nothing while Kafka can't say."""
        loaded = settings.load(self.config, {})
        connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
        with contextlib.suppress(PartitionLost, KafkaUnreachableError):
            wanted = {topics.target_state(name) for name in loaded.targets}
            if wanted <= partition_counts(connection).keys():
                return list(status_report(pipeline_state.read(connection, topics, tuple(loaded.targets)))["mailboxes"])
        return []
