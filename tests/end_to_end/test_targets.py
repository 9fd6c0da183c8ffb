"""One log, several targets: added later, each with a scope of its own, and taken out without a trace."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import exit_codes, wiring
from deploy.kafka import partition_counts
from deploy.lab.child import Child
from deploy.lab.comparison.comparison import Comparison, compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.partition.reader import read_to_end
from deploy.settings import load
from schemas.change import Change, SeedBegin
from schemas.codec import decode
from schemas.ports import Incoming

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
JUNK = ("/junkemail",)


class Branch:
    """A second target: an Exchange 2016 that leaves out junk mail, filled from the log of a running pipeline."""

    def __init__(self, living: Living, server: ExchangeProcess) -> None:
        self.living = living
        self.server = server
        found = server.connection
        self.address = ServerAddress(url=found.url, user=found.user, password=found.password, version="2016")
        self.config = living.world.config.with_name("two-targets.toml")
        self.config.write_text(
            f"{living.world.config.read_text()}\n[targets.branch]\n"
            f'url = "{found.url}"\nuser = "{found.user}"\npassword = "{found.password}"\nversion = "2016"\n'
            'auth = "basic"\nmailboxes = ["*@source.test"]\ndomain = "branch.test"\nfolders_left_out = ["junkemail"]\n'
        )
        self.replay = Child(
            "branch",
            ["replay", "--config", str(self.config), "--target", "branch"],
            self.config.with_name("branch.log"),
        )

    def compare(self) -> Comparison:
        pairs = [(s, s.replace("source.test", "branch.test")) for s, _ in self.living.world.mailboxes]
        return compare(self.living.world.source_address, self.address, pairs)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


@pytest.fixture(scope="module")
def branch(living: Living, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    addresses = [s.replace("source.test", "branch.test") for s, _ in living.world.mailboxes]
    directory: Path = tmp_path_factory.mktemp("branch")
    with ExchangeProcess(directory, version="2016", mailboxes=addresses) as server:
        made = Branch(living, server)
        yield made
        made.replay.stop()


def seeds_begun(living: Living) -> int:
    loaded = load(living.world.config, {})
    connection, changes = wiring.kafka_settings(loaded), wiring.topics_of(loaded).changes
    records = [
        decode(r.value)
        for partition in range(connection.partition_count)
        for r in read_to_end(connection, changes, partition, None, lambda: True)
        if isinstance(r, Incoming) and r.value
    ]
    return sum(isinstance(r, Change) and isinstance(r.operation, SeedBegin) for r in records)


def test_a_target_added_later_is_filled_from_the_log_and_holds_what_its_scope_says(
    living: Living, branch: Branch
) -> None:
    for owner in range(2):
        living.put(replace(living.mail(owner), folder=JUNK))
    moved = living.put(living.mail())
    living.settle()
    begun = seeds_begun(living)
    living.world.source.reset_calls()
    branch.replay.start()
    living.await_true(lambda: branch.compare().missing == 2 and branch.compare().identical >= 3)
    found = branch.compare()
    assert (found.missing, found.extra, found.differing, found.foreign) == (2, 0, 0, 0)
    assert found.identical == found.items_source - 2
    assert seeds_begun(living) == begun
    calls = living.world.source.calls()["operations"]
    assert not {"ExportItems"} & {name for name, o in calls.items() if o["calls"]}

    living.users[0].move(moved, living.users[0].folder(JUNK))
    living.await_true(lambda: branch.compare().missing == 3)
    living.await_true(lambda: living.compare().is_clean)


def test_what_happens_from_then_on_reaches_both_targets(living: Living, branch: Branch) -> None:
    branch.replay.start()
    left_out = branch.compare().missing
    living.put(living.mail())
    living.await_level()
    living.await_true(lambda: branch.compare().missing == left_out)
    assert living.compare().is_clean


def test_a_target_taken_out_leaves_nothing_but_its_mail(living: Living, branch: Branch) -> None:
    branch.replay.start()
    living.await_true(lambda: branch.compare().identical > 0)
    busy = branch.run("targets", "remove", "branch")
    assert busy.returncode == exit_codes.IN_USE, busy
    assert "stop every replay of it first" in busy.stderr
    branch.replay.stop()
    told = branch.run("targets", "remove", "branch", "--dry-run")
    assert "would remove" in told.stdout, told
    before = branch.compare()
    removed = branch.run("targets", "remove", "branch")
    assert removed.returncode == exit_codes.OK, removed
    assert "3 topics" in removed.stdout
    again = branch.run("targets", "remove", "branch")
    assert again.returncode == exit_codes.OK, again

    loaded = load(branch.config, {})
    assert not [t for t in partition_counts(wiring.kafka_settings(loaded)) if "branch" in t]
    assert not list((loaded.pipeline.data_directory / "state").glob("*branch*"))
    assert branch.compare() == before
    session = UserSession(branch.address)
    for source, _ in living.world.mailboxes:
        address = source.replace("source.test", "branch.test")
        body = (
            '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
            '<m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>'
        )
        names = [e.text or "" for e in session.one("FindFolder", address, body).iter("{*}DisplayName")]
        assert names
        assert not [n for n in names if n.startswith("mailshadow")]
    living.await_level()
    assert living.compare().is_clean
