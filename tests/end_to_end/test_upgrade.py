"""A release that changes the schemas takes over from the one before, readers first; the other way is refused."""

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from deploy import exit_codes
from deploy.lab.next_release import make_next_release
from deploy.lab.standing import standing
from deploy.lab.world import TARGET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_next_release(tmp_path_factory.mktemp("next"))


def await_level(living: Living, release: dict[str, str]) -> None:
    """Wait until the status command of a release says that all has arrived."""
    since_ms, deadline = int(time.time() * 1000), time.monotonic() + SECONDS_MAX
    command = [sys.executable, "-m", "deploy", "status", "--json", "--config", str(living.world.config)]
    while True:
        done = subprocess.run(command, env={**os.environ, **release}, capture_output=True, timeout=60, check=False)  # noqa: S603 - our own
        rows = json.loads(done.stdout)["mailboxes"] if done.stdout else []
        if standing(rows, TARGET, since_ms).level == len(living.world.mailboxes):
            return
        assert time.monotonic() < deadline, (rows, done.stderr[-2000:])


def test_readers_are_upgraded_first_and_everything_arrives_once(living: Living, next_release: dict[str, str]) -> None:
    world = living.world
    first = living.put(living.mail())
    living.await_level()
    for service, importance in ((world.replay, "High"), (world.feed, "Low")):
        service.stop()
        service.environment.update(next_release)
        living.put(living.mail())
        service.start()
        living.users[0].update(first, "item:Importance", f"<t:Importance>{importance}</t:Importance>")
        await_level(living, next_release)
    assert living.compare().is_clean


def test_a_service_of_the_release_before_says_so_and_leaves_and_loses_nothing(
    living: Living, next_release: dict[str, str]
) -> None:
    replay = living.world.replay
    replay.stop()
    replay.environment.clear()
    living.put(living.mail())
    replay.start()
    deadline = time.monotonic() + SECONDS_MAX
    while replay.is_running and time.monotonic() < deadline:
        time.sleep(0.2)
    said, code = replay.last_words(), replay.stop()
    assert "Upgrade the readers first" in said
    assert "Traceback" not in said
    assert code == exit_codes.HALTED
    replay.environment.update(next_release)
    replay.start()
    await_level(living, next_release)
    assert living.compare().is_clean
