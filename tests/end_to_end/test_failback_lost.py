"""The promoted target dies while its old source is mirrored to: users go home, and its tail comes after them."""

import signal
from typing import Any

import pytest

from deploy.commands.failback import failback
from deploy.commands.failover import failover
from deploy.lab.child import Child
from deploy.lab.comparison.comparison import compare
from deploy.lab.world import TARGET
from tests.end_to_end.test_failback import LONG, Server, back, refused, run, statement

__all__ = ["back"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.skipif(not LONG, reason="make way-back")]
Living = Any


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    return "2016", "2016"


def mirrored(living: Living) -> bool:
    """Tell whether the old source is mirrored to, once all four owners run."""
    try:
        return '"DONE"' in run(living, failback, "--all", "--mirror", "--json")
    except AssertionError:
        return False


def test_what_a_dead_target_still_had_comes_after_its_users(living: Living, back: list[Child]) -> None:
    world, (feed, replay) = living.world, back
    source, target = Server(living, 0, at_target=False), Server(living, 0, at_target=True)
    names = [source.new() for _ in range(3)]
    living.await_level()
    assert statement(run(living, failover, "--all", "--to", TARGET, "--json"))["stage"] == "DONE"
    feed.start()
    replay.start()
    living.await_true(lambda: mirrored(living))
    seen = target.new()
    target.mark(names[0])
    living.await_true(lambda: source.told() == target.told())
    feed.signal(signal.SIGKILL)
    feed.stop()
    tail = target.new()
    target.edit(names[1], "edited at the target before it died")
    world.target.signal(signal.SIGKILL)
    assert "stopped at FORWARD" in refused(living, "--all", "--accept", "all", "--close-seconds", "3")
    source.edit(names[1], "edited at the source by its users")
    home = source.new()
    world.target.kill()
    world.target.start()
    feed.start()
    run(living, failback, "--resume", "--merge")
    living.await_true(lambda: source.told() == target.told())
    told = source.told()
    assert {seen, tail, home, names[2]} <= {subject for subject, _, _ in told}
    assert sum(count for (subject, _, _), count in told.items() if subject == names[1]) == 2
    assert compare(world.source_address, world.target_address, world.mailboxes).is_clean
