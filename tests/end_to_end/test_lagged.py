"""A target that holds the log back: visible, released for one mailbox, and level when its time has come."""

import json
import time
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Living = Any
HOLD_SECONDS = 40
ATTEMPTS_MAX = 3  # on a slow machine the time may be over before it was looked at


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_TARGETS__STANDBY__HOLD_SECONDS": str(HOLD_SECONDS)}


def test_changes_wait_their_time_and_one_mailbox_can_be_released(living: Living) -> None:
    for arrived in range(1, 1 + ATTEMPTS_MAX):
        began, others = _release_one(living, arrived)
        # the one that is not released tells the time: what arrives before it was let go, not waited for
        if time.monotonic() - began < HOLD_SECONDS:
            assert others == arrived, "came before its time, and nobody released it"
            break
        living.await_level()
    else:
        pytest.fail("what was released never came before its time")
    shown = json.loads(living.run("status", "--json"))["mailboxes"]
    assert {row["targets"]["standby"]["hold_seconds"] for row in shown} == {HOLD_SECONDS}
    living.kill_replay()
    living.await_true(lambda: len(living.inbox(1)) == arrived + 1, 2 * HOLD_SECONDS)
    assert time.monotonic() - began >= HOLD_SECONDS
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


def _release_one(living: Living, arrived: int) -> tuple[float, int]:
    """Put a mail into both mailboxes and release the first; return when they were put, and what the other has then."""
    user, began = living.users[0].address, time.monotonic()
    for owner in (0, 1):
        living.put(living.mail(owner))
    living.await_true(lambda: living.row().get("changes_not_applied", 0) > 0)
    said = living.run("mailboxes", "release", user, "--target", "standby", "--dry-run")
    assert f"held for {HOLD_SECONDS} s" in said
    living.run("mailboxes", "release", user, "--target", "standby")
    living.await_true(lambda: len(living.inbox(0)) == arrived + 1, 2 * HOLD_SECONDS)
    return began, len(living.inbox(1))


@pytest.mark.parametrize("seconds", ["604801", "-1", '"long"'])
def test_a_hold_of_more_than_half_the_retention_is_refused(
    living: Living, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSHADOW_TARGETS__STANDBY__HOLD_SECONDS", seconds)
    assert "targets.standby.hold_seconds" in living.run("config", "check", code=78)
