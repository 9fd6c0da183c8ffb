"""One living pipeline for the tests of a module: real Kafka, two simulated servers, a feed and a replay process."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.broker.access import Access
from deploy.lab.comparison.comparison import Comparison, compare
from deploy.lab.session import M, SessionError, T, UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import TARGET, World, WorldOptions
from schemas.identity import mailbox_id

LEVEL_SECONDS_MAX = 60.0
MAILBOXES = 2
PARTITIONS = 4
"""Fewer than by default: each is a connection or four, on machines of two cores."""
SECRET_WORD = "Zugspitze"
"""Stands in every subject and body the tests write, and must stand in no log."""


class Living:
    """A world with its users at both sides."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source_session = UserSession(world.source_address)
        self.target_session = UserSession(world.target_address)
        self.users = [UserMailbox(self.source_session, source) for source, _ in world.mailboxes]
        self.standbys = [UserMailbox(self.target_session, target) for _, target in world.mailboxes]
        self._number = 0

    def mail(self, owner: int = 0, *, body: str = "hello", attachment: bytes = b"") -> NewMail:
        """Return a new message to put into somebody's inbox."""
        self._number += 1
        number = self._number
        lines = [
            "From: Anna <anna@elsewhere.test>",
            f"To: <user{owner + 1}@source.test>",
            f"Subject: {SECRET_WORD} {number}",
            f"Message-ID: <{number}@elsewhere.test>",
            "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        ]
        text = f"{SECRET_WORD} {body}\r\n".encode()
        if not attachment:
            mime = "\r\n".join([*lines, "", ""]).encode() + text
        else:
            lines += ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b0"']
            parts = b"--b0\r\nContent-Type: text/plain\r\n\r\n" + text
            parts += (
                b'--b0\r\nContent-Type: application/octet-stream; name="a.bin"\r\n'
                b'Content-Disposition: attachment; filename="a.bin"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
            )
            mime = "\r\n".join([*lines, "", ""]).encode() + parts + attachment + b"\r\n--b0--\r\n"
        return NewMail(owner=owner, folder=INBOX, mime=mime, received=datetime(2026, 11, 22, tzinfo=UTC), is_read=False)

    def put(self, mail: NewMail) -> str:
        """Put a message into its owner's inbox; return its id."""
        user = self.users[mail.owner]
        return user.create_mail(user.folder(mail.folder), [mail])[0]

    def await_level(self) -> None:
        """Wait until everything that happened so far has arrived."""
        since_ms = int(time.time() * 1000)
        self.await_true(lambda: standing(self.world.status(), TARGET, since_ms).level == len(self.world.mailboxes))

    def await_true(self, condition: Callable[[], bool], seconds_max: float = LEVEL_SECONDS_MAX) -> None:
        """Wait for a condition, or fail with where the pipeline stands."""
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            self.world.require_services()
            try:
                if condition():
                    return
            except SessionError as error:
                if error.code != "ErrorItemNotFound":  # listed, and moved before it was read: looked at too early
                    raise
            time.sleep(0.2)
        pytest.fail(f"still not so after {seconds_max:.0f} s: {self.world.status()}")

    def settle(self) -> None:
        """Wait until everything has arrived and the feed knows its items at rest."""
        self.await_level()
        time.sleep(6.0)
        self.await_level()

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command with the pipeline's settings to the exit code that is meant; return what it said."""
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self.world.config)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
        said = ended.stdout + "".join(f"{line}\n" for line in ended.stderr.splitlines() if not line.startswith("{"))
        assert ended.returncode == code, (arguments, said, ended.stderr[-2000:])
        assert "Traceback" not in ended.stderr
        return said

    def row(self, owner: int = 0) -> dict[str, Any]:
        """Return where a mailbox stands at the target; nothing where that is not known yet."""
        name = mailbox_id(self.users[owner].address)
        rows = [r["targets"].get(TARGET, {}) for r in self.world.status() if r["mailbox"] == name]
        return rows[0] if rows else {}

    def inbox(self, owner: int = 0) -> list[str]:
        """Return the ItemIds of a standby's inbox."""
        return self.ids(self.standbys[owner], self.target_session, "inbox")

    def kill_replay(self) -> None:
        """Kill the replay and start another one."""
        self.world.replay.signal(signal.SIGKILL)
        self.world.replay.stop()
        self.world.replay.start()

    def target_calls(self) -> dict[str, Any]:
        """Return the calls counted at the target, by operation; only operations that were called."""
        return {n: o for n, o in self.world.target.calls()["operations"].items() if o["calls"]}

    def compare(self) -> Comparison:
        """Compare both servers item by item."""
        return compare(self.world.source_address, self.world.target_address, self.world.mailboxes)

    def ids(self, user: UserMailbox, session: UserSession, folder: str) -> list[str]:
        """Return the ItemIds of a distinguished folder."""
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            f'<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>'
        )
        answer = session.one("FindItem", user.address, body)
        return [str(e.get("Id")) for e in answer.iterfind(f"{M}RootFolder/{T}Items/*/{T}ItemId")]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Settings of the module's own, as variables."""
    return {}


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    """Versions of source and target."""
    return "2013", "2019"


@pytest.fixture(scope="module")
def access() -> Access | None:
    """A listener of Kafka with logins, where a module wants one."""
    return None


@pytest.fixture(scope="module")
def prepare() -> Callable[[World], None]:
    """What a module does when the servers run and the services do not."""
    return lambda _world: None


@pytest.fixture(scope="module")
def living(
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
    versions: tuple[str, str],
    access: Access | None,
    prepare: Callable[[World], None],
) -> Iterator[Living]:
    directory: Path = tmp_path_factory.mktemp("living")
    source, target = versions
    options = WorldOptions(
        directory=directory,
        mailbox_count=MAILBOXES,
        source_version=source,
        target_version=target,
        access=access,
        partition_count=PARTITIONS,
    )
    world = World(options)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        yield from _live(world, prepare)


def _live(world: World, prepare: Callable[[World], None]) -> Iterator[Living]:
    try:
        world.broker.start()
        world.start_servers()
        life = Living(world)
        life.put(life.mail(0))
        life.put(life.mail(1))
        world.write_settings()
        prepare(world)
        world.start_services()
        life.await_level()
        yield life
    finally:
        world.stop()
