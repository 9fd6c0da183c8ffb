"""The run of `mailshadow lab`: fill, copy, live activity, wait for the last change, compare.

Read `run` from top to bottom: it is the whole story.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from deploy.lab import report
from deploy.lab.broker.jars import KAFKA_VERSION
from deploy.lab.comparison.comparison import compare
from deploy.lab.comparison.folders import staging_of
from deploy.lab.display import Display
from deploy.lab.lag import lags_seconds, percentile
from deploy.lab.session import UserSession
from deploy.lab.standing import StalledError, Standing, standing
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import Filled, Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.workload.mail import NewMail
from deploy.lab.world import TARGET, World

GENERATED_MAILS = 140
"""Messages a mailbox when mail is generated."""
GENERATED_ENTRIES = 10
"""Appointments, contacts, tasks and notes a mailbox; none on the portable path, which carries mail only."""
STALL_SECONDS_MAX = 180.0
LOOK_INTERVAL_SECONDS = 0.5
STAGING_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is to happen: the user's own mail or generated mail, seconds of activity, the seed of both."""

    seconds: float
    seed: int
    mails: Iterable[NewMail] | None = None


@dataclass(slots=True)
class _Journal:
    """The part of a server's journal that was read so far."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    position: int = 0


class Demonstration:
    """One run in a world whose broker and servers are up."""

    def __init__(self, world: World, script: Script, display: Display) -> None:
        self._world = world
        self._script = script
        self._display = display
        self._generator = Generator(script.seed, tuple(source for source, _ in world.mailboxes))
        self._source = UserSession(world.source_address)
        self._target = UserSession(world.target_address)
        self._target_journal = _Journal()

    def run(self) -> report.RunResult:
        """Run it all; raises SessionError, ChildError, StalledError, ExchangeProcessError, MailPathError."""
        filled = self._fill()
        self._forget_calls()
        copied = self._first_copy(filled)
        live_changes, lags = self._live()
        self._await_empty_staging()
        parked = self._standing(0).parked
        calls = self._calls()
        self._world.stop_services()
        with self._display.phase("Comparing both servers item by item") as phase:
            addresses = self._world.source_address, self._world.target_address
            found = compare(*addresses, self._world.mailboxes, phase.report)
        options = self._world.options
        return report.RunResult(
            kafka_version=KAFKA_VERSION,
            source_version=options.source_version,
            target_version=options.target_version,
            comparison=found,
            parked=parked,
            first_copy=copied,
            live_changes=live_changes,
            lags_seconds=tuple(lags),
            log_bytes=self._world.log_bytes(),
            mail_bytes=filled.mail_bytes,
            server_calls=calls,
            seed=self._script.seed,
            commit=report.commit(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._source.close()
        self._target.close()

    def _fill(self) -> Filled:
        sources = [source for source, _ in self._world.mailboxes]
        with self._display.phase("Filling the source") as phase:
            filling = Filling(self._source, sources, lambda filled: phase.report(filled.items))
            if self._script.mails is None:
                self._fill_generated(filling)
            else:
                for mail in self._script.mails:
                    filling.add(mail)
            filling.flush()
        for code, count in filling.filled.refused.items():
            self._display.say(f"  the source refused {count} messages: {code}")
        return filling.filled

    def _fill_generated(self, filling: Filling) -> None:
        for owner in range(len(self._world.mailboxes)):
            filling.make_folders(owner, self._generator.folders[owner])
            for mail in self._generator.mails(owner, GENERATED_MAILS):
                filling.add(mail)
            if not self._world.options.is_portable:
                filling.add_entries(self._generator.entries(owner, GENERATED_ENTRIES))

    def _first_copy(self, filled: Filled) -> report.FirstCopy:
        began = time.time()
        with self._display.phase("First copy", filled.items) as phase:
            self._world.start_services()
            self._await_level(began, phase.report, items_total=filled.items)
        ended = max((entry["time"] for entry in self._target_journal.entries), default=began)
        return report.FirstCopy(items=filled.items, bytes=filled.mail_bytes, seconds=round(ended - began, 3))

    def _live(self) -> tuple[int, list[float]]:
        """Play and wait for the last change; return how many changes there were, and their lags in seconds."""
        before = self._last_position()
        first_arrival = len(self._target_journal.entries)
        sources = [source for source, _ in self._world.mailboxes]
        with self._display.phase("Live activity") as phase:
            pace = Pace(seconds=self._script.seconds)
            done = play(self._source, sources, self._generator, pace, lambda n: phase.report(n, "changes"))
        stopped = time.time()
        with self._display.phase("Waiting for the last change") as phase:
            self._await_level(stopped, phase.report)
        lags = lags_seconds(
            self._world.source.history(before),
            self._target_journal.entries[first_arrival:],
            dict(self._world.mailboxes),
            self._staging_folders(),
        )
        self._display.say(f"  lag of {len(lags)} changes: half within {percentile(lags, 0.5):.1f} s")
        return done.total(), lags

    # -- waiting -------------------------------------------------------------------------------------------

    def _await_level(self, since: float, show: Callable[[int, str], None], items_total: int | None = None) -> None:
        """Return once every mailbox is level and certain up to a time after `since`."""
        moved_at, seen = time.monotonic(), (-1, -1)
        while True:
            self._world.require_services()
            arrived = self._read_target_journal()
            if (
                items_total is not None
                and arrived < items_total
                and time.monotonic() - moved_at < LOOK_INTERVAL_SECONDS * 4
            ):
                show(arrived, f"{arrived / max(time.time() - since, 1):.0f} items/s")
                now = Standing(level=0, changes_left=items_total - arrived, parked=0, paused=0)
            else:
                now = self._standing(int(since * 1000))
                show(arrived if items_total is not None else now.level, f"{now.changes_left} changes behind")
            if now.level == len(self._world.mailboxes):
                return
            if (position := (self._target_journal.position, now.changes_left)) != seen:
                moved_at, seen = time.monotonic(), position
            elif time.monotonic() - moved_at > STALL_SECONDS_MAX:
                raise StalledError(self._stalled(now))
            time.sleep(LOOK_INTERVAL_SECONDS)

    def _standing(self, certain_after_ms: int) -> Standing:
        return standing(self._world.status(), TARGET, certain_after_ms)

    def _stalled(self, now: Standing) -> str:
        return (
            f"Nothing moved for {STALL_SECONDS_MAX:.0f} s: {now.level} of {len(self._world.mailboxes)} mailboxes are "
            f"level, {now.changes_left} changes are behind, {now.paused} mailboxes paused. The feed's last words:\n"
            f"{self._world.feed.last_words()}\nThe replay's:\n{self._world.replay.last_words()}"
        )

    def _await_empty_staging(self) -> None:
        """Give the replay time to clean staging, which it does when idle; the comparison tells if it did not."""
        deadline = time.monotonic() + STAGING_SECONDS_MAX
        while time.monotonic() < deadline and any(self._staged_counts()):
            time.sleep(LOOK_INTERVAL_SECONDS)

    def _staged_counts(self) -> list[int]:
        folders = (folder for _, target in self._world.mailboxes for folder in staging_of(self._target, target))
        return [folder.item_count for folder in folders]

    def _staging_folders(self) -> frozenset[str]:
        return frozenset(f.folder_id for _, target in self._world.mailboxes for f in staging_of(self._target, target))

    # -- journals and counters -----------------------------------------------------------------------------

    def _read_target_journal(self) -> int:
        """Read what is new in the target's journal; return how many items were moved to their place so far."""
        journal = self._target_journal
        fresh = self._world.target.history(journal.position)
        if fresh:
            journal.entries += fresh
            journal.position = fresh[-1]["seq"]
        return sum(entry["kind"] == "move" for entry in journal.entries)

    def _last_position(self) -> int:
        entries = self._world.source.history()
        return int(entries[-1]["seq"]) if entries else 0

    def _forget_calls(self) -> None:
        self._world.source.reset_calls()
        self._world.target.reset_calls()
        self._source.calls = self._target.calls = 0

    def _calls(self) -> dict[str, int]:
        """Return how many calls feed and replay made: all since the filling but those of the users."""
        pairs = {"source": (self._world.source, self._source), "target": (self._world.target, self._target)}
        return {
            name: sum(counted["calls"] for counted in server.calls()["operations"].values()) - session.calls
            for name, (server, session) in pairs.items()
        }
