"""The run of `mailshadow lab`: fill, copy, live activity, wait for the last change, compare.

Read `run` from top to bottom: it is the whole story.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from deploy.lab import report
from deploy.lab.broker.jars import KAFKA_VERSION
from deploy.lab.comparison.comparison import compare
from deploy.lab.comparison.folders import staging_of
from deploy.lab.display import Display
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.lag import lags_seconds, percentile, seconds_text
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
LIVE_LOOK_SECONDS = 1.0
LIVE_WINDOW_ENTRIES = 200
STILL_SECONDS = 10.0
"""After so long without a write at the target during activity that is said in place of a lag."""
TARGET_ENTRIES_A_CHANGE = 4
"""At most: created and stamped in staging, moved to its place, the replaced one deleted."""
STAGING_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is to happen: the user's own mail or generated mail, seconds of activity, the seed of both."""

    seconds: float
    seed: int
    mails: Iterable[NewMail] | None = None


class _Journal:
    """A server's journal of item writes, as far as it was read."""

    def __init__(self, server: ExchangeProcess) -> None:
        self._server = server
        self.entries: list[dict[str, Any]] = []
        self.position = 0
        self.moved = 0

    def read(self) -> None:
        """Read what is new; `moved` counts the items that were moved to their place."""
        fresh = self._server.history(self.position)
        if fresh:
            self.entries += fresh
            self.position = fresh[-1]["seq"]
            self.moved += sum(entry["kind"] == "move" for entry in fresh)


class Demonstration:
    """One run in a world whose broker and servers are up."""

    def __init__(
        self, world: World, script: Script, display: Display, on_stage: Callable[[str], None] = lambda _: None
    ) -> None:
        self._on_stage = on_stage
        self._world = world
        self._script = script
        self._display = display
        self._generator = Generator(script.seed, tuple(source for source, _ in world.mailboxes))
        self._source = UserSession(world.source_address)
        self._target = UserSession(world.target_address)
        self._source_journal = _Journal(world.source)
        self._target_journal = _Journal(world.target)

    def run(self) -> report.RunResult:
        """Run it all; raises SessionError, ChildError, StalledError, ExchangeProcessError, MailPathError."""
        filled = self._fill()
        self._forget_calls()
        self._on_stage("filled")
        copied = self._first_copy(filled)
        self._on_stage("copied")
        live_changes, lags = self._live()
        self._await_empty_staging()
        self._on_stage("quiet")
        parked = self._standing(0).parked
        calls = self._calls()
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
        for origin, code in filling.filled.refusals:
            self._display.say(f"  not loaded: {origin}: {code}")
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
        self._source_journal.read()
        first = len(self._source_journal.entries), len(self._target_journal.entries)
        staging = self._staging_folders()
        sources = [source for source, _ in self._world.mailboxes]
        with self._display.phase("Live activity", unit="changes") as phase:
            began = said_at = moved_at = time.monotonic()

            def show(count: int) -> None:
                nonlocal said_at, moved_at
                now = time.monotonic()
                if now - said_at < LIVE_LOOK_SECONDS:
                    return
                said_at, position = now, self._target_journal.position
                lag = percentile(self._lags(*first, staging, newest=LIVE_WINDOW_ENTRIES), 0.5)
                if self._target_journal.position != position:
                    moved_at = now
                elif now - moved_at > STALL_SECONDS_MAX:
                    raise StalledError(self._stalled(self._standing(0)))
                phase.report(count, f"{count / (now - began):.0f}/s, {live_text(lag, now - moved_at)}")

            done = play(self._source, sources, self._generator, Pace(seconds=self._script.seconds), show)
            phase.report(done.total())
        stopped = time.time()
        mailboxes = len(self._world.mailboxes)
        with self._display.phase("Waiting for the last change", mailboxes, unit="mailboxes level") as phase:
            self._await_level(stopped, phase.report)
        return done.total(), self._lags(*first, staging)

    def _lags(
        self, first_source: int, first_target: int, staging: frozenset[str], newest: int | None = None
    ) -> list[float]:
        """Return the lags since these places in the journals, of the newest entries only where a number is given."""
        self._source_journal.read()
        self._target_journal.read()
        source, target = self._source_journal.entries[first_source:], self._target_journal.entries[first_target:]
        if newest is not None:
            source, target = source[-newest:], target[-newest * TARGET_ENTRIES_A_CHANGE :]
        return lags_seconds(source, target, dict(self._world.mailboxes), staging)

    # -- waiting -------------------------------------------------------------------------------------------

    def _await_level(self, since: float, show: Callable[[int, str], None], items_total: int | None = None) -> None:
        """Return once every mailbox is level and certain up to a time after `since`."""
        moved_at, seen = time.monotonic(), (-1, -1)
        while True:
            self._world.require_services()
            self._target_journal.read()
            arrived = self._target_journal.moved
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
            f"level, {now.changes_left} changes are behind, {now.paused} mailboxes paused, {len(now.held)} held"
            f"{f' ({now.held[0]})' if now.held else ''}. The feed's last words:\n"
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


def live_text(lag_seconds: float | None, still_seconds: float) -> str:
    """Return how the target follows: the lag, or for how long nothing arrived there."""
    if still_seconds > STILL_SECONDS:
        return f"nothing arrived for {still_seconds:.0f} s"
    return f"lag {seconds_text(lag_seconds)}"
