"""A target that holds the log back: visible, released for one mailbox, and level when its time has come."""

import json
import time
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Living = Any
HOLD_SECONDS = 40


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_TARGETS__STANDBY__HOLD_SECONDS": str(HOLD_SECONDS)}


def test_changes_wait_their_time_and_one_mailbox_can_be_released(living: Living) -> None:
    # the one that is not released tells the time: what arrives before it was let go, not waited for
    began = time.monotonic()
    for owner in (0, 1):
        living.put(living.mail(owner))
    living.await_true(lambda: living.row().get("changes_not_applied", 0) > 0)
    time.sleep(4.0)
    # a machine so slow that the time is over already tells nothing
    assert [len(living.inbox(owner)) for owner in (0, 1)] == [1, 1] or time.monotonic() - began > HOLD_SECONDS
    for at in json.loads(living.run("status", "--json"))["mailboxes"]:
        assert at["targets"]["standby"]["hold_seconds"] == HOLD_SECONDS
        assert at["targets"]["standby"]["changes_not_applied"] > 0
    user = living.users[0].address
    assert f"held for {HOLD_SECONDS} s" in living.run("mailboxes", "release", user, "--target", "standby", "--dry-run")
    living.run("mailboxes", "release", user, "--target", "standby")
    living.await_true(lambda: len(living.inbox(0)) == 2, HOLD_SECONDS)
    assert len(living.inbox(1)) == 1 or time.monotonic() - began > HOLD_SECONDS
    living.kill_replay()
    living.await_true(lambda: len(living.inbox(1)) == 2, 2 * HOLD_SECONDS)
    assert time.monotonic() - began >= HOLD_SECONDS
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


@pytest.mark.parametrize("seconds", ["604801", "-1", '"long"'])
def test_a_hold_of_more_than_half_the_retention_is_refused(
    living: Living, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSHADOW_TARGETS__STANDBY__HOLD_SECONDS", seconds)
    assert "targets.standby.hold_seconds" in living.run("config", "check", code=78)
