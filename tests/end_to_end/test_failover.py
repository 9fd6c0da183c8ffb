"""A promotion in one living world: planned, with operators at odds and one dead; then all of the source dead."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed, read
from deploy.lab.session import SessionError
from deploy.lab.world import PIPELINE, SOURCE, TARGET
from schemas.identity import mailbox_id
from schemas.topics import Topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Living = Any


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """No probes of the target: what a promotion finds there it finds by its own last look."""
    return {"MAILSHADOW_REPLAY__PROBE_INTERVAL_SECONDS": "0"}


def failover(living: Living, *arguments: str, code: int = 0) -> str:
    return str(living.run("failover", *arguments, code=code))


def statement(living: Living, *arguments: str, code: int = 0) -> dict[str, Any]:
    said = failover(living, *arguments, "--json", code=code)
    found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    return found


def subjects(session: Any, address: str) -> dict[str, str]:
    """Return the subject of every message of an inbox by its ItemId."""
    folder = next(f for key, f in folders_of(session, address).items() if key == ("/inbox",))
    items = list(listed(session, address, folder.folder_id))
    return {i.item_id: i.canonical.subject for i in read(session, address, items)}


@contextmanager
def closed(living: Living, mailbox: str) -> Iterator[subprocess.Popen[str]]:
    """Start a promotion that stands still right after its close: the replay is stopped, for as long as the block lasts.

    Not before: a command that finds no replay in its group refuses to begin.
    """
    command = [sys.executable, "-m", "deploy", "failover", mailbox, "--to", TARGET]
    command += ["--config", str(living.world.config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    assert process.stdout
    assert any("closed at the source" in line for line in process.stdout), "it never said so"
    living.world.replay.signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        living.world.replay.signal(signal.SIGCONT)
        living.await_true(lambda: members(living) > 0)


def members(living: Living) -> int:
    """Return how many replays take part in their group."""
    group = Topics(PIPELINE, SOURCE).replay_group(TARGET)
    client = AdminClient({"bootstrap.servers": living.world.broker.bootstrap_servers})
    return len(client.describe_consumer_groups([group])[group].result(10).members)


def test_a_dry_run_says_steps_and_loss_and_changes_nothing(living: Living) -> None:
    living.await_level()
    said = failover(living, "--all", "--to", TARGET, "--dry-run")
    assert [line.split()[0] for line in said.splitlines()][:4] == ["check", "close", "fence", "drain"]
    assert said.count("promoted  loss now:") == 2
    assert all(row["source"]["paused"] == "" for row in living.world.status())


def test_nothing_to_go_on_with_is_said(living: Living) -> None:
    assert "there is no promotion to go on with" in failover(living, "--resume", code=76)


def test_a_promotion_that_is_undone_mirrors_again_and_misses_nothing(living: Living) -> None:
    with closed(living, living.users[0].address):
        living.await_true(lambda: any(row["source"]["role"] == "FENCED" for row in living.world.status()))
        living.put(living.mail(0))
    assert statement(living, "--undo")["stage"] == "UNDONE"
    living.await_level()
    assert living.row()["role"] == "MIRRORING"
    assert {row["source"]["generation"] for row in living.world.status()} == {1, 2}
    assert len(living.inbox(0)) == len(living.ids(living.users[0], living.source_session, "inbox"))


def test_what_somebody_deleted_at_the_target_right_before_is_told_and_opens_nothing(living: Living) -> None:
    living.await_level()
    # what is compared because it is new was compared, so that the check before the close finds nothing
    living.await_true(lambda: living.row()["folders_proved"] == living.row()["folders"])
    living.standbys[0].delete(living.inbox(0)[0], how="HardDelete")
    found = statement(living, living.users[0].address, "--to", TARGET, code=72)
    (row,) = found["mailboxes"]
    assert (row["nothing_lost"], row["missing_items"], row["state"]) == (False, 1, "DRAINED")
    assert row["verified"] == "1 items differ"
    assert "nothing lost," not in Path(found["report"]).read_text()
    assert statement(living, "--undo")["stage"] == "UNDONE"
    living.await_level()
    assert living.compare().is_clean


def test_a_planned_promotion_survives_its_command_and_loses_nothing(living: Living) -> None:
    living.put(living.mail(0))
    mailbox = living.users[0].address
    with closed(living, mailbox) as first:
        refused = failover(living, "--all", "--to", TARGET, code=76)
        assert f"(process {first.pid})" in refused
        assert "since 20" in refused
    found = statement(living, "--resume")
    (row,) = found["mailboxes"]
    assert (found["stage"], found["nothing_lost"], row["state"], row["tail_read"]) == ("DONE", True, "LED", True)
    assert "NOTHING LOST" in Path(found["report"]).read_text()
    assert sorted(subjects(living.source_session, mailbox).values()) == sorted(
        subjects(living.target_session, living.standbys[0].address).values()
    )
    before = living.inbox(0)
    living.put(living.mail(0))
    time.sleep(2.0)
    assert living.inbox(0) == before
    tail = statement(living, "--tail")["mailboxes"][0]["tail"]
    assert [t["kind"] for t in tail] == ["ItemSaved"]


def test_the_rest_is_promoted_from_a_source_and_a_feed_killed_amid_activity(living: Living) -> None:
    user, made = living.users[1], dict[str, float]()
    is_killed = threading.Event()

    def work() -> None:
        while not is_killed.is_set():
            try:
                made[living.put(living.mail(1))] = time.time()
            except SessionError:
                return

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(1.5)
    living.world.feed.signal(signal.SIGSTOP)
    time.sleep(1.0)
    living.world.source.signal(signal.SIGKILL)
    living.world.feed.signal(signal.SIGKILL)
    is_killed.set()
    worker.join(30)
    began = time.monotonic()
    found = statement(living, user.address, "--to", TARGET, "--source-lost")
    seconds = time.monotonic() - began
    (row,) = found["mailboxes"]
    assert (found["stage"], found["nothing_lost"], row["state"], row["tail_read"]) == ("DONE", False, "LED", False)
    assert seconds < 60.0, seconds

    living.world.source.kill()
    living.world.source.start()
    at_source = subjects(living.source_session, user.address)
    at_target = subjects(living.target_session, living.standbys[1].address)
    assert made.keys() <= at_source.keys()
    missing = {item_id for item_id, subject in at_source.items() if subject not in at_target.values()}
    assert missing, "what happened while the feed stood still must be missing"
    certain = [i for i in missing if made.get(i, 0.0) and made[i] * 1000 < row["certain_up_to_ms"]]
    assert {e["item_id"] for e in row["owed"]} >= set(certain)
    completed = statement(living, "--tail")["mailboxes"][0]
    assert {t["item_id"] for t in completed["tail"] if t["kind"] == "ItemSaved"} == missing
    assert user.address not in Path(found["report"]).read_text()
    assert mailbox_id(user.address) in Path(found["report"]).read_text()
    assert set(at_target.values()) <= set(at_source.values())
    living.world.feed.stop()
