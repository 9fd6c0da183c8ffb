"""`run`, `feed`, `replay`: the services. SIGTERM and Ctrl-C drain and leave with exit code 0."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

import click
from prometheus_client import CollectorRegistry

from deploy import schema_registry, wiring
from deploy.commands.options import config_option, settings_of
from deploy.commands.preflight import require_source, require_target
from deploy.commands.target_mailbox import require_target_name
from deploy.endpoints import Endpoints, Guard
from deploy.kafka import KafkaUnreachableError
from deploy.lab.broker.process import Broker
from deploy.logs import set_up
from deploy.observation.monitor import Monitor
from deploy.promotion.turned import TurnedRegistry, turned
from deploy.registry import Registry
from deploy.sections import Settings, SettingsError
from deploy.settings import with_bootstrap_servers
from deploy.wiring import Service, kafka_settings, topics_of

log = logging.getLogger(__name__)

KAFKA_AWAY_SECONDS_MAX = 20.0
KAFKA_RETRY_SECONDS = 0.5


class Serving(Protocol):
    """What answers for itself at `/metrics`, `/healthz` and `/readyz`."""

    @property
    def registry(self) -> CollectorRegistry:
        """What it tells of itself."""
        ...

    def is_healthy(self) -> bool:
        """Tell whether it works at all."""
        ...

    def is_ready(self) -> bool:
        """Tell whether it does what it is for."""
        ...


def await_topics(settings: Settings, stop: threading.Event) -> None:
    """Make sure the topics are there; a broker that is away for a moment, as at a restart, is waited for."""
    deadline = time.monotonic() + KAFKA_AWAY_SECONDS_MAX
    while True:
        try:
            wiring.prepare_topics(settings)
        except KafkaUnreachableError:
            if stop.wait(KAFKA_RETRY_SECONDS) or time.monotonic() > deadline:
                raise
        else:
            return


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


@contextmanager
def serving(service: Serving, port: int, guard: Guard) -> Iterator[None]:
    """Answer for a service while the block lasts, where a port is set; PortInUseError if another process has it."""
    if not port:
        yield
        return
    endpoints = Endpoints(service.registry, service.is_healthy, service.is_ready, port, guard)
    try:
        yield
    finally:
        endpoints.close()


_back_option = click.option(
    "--back", default="", metavar="TARGET", help="Of the way back from this target, once it was promoted."
)


def _directed(settings: Settings, back: str) -> Settings:
    """Return the settings of the direction that is asked for."""
    if not back:
        return settings
    require_target_name(settings, back)
    return turned(settings, back)


def _registry(config: Path, settings: Settings, back: str) -> Registry | TurnedRegistry:
    """Return who is mirrored, as the direction has it."""
    if not back:
        return Registry(settings, kafka_settings(settings), topics_of(settings))
    there = settings_of(config, needs_kafka=True)
    return TurnedRegistry(Registry(there, kafka_settings(there), topics_of(there)), back, there.source.name)


def _serve(service: Service, port: int, guard: Guard, stop: threading.Event) -> None:
    with serving(service, port, guard):
        service.run(stop)


@click.command()
@config_option
@_back_option
@click.option("--preflight/--no-preflight", default=True, help="Open every mailbox once before starting.")
def feed(config: Path, back: str, preflight: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Capture changes of the source into the log."""
    set_up()
    settings = _directed(settings_of(config, needs_kafka=True), back)
    stop = stop_on_signals()
    await_topics(settings, stop)
    if preflight:
        require_source(settings)
    mailboxes = _registry(config, settings, back)
    _serve(wiring.feed_service(settings, mailboxes), settings.feed.metrics_port, wiring.guard_of(settings), stop)


@click.command()
@config_option
@click.option("--target", default="", help="Name of the target in the settings.")
@_back_option
@click.option("--preflight/--no-preflight", default=True, help="Open every mailbox once before starting.")
def replay(config: Path, target: str, back: str, preflight: bool) -> None:  # noqa: FBT001 - as above
    """Apply the log to one target."""
    set_up()
    if bool(target) == bool(back):
        raise SettingsError("--target or --back: give one of them")
    settings = _directed(settings_of(config, needs_kafka=True), back)
    target = target or next(iter(settings.targets))
    if target not in settings.targets:
        raise SettingsError(f"--target {target}: the settings have {', '.join(settings.targets)}")
    stop = stop_on_signals()
    await_topics(settings, stop)
    if preflight:
        require_target(settings, target)
    mailboxes = _registry(config, settings, back)
    _serve(
        wiring.replay_service(settings, mailboxes, target),
        _metrics_port(settings, target),
        wiring.guard_of(settings),
        stop,
    )


@click.command()
@config_option
@click.option("--preflight/--no-preflight", default=True, help="Open every mailbox once before starting.")
def run(config: Path, preflight: bool) -> None:  # noqa: FBT001 - as above
    """Run everything on one machine: feed, replay of every target, monitor, and Kafka where none is configured."""
    set_up()
    settings = settings_of(config)
    schema_registry.adopt(settings)
    stop = stop_on_signals()
    with ExitStack() as stack:
        settings = _with_kafka(settings, stack)
        await_topics(settings, stop)
        if preflight:
            require_source(settings)
            for target in settings.targets:
                require_target(settings, target)
        mailboxes = Registry(settings, kafka_settings(settings), topics_of(settings))
        services = [(wiring.feed_service(settings, mailboxes), settings.feed.metrics_port)]
        services += [
            (wiring.replay_service(settings, mailboxes, t), _metrics_port(settings, t)) for t in settings.targets
        ]
        for service, port in services:
            stack.enter_context(serving(service, port, wiring.guard_of(settings)))
        watching = _with_monitor(settings, stack)
        _run_together([service for service, _ in services], watching, stop)


def _metrics_port(settings: Settings, target: str) -> int:
    return settings.targets[target].metrics_port or settings.replay.metrics_port


def _with_kafka(settings: Settings, stack: ExitStack) -> Settings:
    """Start the embedded broker, flushing every append, where no bootstrap servers are set."""
    if settings.kafka.bootstrap_servers:
        return settings
    broker = Broker(settings.pipeline.data_directory / "kafka", flush_every_append=True)
    broker.start()
    stack.callback(broker.stop)
    return with_bootstrap_servers(settings, broker.bootstrap_servers)


def _with_monitor(settings: Settings, stack: ExitStack) -> Monitor | None:
    """Have the monitor answer where a port is set for it: it does nothing but answer."""
    if not settings.monitor.metrics_port:
        return None
    monitor = Monitor(settings)
    stack.enter_context(serving(monitor, settings.monitor.metrics_port, wiring.guard_of(settings)))
    return monitor


def _run_together(services: list[Service], monitor: Monitor | None, stop: threading.Event) -> None:
    """Run until told to stop, or until a service fails; a monitor that fails stops only itself."""
    failures: list[Exception] = []

    def guarded(service: Service) -> Callable[[], None]:
        def work() -> None:
            try:
                service.run(stop)
            except Exception as error:  # noqa: BLE001 - raised again by the main thread
                failures.append(error)
                stop.set()

        return work

    def watch() -> None:
        try:
            if monitor:
                monitor.run(stop)
        except Exception:
            log.exception("the monitor ended: its figures are old, and /healthz of its port fails")

    threads = [threading.Thread(target=guarded(s), name=f"service-{n}") for n, s in enumerate(services)]
    threads.append(threading.Thread(target=watch, name="monitor"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
