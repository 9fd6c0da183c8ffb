"""`mailshadow lab cycles`: failover and failback again and again, under load, with something killed in most of them.

A cycle: users work; the source and its feed die, or the promotion is planned; the target is promoted; users work there,
and, where the source had died, on both sides; everybody goes home. Judged by what servers show through EWS alone:

* the completed loss statement names exactly the items that were missing, item by item;
* what was new on either side, or stood on both, stands on both afterwards (what one side had deleted may be gone);
* in the end both servers are equal, item by item: nothing twice, nothing foreign, no folder too many.
"""

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import click
from rich.console import Console

from deploy import exit_codes
from deploy.interruption import interruptible
from deploy.lab import report
from deploy.lab.child import Child
from deploy.lab.command import named_exit_codes, run_directory
from deploy.lab.comparison.comparison import compare, read_side
from deploy.lab.cycle_result import CycleResult, show, values_of
from deploy.lab.disaster import judged, reported_in
from deploy.lab.missed import Journal, Missed, missed
from deploy.lab.operator import Operator, Strike
from deploy.lab.session import SessionError, UserSession
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.world import World, WorldOptions
from schemas.identity import mailbox_id

MAILS = 40
UNSEEN_SECONDS_MAX = 2.0
PAUSE_SECONDS = 1.0
STRUCK_BEFORE_SECONDS = 6.0
PORTIONS = ("nothing", "command", "replay", "kafka", "target")
HOME_PORTIONS = (*PORTIONS, "feed", "feed back", "replay back", "source")
Identities = set[tuple[str, bytes]]
"""Mailbox id and identity of an item, equal on both servers."""


@dataclass(slots=True)
class Cycles:
    """Cycles in one world, all drawn from one seed."""

    world: World
    seed: int
    say: Callable[[str], None]
    chance: random.Random = field(init=False)
    operator: Operator = field(init=False)
    source: UserSession = field(init=False)
    target: UserSession = field(init=False)
    results: list[CycleResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw from the seed."""
        self.chance = random.Random(self.seed)  # noqa: S311 - a test's chance
        self.operator = Operator(self.world)
        self.source, self.target = UserSession(self.world.source_address), UserSession(self.world.target_address)

    def run(self, count: int) -> None:
        """Make the first copy and so many cycles; stops after one that is not clean."""
        sources = [source for source, _ in self.world.mailboxes]
        generator = Generator(self.seed, tuple(sources))
        filling = Filling(self.source, sources, lambda _: None)
        for owner in range(len(sources)):
            filling.make_folders(owner, generator.folders[owner])
            for mail in generator.mails(owner, MAILS):
                filling.add(mail)
        filling.flush()
        self.world.start_services()
        self.operator.await_level()
        for number in range(1, count + 1):
            self.results.append(self._cycle(number))
            self.say(self.results[-1].told)
            if not self.results[-1].is_clean:
                return

    def close(self) -> None:
        """Close the connections."""
        self.source.close()
        self.target.close()

    def _cycle(self, number: int) -> CycleResult:
        began, is_lost = time.monotonic(), self.chance.random() < 0.6  # noqa: PLR2004 - somewhat more often
        struck = self.chance.choice(PORTIONS), self.chance.choice(HOME_PORTIONS)
        self.say(f"cycle {number}: {'source lost' if is_lost else 'planned'}, struck: {struck}")
        seen = self._seen()
        self._work_and_die() if is_lost else self._work(self.source, self._generator(), 3.0)
        said = self.operator.promote(*(["--source-lost"] if is_lost else []), strike=self._strike(struck[0]))
        barrier = self._identities(self.target, at=1)
        counts = self._returned(seen) if is_lost else {}
        self._work(self.target, self._generator(), self.chance.uniform(1.0, 4.0))
        if is_lost:
            self._work(self.source, self._generator(), self.chance.uniform(0.0, 2.0))
        sides = self._identities(self.source, at=0), self._identities(self.target, at=1)
        home = self.operator.go_home(self._strike(struck[1]))
        self._keep_up()
        self.operator.await_level()
        for owner in self.world.owners_back:
            owner.stop()
        must_survive = (sides[0] - barrier) | (sides[1] - barrier) | (sides[0] & sides[1])
        found = compare(self.world.source_address, self.world.target_address, self.world.mailboxes)
        wrong = (found.missing, found.extra, found.differing, found.foreign, found.folders_missing, found.folders_extra)
        return CycleResult(
            number=number,
            kind="source lost" if is_lost else "planned",
            struck=struck,
            lost=len(must_survive - self._identities(self.source, at=0)),
            conflicts=sum(len(row["conflicts"]) for row in home["mailboxes"]),
            unequal=sum(wrong) + found.staged,
            items=found.items_source,
            seconds=round(time.monotonic() - began, 1),
            nothing_lost_said=bool(said["nothing_lost"]),
            **counts,
        )

    # -- users ---------------------------------------------------------------------------------------------

    def _generator(self) -> Generator:
        return Generator(self.chance.randrange(1 << 30), tuple(source for source, _ in self.world.mailboxes))

    def _work(self, session: UserSession, generator: Generator, seconds: float) -> None:
        place = 0 if session is self.source else 1
        addresses = [pair[place] for pair in self.world.mailboxes]
        try:
            play(session, addresses, generator, Pace(seconds=seconds))
        except SessionError:
            return  # their server died

    def _work_and_die(self) -> None:
        """Kill feed and source while users work; the feed a little earlier, or at the same time."""
        worker = threading.Thread(target=self._work, args=(self.source, self._generator(), 60.0), name="users")
        worker.start()
        time.sleep(self.chance.uniform(1.0, 4.0))
        self.world.feed.signal(signal.SIGKILL)
        time.sleep(self.chance.uniform(0.0, UNSEEN_SECONDS_MAX))
        self.world.source.signal(signal.SIGKILL)
        worker.join()

    # -- what the servers show -----------------------------------------------------------------------------

    def _seen(self) -> int:
        return int(self.world.source.history()[-1]["seq"])

    def _returned(self, seen: int) -> dict[str, int]:
        """Bring the source back and compare the completed statement with what is really missing."""
        self.world.feed.stop()
        self.world.source.kill()
        self.world.source.start()
        reported = reported_in(self.operator.run("failover", "--tail", "--json"))
        written = self.world.source.history(seen)
        sessions = self.source, self.target
        missing: dict[str, Missed] = {
            mailbox_id(pair[0]): missed(sessions, pair, Journal.of(written)) for pair in self.world.mailboxes
        }
        return judged(reported, missing, {entry["item_id"] for entry in written})

    def _identities(self, session: UserSession, *, at: int) -> Identities:
        found: Identities = set()
        for pair in self.world.mailboxes:
            for items in read_side(session, pair[at]).folders.values():
                found |= {(pair[0], item.identity) for item in items}
        return found

    # -- strikes -------------------------------------------------------------------------------------------

    def _strike(self, portion: str) -> Strike | None:
        if portion == "nothing":
            return None
        after_seconds = self.chance.uniform(0.3, STRUCK_BEFORE_SECONDS)

        def strike(process: Popen[str]) -> None:
            time.sleep(after_seconds)
            if portion == "command":
                process.kill()
            elif portion == "kafka":
                self.world.broker.kill()
                time.sleep(PAUSE_SECONDS)
                self.world.broker.start()
                self._keep_up()
            elif portion in {"source", "target"}:
                server = self.world.source if portion == "source" else self.world.target
                server.kill()
                time.sleep(PAUSE_SECONDS)
                server.start()
            else:
                self._kill(self._service(portion))

        return strike

    def _service(self, name: str) -> Child:
        services = (self.world.feed, self.world.replay, *self.world.owners_back)
        return next(service for service in services if service.name == name)

    @staticmethod
    def _kill(service: Child) -> None:
        if service.is_running:
            service.signal(signal.SIGKILL)
            service.stop()
            service.start()

    def _keep_up(self) -> None:
        """Start again what ended by itself while Kafka was away, as a supervisor does."""
        for service in (self.world.feed, self.world.replay, *self.world.owners_back):
            if service.has_ended:
                service.start()


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed draws the same cycles.")
@click.option("--cycles", "count", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--mailboxes", type=click.IntRange(1, 50), default=2, show_default=True)
@click.option("--source-version", type=click.Choice(["2013", "2016", "2019"]), default="2016", show_default=True)
@click.option("--target-version", type=click.Choice(["2013", "2016", "2019"]), default="2016", show_default=True)
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep all data in this new directory.")
def cycles(
    *,
    seed: int,
    count: int,
    mailboxes: int,
    source_version: str,
    target_version: str,
    report_path: Path | None,
    keep: Path | None,
) -> None:
    """Promote and lead back again and again, with something killed in most cycles; judge by what servers show."""
    console = Console()
    with named_exit_codes(), interruptible() as hold, ExitStack() as stack, hold:
        if report_path is not None:
            report.require_writable(report_path)
        options = WorldOptions(
            directory=run_directory(keep, stack),
            mailbox_count=mailboxes,
            source_version=source_version,
            target_version=target_version,
            partition_count=4,
        )
        world = World(options)
        stack.callback(world.stop)
        world.broker.start()
        world.start_servers()
        run = Cycles(world, seed, lambda text: console.print(text, highlight=False, markup=False))
        stack.callback(run.close)
        run.run(count)
    show(console, run.results)
    if report_path is not None:
        report.write(report_path, values_of(run.results, seed))
    if len(run.results) < count or not all(r.is_clean for r in run.results):
        raise SystemExit(exit_codes.DIFFERENT)
