"""Two feeds and two replays share the mailboxes: one ends, is killed or sleeps, and the other takes its share."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.lab.child import Child
from deploy.lab.comparison.comparison import compare
from deploy.lab.session import UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.world import TARGET, World, WorldOptions

MAILBOXES = 6
SLEEP_SECONDS = 20.0
"""Longer than the session time-out of the group (6 s) and than transaction.timeout.ms (15 s)."""
TAKEOVER_SECONDS_MAX = 30.0
LEVEL_SECONDS_MAX = 90.0


class Pair:
    """A world with a second feed and a second replay."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        arguments = ["--config", str(world.config)]
        self.second_feed = Child("feed-2", ["feed", *arguments], directory / "feed2.log")
        self.second_replay = Child("replay-2", ["replay", *arguments, "--target", TARGET], directory / "replay2.log")
        self.generator = Generator(3, tuple(source for source, _ in world.mailboxes))
        self.session = UserSession(world.source_address)

    def start(self) -> None:
        sources = [source for source, _ in self.world.mailboxes]
        filling = Filling(self.session, sources, lambda _: None)
        for owner in range(len(sources)):
            filling.make_folders(owner, self.generator.folders[owner])
            for mail in self.generator.mails(owner, 20):
                filling.add(mail)
        filling.flush()
        self.world.start_services()
        self.second_feed.start()
        self.second_replay.start()
        self.await_level(LEVEL_SECONDS_MAX)

    def act(self) -> None:
        sources = [source for source, _ in self.world.mailboxes]
        play(self.session, sources, self.generator, Pace(seconds=3.0))

    def await_level(self, seconds_max: float) -> float:
        """Wait until everything that happened so far has arrived; return how long it took."""
        began = time.monotonic()
        since_ms = int(time.time() * 1000)
        while time.monotonic() - began < seconds_max:
            if standing(self.world.status(), TARGET, since_ms).level == len(self.world.mailboxes):
                return time.monotonic() - began
            time.sleep(0.3)
        pytest.fail(f"not level after {seconds_max:.0f} s: {self.world.status()}")

    def assert_exact(self) -> None:
        time.sleep(2.0)
        found = compare(self.world.source_address, self.world.target_address, self.world.mailboxes)
        assert found.is_clean, found
        assert found.staged == 0, found


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    world = World(WorldOptions(directory=tmp_path, mailbox_count=MAILBOXES))
    both: Pair | None = None
    try:
        world.broker.start()
        world.start_servers()
        both = Pair(world, tmp_path)
        yield both
    finally:
        if both:
            both.second_feed.stop()
            both.second_replay.stop()
        world.stop()


def _end(child: Child) -> None:
    assert child.stop() == 0


def _kill(child: Child) -> None:
    child.signal(signal.SIGKILL)
    child.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("leave", [_end, _kill], ids=["SIGTERM", "SIGKILL"])
def test_the_share_of_one_that_leaves_moves_to_the_other_and_nothing_is_lost_or_doubled(
    pair: Pair, leave: Callable[[Child], None]
) -> None:
    pair.start()
    leave(pair.second_feed)
    leave(pair.second_replay)
    pair.act()
    pair.await_level(TAKEOVER_SECONDS_MAX)
    pair.assert_exact()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_one_that_sleeps_longer_than_its_session_and_wakes_up_writes_nothing_late(pair: Pair) -> None:
    pair.start()
    for child in (pair.second_feed, pair.second_replay):
        child.signal(signal.SIGSTOP)
    asleep_at = time.monotonic()
    pair.act()
    pair.await_level(TAKEOVER_SECONDS_MAX)
    time.sleep(max(0.0, SLEEP_SECONDS - (time.monotonic() - asleep_at)))
    for child in (pair.second_feed, pair.second_replay):
        child.signal(signal.SIGCONT)
    pair.act()
    pair.await_level(LEVEL_SECONDS_MAX)
    pair.assert_exact()
