"""Two feeds and two replays, each of a release of its own, users who work meanwhile, and who judges it afterwards."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.lab.broker.ports import choose_port
from deploy.lab.chaos.evidence import Run, RunMailbox, history_file, write_lines
from deploy.lab.chaos.topic_dump import dump
from deploy.lab.child import Child
from deploy.lab.exchange.history import read as read_history
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import PIPELINE, SOURCE, TARGET, World, WorldOptions

MAILBOXES: Final = 8
PARTITIONS: Final = 4
"""The mailboxes lie in all of them, and each of two members owns two."""
SHARE: Final = PARTITIONS // 2
SECONDS_MAX: Final = 60.0
PAUSE_SECONDS: Final = 0.15
CAPTURED_SECONDS: Final = 10.0
UPLOAD_SECONDS: Final = 0.5
CHANGES: Final = {"feed": "mailshadow_feed_changes_total", "replay": "mailshadow_replay_changes_total"}
Release = Mapping[str, str]
THIS: Final[Release] = {}
"""The release of this checkout, as an environment."""


class AtWork(threading.Thread):
    """Users who get mail, read it, and throw some of it away later, until told to rest.

    Content is never changed, and nothing is filed: of what was moved soon after it came the feed does not know its
    fingerprint yet, so that its content is said anew, which is not what is looked for here.
    """

    def __init__(self, world: World) -> None:
        super().__init__(name="users", daemon=True)
        session = UserSession(world.source_address)
        self._users = [UserMailbox(session, source) for source, _ in world.mailboxes]
        self._over = threading.Event()
        self.received = 0

    def receive(self, owner: int) -> str:
        """Put a new message into an inbox; return its id."""
        self.received += 1
        number, user = self.received, self._users[owner]
        lines = [
            "From: a@elsewhere.test", f"To: {user.address}", f"Subject: upgraded {number}",
            f"Message-ID: <upgraded-{number}@elsewhere.test>", "Date: Sun, 22 Nov 2026 10:00:00 +0000", "", "hello", "",
        ]  # fmt: skip
        mime, at = "\r\n".join(lines).encode(), datetime(2026, 11, 22, tzinfo=UTC)
        mail = NewMail(owner=owner, folder=INBOX, mime=mime, received=at, is_read=False)
        return user.create_mail(user.folder(INBOX), [mail])[0]

    def run(self) -> None:
        """Everybody in turn reads the message before, or lets it lie to throw it away, and receives another."""
        before: dict[int, str] = {}
        old: deque[tuple[float, UserMailbox, str]] = deque()
        while not self._over.is_set():
            for owner, user in enumerate(self._users):
                if old and time.monotonic() - old[0][0] > CAPTURED_SECONDS:
                    _, reader, item_id = old.popleft()
                    reader.delete(item_id, how="HardDelete")
                if (item_id := before.get(owner, "")) and self.received % 5:
                    user.update(item_id, "message:IsRead", "<t:IsRead>true</t:IsRead>")
                elif item_id:
                    old.append((time.monotonic(), user, item_id))
                before[owner] = self.receive(owner)
                self._over.wait(PAUSE_SECONDS)

    def rest(self) -> None:
        """Stop working."""
        self._over.set()
        self.join(SECONDS_MAX)


class SideBySide:
    """The world, its four services, and where it stands as told by the release that can read everything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        options = WorldOptions(
            directory=directory, mailbox_count=MAILBOXES, partition_count=PARTITIONS, keeps_history=True
        )
        self.world = World(options)
        self.reading: Release = THIS
        self.handed_out = 0
        self.last_status: list[dict[str, Any]] = []
        self._ports: dict[str, int] = {}
        self.services = {f"{role}-{n}": self._service(role, n) for role in CHANGES for n in (1, 2)}
        self._began_ms = int(time.time() * 1000)

    def _service(self, role: str, number: int) -> Child:
        name = f"{role}-{number}"
        self._ports[name] = choose_port(Random(), taken=frozenset(self._ports.values()))
        own = {
            "MAILSHADOW_PIPELINE__DATA_DIRECTORY": str(self.directory / f"data-{name}"),
            f"MAILSHADOW_{role.upper()}__METRICS_PORT": str(self._ports[name]),
        }
        arguments = [role, "--config", str(self.world.config), *(["--target", TARGET] if role == "replay" else [])]
        return Child(name, arguments, self.directory / f"{name}.log", own)

    # -- services --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the broker, the servers and all services, of this release."""
        self.world.broker.start()
        self.world.start_servers()
        # so that every stop finds something under way
        self.world.target.add_fault("UploadItems", "delay_after", seconds=UPLOAD_SECONDS, count=10_000)
        self.world.write_settings()
        for service in self.services.values():
            service.start()
        self.await_shared("feed", "replay")

    def stop(self) -> None:
        """Stop whatever runs."""
        for service in self.services.values():
            service.stop()
        self.world.stop()

    def end(self, *names: str) -> None:
        """Stop services in order; they must leave with 0."""
        assert {name: self.services[name].stop() for name in names} == dict.fromkeys(names, 0)

    def begin(self, release: Release, *names: str) -> None:
        """Start services of a release."""
        for name in names:
            child = self.services[name]
            for key in ("PYTHONPATH", "PYTHONSAFEPATH"):
                child.environment.pop(key, None)
            child.environment.update(release)
            child.start()

    def replace(self, release: Release, *names: str) -> None:
        """Stop services in order, start them in another release, and wait until each role is shared again."""
        self.end(*names)
        self.begin(release, *names)
        self.await_shared(*{name.split("-")[0] for name in names})

    # -- looking ---------------------------------------------------------------------------------------------

    def figure(self, name: str, metric: str) -> float:
        """Return the sum of a metric's samples at a service; 0 where it does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self._ports[name]}/metrics", timeout=5) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except OSError:
            return 0.0
        return sum(s.value for family in families for s in family.samples if s.name == metric)

    def await_true(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, or fail."""
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, (what, {n: s.last_words()[-500:] for n, s in self.services.items()})
            time.sleep(0.2)

    def await_shared(self, *roles: str) -> None:
        """Wait until both members of each role own half the partitions."""
        names = [f"{role}-{n}" for role in roles for n in (1, 2)]
        self.await_true(
            lambda: all(self.figure(name, "mailshadow_partitions_owned") == SHARE for name in names), f"shared {names}"
        )

    def await_both_work(self, *roles: str) -> None:
        """Wait until both members of each role completed changes since this call."""
        metrics = {f"{role}-{n}": CHANGES[role] for role in roles for n in (1, 2)}
        before = {name: self.figure(name, metric) for name, metric in metrics.items()}
        self.await_true(
            lambda: all(self.figure(name, metric) > before[name] for name, metric in metrics.items()), "all at work"
        )

    def status(self) -> list[dict[str, Any]]:
        """Return where every mailbox stands, as the status command of the newest release says."""
        command = [sys.executable, "-m", "deploy", "status", "--json", "--config", str(self.world.config)]
        done = subprocess.run(command, env={**os.environ, **self.reading}, capture_output=True, timeout=60, check=False)  # noqa: S603 - our own
        return list(json.loads(done.stdout)["mailboxes"]) if done.stdout else []

    def await_level(self, since_ms: int = 0) -> int:
        """Wait until everything that happened so far has arrived; return since when that is asked."""
        since_ms = since_ms or int(time.time() * 1000)

        def is_level() -> bool:
            self.last_status = self.status()
            return standing(self.last_status, TARGET, since_ms).level == MAILBOXES

        self.await_true(is_level, "everything arrived")
        return since_ms

    # -- judging ---------------------------------------------------------------------------------------------

    def collect(self) -> Path:
        """Stop everything at rest, and return the directory of a run that the chaos checker judges.

        How many items the source handed out stands in `handed_out`.
        """
        since_ms = self.await_level()
        self.handed_out = items_of(self.world.source, "ExportItems")
        self.end("feed-1", "feed-2")
        self.await_level(since_ms)
        level_ms = int(time.time() * 1000)
        self.end("replay-1", "replay-2")
        kept = self.directory / "kept"
        kept.mkdir()
        dump(self.world.broker.bootstrap_servers, f"{PIPELINE}.", kept / "topics.jsonl")
        for name, server in ((SOURCE, self.world.source), (TARGET, self.world.target)):
            server.stop()
            write_lines(history_file(kept, name), read_history(server.directory))
        run = Run(
            seed=0, minutes=0.0, command="", pipeline=PIPELINE, source=SOURCE, targets=(TARGET,),
            mailboxes=tuple(RunMailbox(source=s, targets={TARGET: t}) for s, t in self.world.mailboxes),
            partition_count=PARTITIONS, began_ms=self._began_ms, healed_ms=since_ms, level_ms=level_ms,
            ended_ms=level_ms, last_status=tuple(self.last_status),
        )  # fmt: skip
        (kept / "run.json").write_text(json.dumps(asdict(run)), encoding="utf-8")
        for name in ("truth.jsonl", "faults.jsonl"):
            (kept / name).touch()
        return kept

    def judge(self, kept: Path) -> str:
        """Have the chaos checker of the release that reads everything judge a run; return what it found."""
        command = [sys.executable, "-m", "deploy.lab.chaos.checker", str(kept)]
        done = subprocess.run(  # noqa: S603 - our own
            command, env={**os.environ, **self.reading}, capture_output=True, text=True, timeout=120, check=False
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr


def items_of(server: ExchangeProcess, operation: str) -> int:
    """Return of how many items a server was asked an operation."""
    return int(server.calls()["operations"][operation]["items"])


def version_of(release: Release) -> str:
    """Return what the program of a release calls itself."""
    command, environment = [sys.executable, "-m", "deploy", "--version"], {**os.environ, **release}
    done = subprocess.run(  # noqa: S603 - our own
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def require_nothing(found: str) -> None:
    """Fail with what was found."""
    if found:
        pytest.fail(found)
