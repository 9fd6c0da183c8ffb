"""The way back in one living world: a source killed with a tail, users at work on both sides, and home again."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from deploy import wiring
from deploy.commands.failback import failback
from deploy.commands.failover import failover
from deploy.commands.status import status
from deploy.kafka import admin
from deploy.lab.child import Child
from deploy.lab.comparison.comparison import compare
from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed, read
from deploy.lab.world import TARGET
from deploy.settings import load
from schemas.faults import ReplicationFault
from schemas.identity import mailbox_id
from tests.end_to_end.entries import DONE, Entries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Living = Any
CATEGORY = "mailshadow: both servers changed it"
LONG = bool(os.environ.get("MAILSHADOW_WAY_BACK"))
"""Also kill the owners; the killed ones keep their partitions until the group's session ends."""
SHOWN = ("--all", "--accept-losses", "--json")
READ = "<t:IsRead>true</t:IsRead>"


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    """The old source is older, so the way back has to take the portable way and to spare the originals."""
    return "2013", "2019"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_FEED__FORMS": '["STREAM", "PORTABLE"]'}


@pytest.fixture(scope="module")
def back(living: Living) -> Iterator[list[Child]]:
    """The owners of the way back."""
    directory, arguments = living.world.options.directory, ["--config", str(living.world.config), "--back", TARGET]
    owners = [Child(f"{name}-back", [name, *arguments], directory / f"{name}-back.log") for name in ("feed", "replay")]
    yield owners
    for owner in owners:
        owner.stop()


class Server:
    """The inbox of one user at one server, by subjects."""

    def __init__(self, living: Living, owner: int, *, at_target: bool) -> None:
        self.living, self.owner = living, owner
        self.session = living.target_session if at_target else living.source_session
        self.user = (living.standbys if at_target else living.users)[owner]

    def items(self, folder: str = "/inbox") -> dict[str, Any]:
        """Return the canonical form of every message of a folder by its ItemId."""
        found = next(f for key, f in folders_of(self.session, self.user.address).items() if key[-1] == folder)
        some = read(self.session, self.user.address, list(listed(self.session, self.user.address, found.folder_id)))
        return {i.item_id: i.canonical for i in some}

    def told(self, folder: str = "/inbox") -> Counter[tuple[str, bool, tuple[str, ...]]]:
        return Counter((c.subject, c.is_read, c.categories) for c in self.items(folder).values())

    def of(self, subject: str) -> str:
        return next(i for i, c in self.items().items() if c.subject == subject)

    def new(self) -> str:
        mail = self.living.mail(self.owner)
        self.user.create_mail(self.user.folder(("/inbox",)), [mail])
        return subject_of(mail.mime)

    def edit(self, subject: str, words: str) -> None:
        self.user.update(self.of(subject), "item:Body", f'<t:Body BodyType="Text">{words}</t:Body>')

    def mark(self, subject: str) -> None:
        self.user.update(self.of(subject), "message:IsRead", READ)

    def move(self, subject: str, folder: str) -> None:
        self.user.move(self.of(subject), self.user.folder(("/msgfolderroot", folder)))

    def delete(self, subject: str) -> None:
        self.user.delete(self.of(subject), how="SoftDelete")


def subject_of(mime: bytes) -> str:
    return next(line[9:].decode() for line in mime.split(b"\r\n") if line.startswith(b"Subject: "))


def run(living: Living, command: click.Command, *arguments: str, is_refused: bool = False) -> str:
    """Run a command in this process, where it starts faster, to the end that is meant; return what it said."""
    ended = CliRunner().invoke(command, [*arguments, "--config", str(living.world.config)])
    assert bool(ended.exit_code) == is_refused, (ended.output, ended.exception)
    return ended.output if not is_refused or isinstance(ended.exception, SystemExit) else str(ended.exception)


def refused(living: Living, *arguments: str) -> str:
    return run(living, failback, *arguments, is_refused=True)


def statement(said: str) -> dict[str, Any]:
    """Return what a command printed for programs."""
    found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    return found


def begun(living: Living, *arguments: str, until: str) -> subprocess.Popen[str]:
    """Start the command and wait until it says something."""
    command = [sys.executable, "-m", "deploy", *arguments, "--config", str(living.world.config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    assert process.stdout
    for line in process.stdout:
        if until in line:
            return process
    pytest.fail(f"it never said {until!r}")


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["mailbox"]: row for row in found["mailboxes"]}


def test_the_source_is_lost_with_a_tail_and_users_work_on_both_sides(living: Living) -> None:
    world, source = living.world, [Server(living, n, at_target=False) for n in range(2)]
    names = [[server.new() for _ in range(6)] for server in source]
    living.split = {"names": names, "entries": Entries(living.source_session, living.users[1]).make()}
    living.await_level()
    world.feed.signal(signal.SIGKILL)
    world.feed.stop()
    living.split["tail"] = source[0].new()
    source[0].mark(names[0][0])
    source[0].move(names[0][1], "Aside")
    source[0].delete(names[0][2])
    source[0].mark(names[0][5])
    # split brain: the same items on both sides, and new ones
    living.split["theirs"] = source[1].new()
    source[1].edit(names[1][0], "by the source")
    source[1].edit(names[1][1], "by the source alone")
    source[1].delete(names[1][2])
    world.source.signal(signal.SIGKILL)
    found = statement(run(living, failover, "--all", "--to", TARGET, "--source-lost", "--json"))
    assert found["stage"] == "DONE"
    target = [Server(living, n, at_target=True) for n in range(2)]
    living.split["users"] = target[0].new()
    target[0].mark(names[0][3])
    target[0].move(names[0][4], "Beside")
    target[0].delete(names[0][5])
    target[1].edit(names[1][0], "by users at the target")
    target[1].edit(names[1][2], "by users at the target")
    living.split["ours"] = target[1].new()
    entries = Entries(living.target_session, living.standbys[1])
    entries.change()
    entries.make_new()


def test_a_source_that_comes_back_is_not_written_to_and_is_reported(living: Living, back: list[Child]) -> None:
    world = living.world
    world.source.kill()
    world.source.start()
    world.feed.start()
    before, answers = [Server(living, n, at_target=False).told() for n in range(2)], list[str]()
    assert "`mailshadow feed --back standby`" in refused(living, "--all", "--accept-losses")
    for owner in back:
        owner.start()
    assert "--accept-losses" in refused(living, "--all")
    living.await_true(lambda: _answered(refused(living, *SHOWN), answers))
    found = statement(answers[-1])
    assert found["stage"] == "UNDONE"
    listed_ = {m: Counter(one["kind"] for one in row["old_source"]) for m, row in rows(found).items()}
    assert listed_[mailbox_id(living.users[0].address)] == {
        "FolderSaved": 1, "ItemMarked": 2, "ItemMoved": 1, "ItemDeleted": 1, "ItemSaved": 1
    }  # fmt: skip
    assert [Server(living, n, at_target=False).told() for n in range(2)] == before
    assert "the old source answers" in run(living, status)


def _answered(said: str, answers: list[str]) -> bool:
    """Note what was said, and tell whether all four owners run."""
    answers.append(said)
    return "needs both directions" not in said


def test_the_way_back_survives_its_command_and_loses_nothing(living: Living, back: list[Child]) -> None:
    names, split = living.split["names"], living.split
    before = made_at(living.world.source), made_at(living.world.target)
    first = begun(living, "failback", "--all", "--merge", "--accept-losses", until="what it has is merged")
    first.kill()
    first.wait(10)
    assert "items that are no messages and were made at standby: parked" in refused(living, "--all")
    if LONG:
        living.kill_replay()
        for owner in back:
            owner.signal(signal.SIGKILL)
            owner.stop()
            owner.start()
    # the contact that is parked keeps its mailbox back until an operator says it may stay behind
    found = statement(run(living, failback, "--resume", "--merge", "--accept", living.users[1].address, "--json"))
    assert found["stage"] == "DONE"
    # tail, new mail, a copy, what was edited or marked there alone; and at the source nothing of its originals
    assert made_at(living.world.target) - before[1] == 5
    assert made_at(living.world.source) - before[0] == 4
    source, target = ([Server(living, n, at_target=t) for n in range(2)] for t in (False, True))
    for one, other in zip(source, target, strict=True):
        assert one.told() == other.told()
        assert max(Counter(subject for subject, _, categories in one.told().elements() if not categories).values()) == 1
    subjects = {subject for subject, _, _ in source[0].told()}
    assert {split["tail"], split["users"], names[0][0], names[0][3], names[0][5]} <= subjects
    assert not subjects & {names[0][1], names[0][2], names[0][4]}
    assert [s for s, _, _ in source[0].told("Aside")] == [s for s, _, _ in target[0].told("Aside")] == [names[0][1]]
    assert [s for s, _, _ in source[0].told("Beside")] == [s for s, _, _ in target[0].told("Beside")] == [names[0][4]]
    conflicts = rows(found)[mailbox_id(living.users[0].address)]["conflicts"]
    assert [(c["at_source"], c["at_target"], c["kept"]) for c in conflicts] == [("ItemMarked", "gone", "source")]
    both = source[1].told()
    assert {split["theirs"], split["ours"], names[1][2]} <= {s for s, _, _ in both}
    assert sum(count for (s, _, _), count in both.items() if s == names[1][0]) == 2
    assert [s for (s, _, categories) in both if CATEGORY in categories] == [names[1][0]]
    conflicts = rows(found)[mailbox_id(living.users[1].address)]["conflicts"]
    assert sorted((c["at_source"], c["at_target"], c["kept"]) for c in conflicts) == [
        ("ItemDeleted", "changed", "target"), ("ItemSaved", "changed", "both")
    ]  # fmt: skip
    assert_entries_came_back(living, found)
    compared = compare(living.world.source_address, living.world.target_address, living.world.mailboxes)
    assert compared.is_clean
    assert compared.extra == compared.folders_extra == 0
    assert compared.foreign == 1, "the contact that was made at the target stays there, and is nobody's copy"


def assert_entries_came_back(living: Living, found: dict[str, Any]) -> None:
    """The originals have the change, and what only they had; what was new is parked and listed."""
    source = Entries(living.source_session, living.users[1])
    originals = living.split["entries"]
    assert [source.ids("/calendar"), source.ids("/contacts")] == [[originals["calendar"]], [originals["contacts"]]]
    assert source.ids("/tasks") == []
    (moved,) = source.ids(*DONE)
    meeting, contact, task = (source.shown(i) for i in (originals["calendar"], originals["contacts"], moved))
    assert [meeting["Location"], meeting["Start"], meeting["End"]] == [
        "there", "2026-12-02T10:00:00Z", "2026-12-02T12:00:00Z"
    ]  # fmt: skip
    assert [contact.get(key) for key in ("EmailAddress1", "HomePhone", "MobilePhone", "Pager")] == [
        "berta@x.test", "1", "3", None
    ]  # fmt: skip
    assert (task["Status"], task["Mileage"]) == ("Completed", "7")
    assert {entry["private"] for entry in (meeting, contact, task)} == {"stays"}
    parked = [row["reason"] for row in rows(found)[mailbox_id(living.users[1].address)]["parked"]]
    assert parked == [ReplicationFault.NO_PORTABLE_FORM]


def test_home_again_everything_mirrors_as_before_and_nothing_loops(living: Living) -> None:
    source = Server(living, 0, at_target=False)
    living.await_level()
    calls = made_at(living.world.target)
    new = source.new()
    source.mark(living.split["users"])
    living.await_true(lambda: Server(living, 0, at_target=True).told() == source.told())
    assert new in {subject for subject, _, _ in source.told()}
    living.await_level()
    assert {row["source"]["role"] for row in living.world.status()} == {"MIRRORING"}
    assert made_at(living.world.target) - calls == 1, "the new message alone is brought to the target"


def test_no_order_of_before_is_obeyed_again_once_kafka_forgot_the_groups(living: Living) -> None:
    """A week after the last member of a group left, its offsets are gone, and the orders of 14 days are still there."""
    loaded = load(living.world.config, {})
    topics, client = wiring.topics_of(loaded), admin(wiring.kafka_settings(loaded))
    services = (living.world.feed, living.world.replay)
    for service in services:
        service.stop()
    for group in (topics.feed_group, topics.replay_group(TARGET)):
        client.delete_consumer_groups([group])[group].result(10)
    for service in services:
        service.start()
    source = Server(living, 0, at_target=False)
    new = source.new()
    living.await_true(lambda: new in {subject for subject, _, _ in Server(living, 0, at_target=True).told()})
    living.await_level()
    assert {row["source"]["role"] for row in living.world.status()} == {"MIRRORING"}
    assert {row["targets"][TARGET]["role"] for row in living.world.status()} == {"MIRRORING"}


def made_at(server: Any) -> int:
    """Return how many items were uploaded to a server or created there so far."""
    calls = server.calls()["operations"]
    return sum(calls[name]["items"] for name in ("UploadItems", "CreateItem") if name in calls)
