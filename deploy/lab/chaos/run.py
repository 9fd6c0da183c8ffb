"""One chaos run: fill, start, act under a storm, heal, drain, and leave behind everything needed to judge it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.lab.chaos.crowd import Crowd
from deploy.lab.chaos.erased import put_back
from deploy.lab.chaos.evidence import history_file, write_lines
from deploy.lab.chaos.faults.table import FAULTS, ONLY_BY_NAME
from deploy.lab.chaos.journal import JournalFile, now_ms
from deploy.lab.chaos.schedule import Planned, plan
from deploy.lab.chaos.storm import Storm
from deploy.lab.chaos.strangers import Strangers
from deploy.lab.chaos.topic_dump import dump
from deploy.lab.chaos.truth import Numbers, Scribe
from deploy.lab.chaos.world import PIPELINE, SOURCE, ChaosOptions, ChaosWorld
from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.history import read as read_history
from deploy.lab.standing import standing

FILLED_EACH: Final = 25
AFTERMATH_SECONDS: Final = 3.0
"""How long users go on after everything healed: what heals must also work."""
QUIET_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.5
LAST_WORDS_SECONDS_MAX: Final = 30.0
"""How long the replays may take for what the feeds wrote last."""

FIRST_COPY_SECONDS_MAX: Final = 90.0
FIRST_COPY_STORMED_EVERY: Final = 4
"""Every fourth seed has its faults from the first moment on; the others begin when the first copy is done."""

Say = Callable[[str], None]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPlan:
    """What to run; `minutes` is the time under faults, `kinds` restricts them (empty: all)."""

    seed: int
    minutes: float
    directory: Path
    command: str
    kinds: tuple[str, ...] = ()
    mailbox_count: int = 4
    targets: tuple[tuple[str, str], ...] = (("standby", "2019"),)
    drain_seconds_max: float = 150.0


@dataclass(slots=True)
class Moments:
    """When what happened, in milliseconds since the epoch; `level_ms` None where it never came to rest."""

    began_ms: int = 0
    faults_began_ms: int = 0
    healed_ms: int = 0
    level_ms: int | None = None
    ended_ms: int = 0


@dataclass(slots=True)
class ChaosRun:
    """A run and its directory."""

    plan: ChaosPlan
    say: Say
    on_stopping: Callable[[], object] = lambda: None
    """Called right before everything is stopped."""
    moments: Moments = field(default_factory=Moments)

    def run(self) -> None:
        """Run it and leave the evidence in the directory; every process is gone when this returns or raises."""
        directory = self.plan.directory
        directory.mkdir(parents=True, exist_ok=True)
        self.moments.began_ms = now_ms()
        with ExitStack() as stack:
            journal = stack.enter_context(JournalFile(directory / "faults.jsonl"))
            truth = stack.enter_context(JournalFile(directory / "truth.jsonl"))
            world = ChaosWorld(self._options(), journal)
            stack.callback(world.stop)
            stack.callback(self.on_stopping)
            self.say("Starting Kafka and the servers")
            world.start_servers()
            numbers = Numbers()
            crowd = self._crowd(world, Scribe(truth, numbers, SOURCE))
            storm = Storm(world, journal, self._strangers(world, truth, numbers))
            self._live(world, crowd, storm)
            rows = self._drain(world)
            self._collect(world, storm, rows)

    def _options(self) -> ChaosOptions:
        chosen = self.plan
        return ChaosOptions(
            directory=chosen.directory,
            seed=chosen.seed,
            mailbox_count=chosen.mailbox_count,
            targets=chosen.targets,
        )

    def _crowd(self, world: ChaosWorld, scribe: Scribe) -> Crowd:
        crowd = Crowd(world.address(SOURCE), [source for source, _ in world.mailboxes], scribe, self.plan.seed)
        self.say("Filling the source")
        crowd.fill(FILLED_EACH)
        return crowd

    def _strangers(self, world: ChaosWorld, truth: JournalFile, numbers: Numbers) -> Strangers:
        names = [name for name, _ in self.plan.targets]
        return Strangers(
            addresses={name: world.address(name) for name in names},
            mailboxes={name: [at[name] for _, at in world.mailboxes] for name in names},
            scribes={name: Scribe(truth, numbers, name) for name in names},
            seed=self.plan.seed,
        )

    def _live(self, world: ChaosWorld, crowd: Crowd, storm: Storm) -> None:
        seconds = self.plan.minutes * 60
        faults = self._faults(seconds)
        self.say(f"{len(faults)} faults in {seconds:.0f} s, seed {self.plan.seed}")
        world.start_services()
        if self.plan.seed % FIRST_COPY_STORMED_EVERY:
            self.say("First copy")
            self._await_level(world, FIRST_COPY_SECONDS_MAX, 0.0, now_ms())
        self.moments.faults_began_ms = now_ms()
        acting = world.workers.submit(crowd.act, seconds + self.plan.drain_seconds_max)
        try:
            storm.blow(faults)
            self.moments.healed_ms = now_ms()
            time.sleep(AFTERMATH_SECONDS)
        finally:
            storm.calm()
            crowd.rest()
            acting.result()

    def _faults(self, seconds: float) -> Sequence[Planned]:
        kinds = self.plan.kinds or tuple(kind for kind, row in FAULTS.items() if row.draw.weight != ONLY_BY_NAME)
        return plan(self.plan.seed, seconds, {kind: FAULTS[kind].drawn(self.plan.minutes) for kind in kinds})

    # -- the end ---------------------------------------------------------------------------------------------

    def _drain(self, world: ChaosWorld) -> Rows:
        """Wait until the product itself says it is level, for a while without a break; return the last status.

        Feeds go on to say checksums at rest: they are stopped first, and the replays read to the end of the log.
        """
        for server in world.servers.values():
            server.clear_faults()
        self.say("Draining")
        rested_ms = now_ms()
        rows, self.moments.level_ms = self._await_level(world, self.plan.drain_seconds_max, QUIET_SECONDS, rested_ms)
        world.stop_feeds()
        return self._await_level(world, LAST_WORDS_SECONDS_MAX, QUIET_SECONDS, rested_ms)[0] or rows

    def _await_level(
        self, world: ChaosWorld, seconds_max: float, quiet_seconds: float, rested_ms: int
    ) -> tuple[Rows, int | None]:
        """Return the last status, and since when it has been level; None where it wasn't for so long in time."""
        deadline = time.monotonic() + seconds_max
        level_ms: int | None = None
        rows: Rows = ()
        while time.monotonic() < deadline:
            rows = world.status() or rows
            names = [name for name, _ in self.plan.targets]
            if not all(standing(rows, name, rested_ms).level == len(world.mailboxes) for name in names):
                level_ms = None
            elif level_ms is None:
                level_ms = now_ms()
            if level_ms is not None and now_ms() - level_ms >= quiet_seconds * 1000:
                return rows, level_ms
            time.sleep(LOOK_SECONDS)
        return rows, None

    def _collect(self, world: ChaosWorld, storm: Storm, rows: Rows) -> None:
        self.say("Collecting the evidence")
        world.stop_services()
        directory = self.plan.directory
        dump(world.running_broker().bootstrap_servers, f"{PIPELINE}.", directory / "topics.jsonl")
        put_back(directory, directory / "topics.jsonl")
        self._compare(world)
        for name, server in world.servers.items():
            server.stop()
            write_lines(history_file(directory, name), read_history(server.directory))
        self.moments.ended_ms = now_ms()
        text = json.dumps(self._summary(world, storm, rows), indent=1)
        (directory / "run.json").write_text(text, encoding="utf-8")

    def _compare(self, world: ChaosWorld) -> None:
        found = {}
        for name, _ in self.plan.targets:
            pairs = [(source, at[name]) for source, at in world.mailboxes]
            found[name] = asdict(compare(world.address(SOURCE), world.address(name), pairs))
        (self.plan.directory / "comparison.json").write_text(json.dumps(found, indent=1), encoding="utf-8")

    def _summary(self, world: ChaosWorld, storm: Storm, rows: Rows) -> dict[str, Any]:
        return {
            "seed": self.plan.seed,
            "minutes": self.plan.minutes,
            "command": self.plan.command,
            **asdict(self.moments),
            "pipeline": PIPELINE,
            "source": SOURCE,
            "source_version": world.options.source_version,
            "targets": {name: {"version": version} for name, version in self.plan.targets},
            "partition_count": world.options.partition_count,
            "mailboxes": [{"source": source, "targets": at} for source, at in world.mailboxes],
            "services": [service.name for service in world.services],
            "counts": dict(storm.counts),
            "last_status": list(rows),
        }
