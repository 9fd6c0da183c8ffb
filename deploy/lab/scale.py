"""`mailshadow lab scale`: one, two and four replays on eight partitions, against servers far away.

One log is captured once; each number of replays has a target of its own, whose server answers late, and not at all
until the partitions are shared. The rate is that of the items between a tenth and nine tenths, so that neither the
start nor the last mailbox counts. Then a second replay joins one that works, and in the end every target is compared
with the source: nothing missing, nothing twice.
"""

import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deploy import exit_codes, pipeline_state, settings, wiring
from deploy.kafka import partition_counts
from deploy.lab.broker.process import Broker
from deploy.lab.child import Child
from deploy.lab.command import named_exit_codes
from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.filling import fill
from deploy.lab.workload.generator import Generator

REPLAYS = (1, 2, 4)
JOINING = "joining"
MAILBOXES = 16
PARTITIONS = 8
LATENCY_SECONDS = 0.02
POLL_SECONDS = 0.1
SECONDS_MAX = 600.0
FIRST, LAST = 0.1, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast so many replays were, and how that compares with as many times the first."""

    replays: int
    items_per_second: float
    of_linear: float


class ScaleError(Exception):
    """A run did not come to its end, or a target differs."""


class Scene:
    """Kafka, one source, one target a run, and the processes that were started; stopped by the stack."""

    def __init__(self, directory: Path, items: int, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.items = items
        self.sources = [f"user{n}@source.test" for n in range(1, MAILBOXES + 1)]
        self.broker = stack.enter_context(Broker(directory / "kafka"))
        self.source = stack.enter_context(ExchangeProcess(directory / "source", version="2013", mailboxes=self.sources))
        names = [*(f"by{n}" for n in REPLAYS), JOINING]
        self.targets = {name: self._target(name) for name in names}
        self.config = directory / "mailshadow.toml"
        self.config.write_text(self._settings(), encoding="utf-8")

    def _target(self, name: str) -> ExchangeProcess:
        addresses = [a.replace("@source", f"@{name}") for a in self.sources]
        server = ExchangeProcess(
            self._directory / name,
            mailboxes=addresses,
            switches={"answer_delay_seconds": LATENCY_SECONDS},
        )
        return self._stack.enter_context(server)

    def _settings(self) -> str:
        def section(path: str, server: ExchangeProcess, further: str) -> str:
            found = server.connection
            return (
                f"[{path}]\nurl = {json.dumps(found.url)}\nuser = {json.dumps(found.user)}\n"
                f"password = {json.dumps(found.password)}\nversion = {json.dumps(server.version)}\n{further}\n\n"
            )

        text = f'[pipeline]\nname = "scale"\ndata_directory = {json.dumps(str(self._directory / "data"))}\n\n'
        text += f'[kafka]\nbootstrap_servers = "{self.broker.bootstrap_servers}"\npartition_count = {PARTITIONS}\n\n'
        text += section("source", self.source, 'name = "source"')
        for name, server in self.targets.items():
            text += section(f"targets.{name}", server, f'mailboxes = ["*@source.test"]\ndomain = "{name}.test"')
        text += "[feed]\npoll_interval_seconds = 1\nheartbeat_seconds = 1\n\n"
        return text + "".join(f"[[mailboxes]]\nsource = {json.dumps(a)}\n\n" for a in self.sources)

    def child(self, name: str, *arguments: str) -> Child:
        """Start a service whose processes share nothing on disk."""
        data = {"MAILSHADOW_PIPELINE__DATA_DIRECTORY": str(self._directory / name)}
        child = Child(name, [*arguments, "--config", str(self.config)], self._directory / f"{name}.log", data)
        child.start()
        self._stack.callback(child.stop)
        return child

    def applied(self, target: str) -> int:
        """Return how many items the target's server was given."""
        operations = self.targets[target].calls()["operations"]
        return int(operations.get("UploadItems", {}).get("items", 0))

    def capture(self) -> None:
        """Run a feed until the log holds every item; it stays, because targets may ask for something."""
        self.child("feed", "feed")
        loaded = settings.load(self.config, {})
        connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)

        def is_captured() -> bool:
            wanted = wiring.catalogue_of(loaded)
            if not {t.name for t in wanted} <= partition_counts(connection).keys():
                return False
            found = pipeline_state.read(connection, topics, ()).sources.values()
            return sum(s.items - s.owed for s in found) >= self.items

        _await(is_captured, 1.0, "the log does not hold every item")


def _await(condition: Callable[[], bool], interval_seconds: float, trouble: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise ScaleError(f"{trouble} after {SECONDS_MAX:.0f} s")
        time.sleep(interval_seconds)


def measure(scene: Scene, replays: int) -> float:
    """Have so many replays share the partitions, then let the server answer; return items a second."""
    target = f"by{replays}"
    server = scene.targets[target]
    server.signal(signal.SIGSTOP)
    children = [scene.child(f"{target}-{n}", "replay", "--target", target, "--no-preflight") for n in range(replays)]
    share = PARTITIONS // replays
    _await(
        lambda: all(child.last_words().count("partition acquired") >= share for child in children),
        POLL_SECONDS,
        f"{target}: the partitions are not shared",
    )
    server.signal(signal.SIGCONT)
    _await(lambda: scene.applied(target) >= FIRST * scene.items, POLL_SECONDS, f"{target}: nothing arrives")
    begun, first = time.monotonic(), scene.applied(target)
    _await(lambda: scene.applied(target) >= LAST * scene.items, POLL_SECONDS, f"{target}: not everything arrives")
    rate = (scene.applied(target) - first) / (time.monotonic() - begun)
    _await(lambda: scene.applied(target) >= scene.items, POLL_SECONDS, f"{target}: not everything arrives")
    time.sleep(2.0)  # the last items are moved to their places
    for child in children:
        child.stop()
    return rate


def join(scene: Scene) -> float:
    """Let a second replay join one that works; return the seconds until it has partitions of its own."""
    first = scene.child(f"{JOINING}-0", "replay", "--target", JOINING)
    _await(lambda: scene.applied(JOINING) >= FIRST * scene.items, POLL_SECONDS, f"{JOINING}: nothing arrives")
    begun = time.monotonic()
    second = scene.child(f"{JOINING}-1", "replay", "--target", JOINING)
    _await(lambda: "partition acquired" in second.last_words(), POLL_SECONDS, "the second replay has no work")
    seconds = time.monotonic() - begun
    _await(lambda: scene.applied(JOINING) >= scene.items, POLL_SECONDS, f"{JOINING}: not everything arrives")
    time.sleep(2.0)
    first.stop()
    second.stop()
    return seconds


def differing(scene: Scene, names: Sequence[str]) -> list[str]:
    """Return the targets that are not item by item what the source is."""
    return [
        name
        for name in names
        if not compare(
            _address(scene.source),
            _address(scene.targets[name]),
            [(a, a.replace("@source", f"@{name}")) for a in scene.sources],
        ).is_clean
    ]


def _address(server: ExchangeProcess) -> ServerAddress:
    found = server.connection
    return ServerAddress(url=found.url, user=found.user, password=found.password, version=server.version)


def run(items_each: int, directory: Path) -> dict[str, Any]:
    """Run everything; return the figures."""
    with ExitStack() as stack:
        scene = Scene(directory, items_each * MAILBOXES, stack)
        generator = Generator(1, tuple(scene.sources))
        session = UserSession(_address(scene.source))
        fill(session, scene.sources, (m for n in range(MAILBOXES) for m in generator.mails(n, items_each)))
        scene.capture()
        found = [measure(scene, replays) for replays in REPLAYS]
        joined_seconds = join(scene)
        for server in scene.targets.values():
            server.set_switch("answer_delay_seconds", 0)  # the comparison is not what is measured
        different = differing(scene, tuple(scene.targets))
    rates = [
        asdict(Rate(replays=n, items_per_second=round(r, 1), of_linear=round(r / (found[0] * n), 2)))
        for n, r in zip(REPLAYS, found, strict=True)
    ]
    return {
        "partitions": PARTITIONS,
        "latency_seconds": LATENCY_SECONDS,
        "items": items_each * MAILBOXES,
        "rates": rates,
        "joined_seconds": round(joined_seconds, 1),
        "different_targets": different,
    }


def show(console: Console, values: dict[str, Any]) -> None:
    """Print the figures."""
    latency = f"{values['latency_seconds'] * 1000:.0f} ms"
    table = Table(
        "replays", "items/s", "of linear", title=f"{values['items']} items, {PARTITIONS} partitions, {latency}"
    )
    for rate in values["rates"]:
        table.add_row(str(rate["replays"]), f"{rate['items_per_second']:.0f}", f"{rate['of_linear']:.2f}")
    console.print(table)
    console.print(f"A replay that joined had work after {values['joined_seconds']:.1f} s.")
    console.print(f"Targets that differ from the source: {', '.join(values['different_targets']) or 'none'}.")


@click.command()
@click.option(
    "--items", type=click.IntRange(10, 10_000), default=150, show_default=True, help="In each of 16 mailboxes."
)
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
def scale(*, items: int, report_path: Path | None) -> None:
    """Measure one, two and four replays on eight partitions, and how soon one more has work."""
    with named_exit_codes(), TemporaryDirectory(prefix="mailshadow-scale-") as directory:
        values = run(items, Path(directory))
    show(Console(), values)
    if report_path is not None:
        report_path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    if values["different_targets"]:
        raise SystemExit(exit_codes.DIFFERENT)
