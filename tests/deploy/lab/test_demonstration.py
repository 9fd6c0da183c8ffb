import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from deploy.lab.comparison.comparison import compare
from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import ListedItem, listed
from deploy.lab.demonstration import Demonstration, Script
from deploy.lab.display import Display
from deploy.lab.report import RunResult
from deploy.lab.session import UserSession
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import World, WorldOptions

pytestmark = pytest.mark.slow

Finished = tuple[World, RunResult]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A world after a short run, its servers still up."""
    world = World(WorldOptions(directory=tmp_path_factory.mktemp("world"), mailbox_count=2))
    try:
        world.broker.start()
        world.start_servers()
        display = Display(Console(file=io.StringIO()))
        demonstration = Demonstration(world, Script(seconds=4, seed=11), display)
        yield world, demonstration.run()
        demonstration.close()
    finally:
        world.stop()


def test_after_live_activity_the_target_holds_exactly_what_the_source_holds(finished: Finished) -> None:
    _, result = finished
    found = result.comparison
    assert result.is_clean, found.problems
    assert found.identical == found.items_source == found.items_target
    assert (found.staged, found.folders_extra, found.foreign, result.parked) == (0, 0, 0, 0)


def test_what_was_measured_is_there(finished: Finished) -> None:
    _, result = finished
    assert result.live_changes > 0
    assert 0 < len(result.lags_seconds) <= result.live_changes * 2
    assert result.first_copy.items > 0
    assert result.first_copy.seconds > 0
    assert result.log_bytes > 0
    assert all(calls > 0 for calls in result.server_calls.values())


def test_one_flag_altered_at_the_target_afterwards_is_found(finished: Finished) -> None:
    world, result = finished
    session, address = UserSession(world.target_address), world.mailboxes[0][1]
    item = first_message(session, address)
    UserMailbox(session, address).update(
        item.item_id, "message:IsRead", f"<t:IsRead>{str(not item.is_read).lower()}</t:IsRead>"
    )
    found = compare(world.source_address, world.target_address, world.mailboxes)
    assert (found.differing, found.identical) == (1, result.comparison.identical - 1)
    assert found.problems[0].fields == ("is_read",)


def first_message(session: UserSession, address: str) -> ListedItem:
    inbox = folders_of(session, address)["/inbox",]
    return next(item for item in listed(session, address, inbox.folder_id) if item.is_message)
