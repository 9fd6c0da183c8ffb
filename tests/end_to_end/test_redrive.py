"""Parked items: found by filters, shown, given up, and placed again from the source or from the evidence."""

import json
import signal
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Living = Any


def park(living: Living, count: int) -> list[str]:
    """Have the next items of the first user refused; return their keys."""
    before = living.row().get("parked", 0)
    for _ in range(count):
        living.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
        living.put(living.mail())
        before += 1
        living.await_true(lambda: living.row().get("parked", 0) == before)  # noqa: B023 - awaited at once
    return [p["item"] for p in listed(living)]


def listed(living: Living, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(living.run("dead-letters", "list", "--json", *arguments))["parked"]
    return found


def test_parked_items_are_listed_by_filter_shown_dropped_and_redriven(living: Living) -> None:
    living.await_level()
    first, second, third = park(living, 3)
    config_user = living.users[0].address
    assert listed(living, "--mailbox", living.users[1].address) == []
    assert listed(living, "--reason", "corrupt", "--mailbox", config_user, "--since", "2026-01-01") != []
    assert listed(living, "--until", "2026-01-01") == []
    (only,) = listed(living, "--item", first[:12])
    assert (only["item"], only["at_source"]) == (first, True)
    shown = living.run("dead-letters", "show", first)
    assert "ErrorCorruptData" in shown
    assert "STREAM" in shown
    assert "Zugspitze" not in shown

    assert "would be ordered" in living.run("dead-letters", "drop", "--item", first, "--dry-run")
    living.run("dead-letters", "drop", "--item", first)
    living.await_true(lambda: (living.row()["parked"], living.row()["dropped"]) == (2, 1))
    assert [p["item"] for p in listed(living, "--dropped")] == [first]

    # nobody can ask the source: only the evidence is left
    living.world.feed.signal(signal.SIGSTOP)
    living.run("dead-letters", "redrive", "--item", second, "--from", "evidence")
    living.await_true(lambda: living.row()["parked"] == 1)
    living.world.feed.signal(signal.SIGCONT)
    living.run("dead-letters", "redrive", "--item", third)
    living.await_true(lambda: living.row()["parked"] == 0)
    living.await_level()
    found = living.compare()
    assert (found.missing, found.differing, found.extra, found.staged) == (1, 0, 0, 0), found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dead-letters", "drop"], "say --all"),
        (["dead-letters", "show", "0000"], "no such item is parked"),
        (["dead-letters", "list", "--since", "yesterday"], "not a time"),
        (["dead-letters", "redrive", "--target", "nowhere"], "the settings have standby"),
        (["dead-letters", "list", "--mailbox", "nobody"], "neither an address nor a mailbox id"),
    ],
)
def test_bad_input_is_one_line(living: Living, arguments: list[str], said: str) -> None:
    assert said in living.run(*arguments, code=78)
