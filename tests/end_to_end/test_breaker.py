"""A burst of deletions holds its mailbox and no other, over a kill, until an operator skips or releases it."""

import json
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Living = Any
LIMIT, ITEMS = 3, 12


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_REPLAY__BREAKER_DELETIONS_MAX": str(LIMIT), "MAILSHADOW_REPLAY__BREAKER_SHARE_MAX": "0.1"}


def purge(living: Living, count: int) -> None:
    """Delete so many items of the first user's inbox at once."""
    user = living.users[0]
    for item_id in living.ids(user, living.source_session, "inbox")[:count]:
        user.delete(item_id, how="HardDelete")


def test_a_burst_is_held_skipped_and_a_second_one_released(living: Living) -> None:
    config = living.users[0].address
    for _ in range(ITEMS):
        living.put(living.mail())
    living.settle()
    before = len(living.inbox())
    purge(living, 8)
    living.await_true(lambda: living.row().get("held") == "deletion-breaker")
    assert len(living.inbox()) == before - LIMIT
    living.kill_replay()
    living.put(living.mail(1))
    living.await_true(lambda: len(living.inbox(1)) == 2)
    assert len(living.inbox()) == before - LIMIT
    assert living.row()["held_on"].startswith("4 deletions of")
    living.await_true(lambda: living.row()["changes_not_applied"] >= 5)

    said = living.run("mailboxes", "skip", config, "--target", "standby", "--dry-run")
    assert "5 of them deletions" in said
    assert "skip would leave 5 items at the target as orphans" in said
    living.run("mailboxes", "skip", config, "--target", "standby")
    living.put(living.mail())
    living.await_true(lambda: living.row().get("orphans") == 5 and not living.row()["behind"])
    living.await_level()
    assert len(living.inbox()) == before - LIMIT + 1
    listed = json.loads(living.run("mailboxes", "orphans", config, "--target", "standby", "--json"))
    assert {o["target_item_id"] for o in listed["orphans"]} <= set(living.inbox())

    purge(living, 5)
    living.await_true(lambda: living.row().get("held") == "deletion-breaker")
    assert "release would apply all" in living.run("mailboxes", "release", config, "--target", "standby", "--dry-run")
    living.run("mailboxes", "release", config, "--target", "standby")
    living.await_level()
    assert (living.row()["held"], len(living.inbox())) == ("", before - LIMIT + 1 - 5)
    found = living.compare()
    assert (found.missing, found.differing, found.staged) == (0, 0, 0), found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mailboxes", "release", "user2@source.test", "--target", "standby"], "nothing is held"),
        (["mailboxes", "skip", "user2@source.test", "--target", "nowhere"], "the settings have standby"),
        (["mailboxes", "skip", "nobody@source.test", "--target", "standby"], "no such mailbox"),
        (["mailboxes", "release", "neither", "--target", "standby"], "neither an address nor a mailbox id"),
        (["mailboxes", "release", "user1@source.test", "--target", "standby", "--until", "soon"], "not a time"),
    ],
)
def test_bad_input_is_one_line(living: Living, arguments: list[str], said: str) -> None:
    assert said in living.run(*arguments, code=78)
