"""One call of `status` says that a feed, a replay or a target is down, and shows a stall within a minute."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.world import TARGET

if TYPE_CHECKING:
    from .conftest import Living

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
FOR_LONG = 100_000


def told(living: Living) -> dict[str, Any]:
    """Return what one call of `status` says of the first mailbox."""
    rows = json.loads(living.run("status", living.users[0].address, "--json"))["mailboxes"]
    values: dict[str, Any] = rows[0]["targets"][TARGET]
    return values


def await_protected(living: Living) -> None:
    living.await_level()
    living.await_true(lambda: told(living)["health"] == "protected", 120.0)


def test_a_replay_that_does_not_run_is_told_at_once_and_lag_is_the_age_of_what_waits(living: Living) -> None:
    await_protected(living)
    time.sleep(5.0)
    living.world.replay.stop()
    assert told(living)["why"] == f"no replay of {TARGET} runs"
    before = told(living)["changes_not_applied"]
    began_at = time.time()
    living.put(living.mail())
    deadline = time.monotonic() + 30
    while told(living)["changes_not_applied"] == before:
        assert time.monotonic() < deadline
    values = told(living)
    assert (values["health"], values["why"].startswith(f"no replay of {TARGET} runs")) == ("stalled", True)
    assert 0 < values["lag_seconds"] <= time.time() - began_at + 1
    living.world.replay.start()
    await_protected(living)


def test_a_feed_that_does_not_run_is_told_at_once(living: Living) -> None:
    await_protected(living)
    living.world.feed.stop()
    assert (told(living)["health"], told(living)["why"]) == ("not-captured", "no feed runs")
    living.world.feed.start()
    await_protected(living)


def test_a_target_that_answers_and_takes_nothing_stalls_within_a_minute(living: Living) -> None:
    await_protected(living)
    living.world.target.add_fault("UploadItems", "http_status", status=503, count=FOR_LONG)
    living.world.target.add_fault("CreateItem", "http_status", status=503, count=FOR_LONG)
    began_at = time.time()
    living.put(living.mail())
    living.await_true(lambda: told(living)["health"] == "stalled", 70.0)
    values = told(living)
    assert (values["health"], "changes wait" in values["why"]) == ("stalled", True)
    assert abs(values["since_ms"] / 1000 - began_at) < 30
    living.world.target.clear_faults()
    await_protected(living)


def test_a_target_that_is_down_is_told_at_once(living: Living) -> None:
    await_protected(living)
    living.world.target.kill()
    values = told(living)
    assert (values["health"], values["why"]) == ("stalled", f"{TARGET} takes no connection from here")
    living.world.target.start()
    await_protected(living)
