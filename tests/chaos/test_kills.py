"""kill -9 of every process, at random moments of the first copy and of live activity, each with a call in flight.

Afterwards: everything at the source is at the target once, nothing else is, staging is empty. `MAILSHADOW_KILLS`
says how many moments each process is killed at in each phase, `MAILSHADOW_SEED` repeats a run.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import SessionError, UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.world import TARGET, World, WorldOptions

KILLS = int(os.environ.get("MAILSHADOW_KILLS", "1"))
SEED = int(os.environ.get("MAILSHADOW_SEED", "7"))
ROLES = ("feed", "replay", "broker", "source", "target")
MAILBOXES = 1 + len(ROLES) * KILLS
"""One that is mirrored from the start, and one whose first copy begins right before each kill."""
MAILS = 60
LEVEL_SECONDS_MAX = 120.0
HELD_SECONDS = 0.6
HOLD_ATTEMPTS_MAX = 10
"""Of 12 s each: after a kill of the broker or of an owner the next one may take most of a minute to begin."""
SOURCE_CALLS = ("ExportItems", "GetItem", "SyncFolderItems")
TARGET_CALLS = ("UploadItems", "UpdateItem", "MoveItem", "DeleteItem", "CreateFolder")


class Story:
    """A world under kills, and what was observed."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.waiting = world.mailboxes[1:]
        self._begin: Callable[[], None] = self.put_mail
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self._session = UserSession(world.source_address)
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin with one mailbox; the others are registered one after another."""
        del self.world.mailboxes[1:]
        self.world.start_services()

    def begin_first_copy(self) -> None:
        """Register one more mailbox, as `mailshadow mailboxes add` does."""
        source, target = self.waiting.pop()
        arguments = ["--config", str(self.world.config), source, f"{TARGET}={target}"]
        command = [sys.executable, "-m", "deploy", "mailboxes", "add", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own command
        self.world.mailboxes.append((source, target))

    def put_mail(self) -> None:
        """Give the newest mailbox some mail, so that there is something to be under way."""
        sources = [source for source, _ in self.world.mailboxes]
        filling = Filling(UserSession(self.world.source_address), sources, lambda _: None)
        for mail in Generator(SEED + 100 + sum(self.kills.values()), tuple(sources)).mails(len(sources) - 1, 3):
            filling.add(mail)
        filling.flush()

    def fill(self) -> None:
        sources = [source for source, _ in self.world.mailboxes]
        generator = Generator(SEED, tuple(sources))
        filling = Filling(self._session, sources, lambda _: None)
        for owner in range(len(sources)):
            filling.make_folders(owner, generator.folders[owner])
            for mail in generator.mails(owner, MAILS):
                filling.add(mail)
        filling.flush()

    def kill(self, role: str, *, is_first_copy: bool = False) -> None:
        """Wait for a call of this role to be under way, kill the process in it, start it again."""
        began = time.monotonic()
        self._begin = self.begin_first_copy if is_first_copy else self.put_mail
        if role == "broker":
            self._begin()
        is_hit = {
            "feed": lambda: self._hold(self.world.source, SOURCE_CALLS),
            "replay": lambda: self._hold(self.world.target, TARGET_CALLS),
            "source": lambda: self._hold(self.world.source, SOURCE_CALLS),
            "target": lambda: self._hold(self.world.target, TARGET_CALLS),
            "broker": self._stop_broker_until_asked,
        }[role]()
        self.kills[role] += 1
        self.hits[role] += is_hit
        waited_seconds = time.monotonic() - began
        print(f"kill {sum(self.kills.values())}: {role}, {'hit' if is_hit else 'missed'} after {waited_seconds:.1f} s")
        match role:
            case "feed" | "replay":
                child = self.world.feed if role == "feed" else self.world.replay
                child.signal(signal.SIGKILL)
                child.stop()
                child.start()
            case "source" | "target":
                server = self.world.source if role == "source" else self.world.target
                server.kill()
                time.sleep(self.chance.uniform(0.0, 1.0))
                server.start()
            case _:
                self.world.broker.kill()
                self.world.broker.start()
        self._clear_faults()

    def _hold(self, server: ExchangeProcess, operations: tuple[str, ...]) -> bool:
        """Have the next calls answered late, and wait until one of them is under way."""
        action = self.chance.choice(("delay_before", "delay_after"))
        is_hit = False
        for _ in range(HOLD_ATTEMPTS_MAX):
            for operation in operations:
                server.add_fault(operation, action, seconds=HELD_SECONDS, after=self.chance.randrange(2), count=2)
            self._begin()
            self._begin = self.put_mail
            is_hit = self._await(lambda: any(c["operation"] in operations for c in server.clients()), 12.0)
            if is_hit:
                break
        time.sleep(self.chance.uniform(0.0, HELD_SECONDS / 2) if is_hit else 0.0)
        return is_hit

    def _stop_broker_until_asked(self) -> bool:
        """Stop the broker for a moment: requests pile up at its port, and die with it."""
        port = int(self.world.broker.bootstrap_servers.rsplit(":", 1)[1])
        os.kill(self.world.broker.pid, signal.SIGSTOP)
        is_hit = self._await(lambda: _unread_bytes(port) > 0, 10.0)
        time.sleep(self.chance.uniform(0.0, 0.5))
        return is_hit

    def _clear_faults(self) -> None:
        for server in (self.world.source, self.world.target):
            server.clear_faults()

    def play(self) -> threading.Thread:
        """Let users act until `rest`, whatever dies around them."""
        sources = [source for source, _ in self.world.mailboxes]

        def act() -> None:
            generator = Generator(SEED + 1, tuple(sources))
            session = UserSession(self.world.source_address)
            while not self._stop.is_set():
                try:
                    play(session, sources, generator, Pace(seconds=2.0, changes_per_second=25.0))
                except SessionError:
                    session.close()
                    time.sleep(0.2)
                    session = UserSession(self.world.source_address)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        return thread

    def rest(self, activity: threading.Thread) -> None:
        self._stop.set()
        activity.join(30.0)

    def await_level(self) -> None:
        """Wait until everything that happened so far has arrived."""
        since_ms = int(time.time() * 1000)
        mailboxes = len(self.world.mailboxes)

        def is_level() -> bool:
            self.world.require_services()
            return standing(self.world.status(), TARGET, since_ms).level == mailboxes

        assert self._await(is_level, LEVEL_SECONDS_MAX), json.dumps(self.world.status(), indent=1)

    def assert_exact(self) -> None:
        """Compare item by item; the comparison shares no code with feed or replay."""
        time.sleep(2.0)
        found = compare(self.world.source_address, self.world.target_address, self.world.mailboxes)
        assert found.is_clean, found
        assert found.items_target == found.items_source, found
        assert found.staged == 0, found

    @staticmethod
    def _await(condition: Callable[[], bool], seconds_max: float) -> bool:
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return False


def _unread_bytes(port: int) -> int:
    """Return how many bytes wait unread in the sockets of a local port (Linux: rx_queue of /proc/net/tcp)."""
    total = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rsplit(":", 1)[1], 16) == port:
                    total += int(fields[4].split(":")[1], 16)
    return total


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    world = World(WorldOptions(directory=tmp_path, mailbox_count=MAILBOXES))
    try:
        world.broker.start()
        world.start_servers()
        yield Story(world, random.Random(SEED))
    finally:
        world.stop()


@pytest.mark.slow
@pytest.mark.timeout(900 * max(1, KILLS))
def test_kill_9_of_every_process_at_any_moment_changes_nothing_of_the_result(
    story: Story, record_property: Callable[[str, object], None]
) -> None:
    story.fill()
    story.start()
    moments = [role for role in ROLES for _ in range(KILLS)]
    for role in story.chance.sample(moments, len(moments)):
        story.kill(role, is_first_copy=True)
    story.await_level()
    story.assert_exact()

    activity = story.play()
    for role in story.chance.sample(moments, len(moments)):
        time.sleep(story.chance.uniform(0.2, 1.5))
        story.kill(role)
    story.rest(activity)
    story.await_level()
    story.assert_exact()

    record_property("kills", dict(story.kills))
    record_property("hits", dict(story.hits))
    print(f"seed {SEED}: kills {dict(story.kills)}, with a call in flight {dict(story.hits)}")
    assert sum(story.hits.values()) == sum(story.kills.values()), (story.kills, story.hits)
