"""A rehearsal beside a living pipeline: a third server is filled, failed over and emptied, and nobody notices."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from deploy import exit_codes, wiring
from deploy.commands.preflight import PreflightError
from deploy.commands.rehearse import rehearse
from deploy.kafka import end_offset, partition_counts, reader
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.world import PIPELINE
from deploy.rehearsal.rehearsal import RehearsalError
from deploy.rehearsal.scratch import ScratchError
from deploy.removal import StillReplayingError
from deploy.sections import SettingsError
from deploy.settings import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Living = Any
OURS = f"{PIPELINE}-rehearsal-"


@dataclass
class Stage:
    """The scratch server and the settings that name it."""

    living: Living
    server: ExchangeProcess
    config: Path

    @property
    def address(self) -> ServerAddress:
        found = self.server.connection
        return ServerAddress(url=found.url, user=found.user, password=found.password, version="2019")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "deploy", *arguments, "--config", str(self.config)]

    def run(self, *arguments: str, code: int = 0) -> str:
        ended = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
        assert ended.returncode == code, (arguments, ended.stdout[-3000:], ended.stderr[-3000:])
        assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
        return ended.stdout + ended.stderr

    def rehearse(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        said = self.run("rehearse", *arguments, "--json", code=code)
        found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("\n}") + 2])
        return found

    def here(self, *arguments: str) -> str:
        """Run the command in this process, where it starts faster; raises what it raises."""
        ended = CliRunner().invoke(rehearse, [*arguments, "--config", str(self.config)], standalone_mode=False)
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        assert ended.exit_code == exit_codes.OK, ended.output
        return ended.output

    def placing(self) -> subprocess.Popen[str]:
        """Start a rehearsal and return as soon as it has placed something."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self.command("rehearse", "--all"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while not self.items():
            assert time.monotonic() < deadline, "it never placed anything"
            assert process.poll() is None
            time.sleep(0.01)
        return process

    def require_empty(self) -> None:
        """Fail where anything of a rehearsal is left, at the scratch server or in Kafka."""
        assert (self.items(), self.left_in_kafka()) == (0, [])
        assert not [n for n in self.names() if n.startswith("mailshadow") or n in {"Projects", "2026"}]

    def names(self) -> list[str]:
        """Return the names of every folder of the scratch mailboxes, hidden ones too."""
        return self._folders("DisplayName")

    def items(self) -> int:
        """Return how many items the scratch mailboxes hold, in any folder."""
        return sum(map(int, self._folders("TotalCount")))

    def _folders(self, name: str) -> list[str]:
        session = UserSession(self.address)
        body = (
            '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
            '<m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>'
        )
        return [
            e.text or ""
            for address in self.server.mailboxes
            for e in session.one("FindFolder", address, body).iter(f"{{*}}{name}")
        ]

    def left_in_kafka(self) -> list[str]:
        client = AdminClient({"bootstrap.servers": self.living.world.broker.bootstrap_servers})
        groups = client.list_consumer_groups().result(10).valid
        topics = partition_counts(wiring.kafka_settings(load(self.config, {})))
        return [n for n in [*topics, *(g.group_id for g in groups)] if n.startswith(OURS)]


@pytest.fixture(scope="module")
def stage(living: Living, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    addresses = [source.replace("@", "-rehearsal@") for source, _ in living.world.mailboxes]
    with ExchangeProcess(tmp_path_factory.mktemp("scratch"), version="2019", mailboxes=addresses) as server:
        found = server.connection
        config = living.world.config.with_name("rehearsed.toml")
        config.write_text(
            f'{living.world.config.read_text()}\n[rehearsal]\nurl = "{found.url}"\nuser = "{found.user}"\n'
            f'password = "{found.password}"\nversion = "2019"\nauth = "basic"\n'
        )
        yield Stage(living, server, config)


def ends(living: Living) -> dict[tuple[str, int], int]:
    """Return where every partition of the real pipeline's topics ends."""
    loaded = load(living.world.config, {})
    connection = wiring.kafka_settings(loaded)
    counts = {t: n for t, n in partition_counts(connection).items() if t.startswith(f"{PIPELINE}.")}
    with closing(reader(connection, f"{PIPELINE}.readers")) as consumer:
        return {(t, n): end_offset(consumer, t, n)[1] for t, count in counts.items() for n in range(count)}


@contextmanager
def standing_still(living: Living) -> Iterator[None]:
    """Stop the pipeline's own feed and replay, so that whatever is written or called meanwhile is somebody else's."""
    world = living.world
    for child in (world.feed, world.replay):
        child.signal(signal.SIGSTOP)
    try:
        time.sleep(0.3)
        world.source.reset_calls()
        world.target.reset_calls()
        yield
    finally:
        for child in (world.feed, world.replay):
            child.signal(signal.SIGCONT)


def calls(server: ExchangeProcess) -> dict[str, int]:
    return {n: o["calls"] for n, o in server.calls()["operations"].items() if o["calls"]}


def test_a_rehearsal_measures_a_whole_failover_and_nobody_notices(living: Living, stage: Stage) -> None:
    living.put(replace(living.mail(0), folder=("Projects", "2026")))
    living.put(living.mail(0, body="long " * 50_000, attachment=b"\x00\xff" * 600_000))
    living.put(replace(living.mail(1), is_read=True))
    living.await_level()
    with standing_still(living):
        before = ends(living)
        found = stage.rehearse("--all")
        assert (calls(living.world.source), calls(living.world.target)) == ({}, {})
        assert ends(living) == before
    assert (found["good"], found["stage"], found["failure"]) == (True, "DONE", "")
    assert [m["loss"]["state"] for m in found["mailboxes"]] == ["CONFIRMED", "CONFIRMED"]
    assert all(m["compared"]["equal"] and m["compared"]["folders"] > 1 for m in found["mailboxes"])
    inboxes = sorted(len(living.ids(u, living.source_session, "inbox")) for u in living.users)
    assert sorted(m["inbox_items_served"] for m in found["mailboxes"]) == inboxes
    assert found["items"] == sum(inboxes) + 1
    assert 0 < found["first_client_seconds"] < found["seconds"]["failover"]
    assert found["log_bytes"] > 1_200_000
    assert found["thrown_away"]["clean"]
    assert found["thrown_away"]["items"] == found["items"]
    stage.require_empty()
    assert Path(found["report"]).read_text().startswith(f"Rehearsal {OURS}")
    living.put(living.mail(0))
    living.await_level()
    assert living.compare().is_clean


@pytest.mark.parametrize(
    ("server", "values", "error", "words"),
    [
        ("target", 'address = "{local}@target.test"', RehearsalError, "a mailbox of the pipeline itself"),
        ("source", 'address = "{local}@source.test"', RehearsalError, "a mailbox of the pipeline itself"),
        ("target by another name", 'address = "{local}@target.test"', ScratchError, "by another name"),
        ("source by another name", 'address = "{local}@source.test"', ScratchError, "by another name"),
        ("scratch", 'address = "{local}-nobody@source.test"', PreflightError, "there is no such mailbox"),
        ("scratch", 'timeout_seconds = 1\npassword = "wrong"', PreflightError, "does not let"),
        ("nobody", "timeout_seconds = 1", PreflightError, "check the url and that the server runs"),
    ],
)
def test_what_is_no_scratch_mailbox_is_refused_before_anything_is_made(
    stage: Stage, server: str, values: str, error: type[Exception], words: str
) -> None:
    world = stage.living.world
    servers = {"target": world.target_address, "source": world.source_address, "scratch": stage.address}
    found = servers.get(server.removesuffix(" by another name"), stage.address)
    url = found.url if server != "nobody" else "http://127.0.0.1:9/EWS/Exchange.asmx"
    if server.endswith("another name"):
        url = url.replace("127.0.0.1", "localhost")
    given = values if "password" in values else f'{values}\npassword = "{found.password}"'
    config = world.config.with_name("refused.toml")
    config.write_text(
        f'{world.config.read_text()}\n[rehearsal]\nurl = "{url}"\nuser = "{found.user}"\n'
        f'version = "{found.version}"\nauth = "basic"\n{given}\n'
    )
    with pytest.raises(error, match=words):
        replace(stage, config=config).here("--all")
    assert stage.left_in_kafka() == []


def test_a_mailbox_nobody_mirrors_is_named(stage: Stage) -> None:
    with pytest.raises(SettingsError, match=r"nobody@source\.test: not mirrored"):
        stage.here("nobody@source.test")


def test_a_rehearsal_that_was_killed_is_taken_away_by_the_next_command(stage: Stage) -> None:
    process = stage.placing()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(StillReplayingError, match="a process on this machine drives it"):
        stage.here("--clean-up")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert stage.items()
    with pytest.raises(ScratchError, match=r"(is not empty|something is replayed).*--clean-up"):
        stage.here("--all")
    assert f"{OURS}" in stage.here("--clean-up")
    stage.require_empty()
    assert "no rehearsal left anything" in stage.here("--clean-up")


def test_a_rehearsal_that_is_stopped_takes_everything_away_itself(stage: Stage) -> None:
    process = stage.placing()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == exit_codes.INTERRUPTED
    assert "Traceback" not in said
    stage.require_empty()
