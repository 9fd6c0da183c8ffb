"""A mailbox as it was at a time, rebuilt from the log into another one, over a kill; and what is refused."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.lab.comparison.comparison import compare
from deploy.lab.workload.mailbox import UserMailbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Living = Any
INTO = "restored@target.test"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_mailbox_is_rebuilt_as_it_was_and_a_killed_restore_goes_on(living: Living) -> None:
    user = living.users[0]
    ids = [living.put(living.mail()) for _ in range(60)]
    large = living.put(living.mail(attachment=b"\x00\x01" * 900_000))
    user.update(ids[0], "message:IsRead", "<t:IsRead>true</t:IsRead>")
    work = user.create_folder(user._distinguished("msgfolderroot"), "Work")
    moved = user.move(large, work)
    living.await_level()
    at = compare(living.world.source_address, living.world.target_address, living.world.mailboxes)
    assert at.is_clean, at
    time.sleep(1.0)
    until = now()
    time.sleep(1.0)

    living.world.target.add_mailbox(INTO)
    arguments = ["restore", user.address, "--until", until, "--into", INTO, "--target", "standby"]
    assert "would restore 62 items" in living.run(*arguments, "--dry-run")
    command = [sys.executable, "-m", "deploy", *arguments, "--config", str(living.world.config)]
    living.world.target.reset_calls()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    restored = UserMailbox(living.target_session, INTO)
    deadline = time.monotonic() + 60
    while not living.ids(restored, living.target_session, "inbox") and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(30)

    for item_id in [*ids[1:40], moved]:
        user.delete(item_id, how="HardDelete")
    said = json.loads(living.run(*arguments, "--json"))
    assert (said["items"], said["lost"], said["parked"], said["stopped"]) == (62, {}, {}, "")
    inbox = living.ids(restored, living.target_session, "inbox")
    assert len(inbox) == len(set(inbox)) == 61
    again = json.loads(living.run(*arguments, "--json"))
    assert again["items"] == 62
    assert living.ids(restored, living.target_session, "inbox") == inbox


def test_a_restored_mailbox_equals_the_source_of_that_time(living: Living) -> None:
    living.await_level()
    time.sleep(1.0)
    living.world.target.add_mailbox("second@target.test")
    living.run(
        "restore", living.users[1].address, "--until", now(), "--into", "second@target.test", "--target", "standby"
    )
    pair = [(living.users[1].address, "second@target.test")]
    found = compare(living.world.source_address, living.world.target_address, pair)
    assert found.is_clean, found
    assert found.items_source


@pytest.mark.parametrize(
    ("mailbox", "until", "into", "code", "said"),
    [
        ("user1@source.test", "2020-01-01", "x@target.test", 74, "has nothing of this mailbox"),
        ("user1@source.test", "tomorrow", "x@target.test", 78, "not a time"),
        ("user1@source.test", "2999-01-01", "x@target.test", 78, "not over yet"),
        ("user1@source.test", "", "user1@target.test", 78, "replayed into this mailbox"),
        ("user1@source.test", "", "nobody@target.test", 67, "no such mailbox"),
        ("user1@source.test", "", "nobody", 78, "SMTP address"),
        ("nobody@source.test", "", "x@target.test", 74, "has nothing of this mailbox"),
    ],
)
def test_what_cannot_be_restored_is_refused_in_one_line(
    living: Living, mailbox: str, until: str, into: str, code: int, said: str
) -> None:
    arguments = ["restore", mailbox, "--until", until or now(), "--into", into, "--target", "standby"]
    assert said in living.run(*arguments, code=code)
