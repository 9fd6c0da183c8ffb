"""Behaviours of real servers that are not confirmed are switches of the simulated one: exact both ways."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.comparison.comparison import compare
from deploy.lab.session import UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.world import TARGET, World, WorldOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
THE_OTHER_WAY = {
    "read_flag_changes_change_key": False,
    "move_atomic": False,
    "move_keeps_modified_time": False,
    "upload_keeps_search_key": True,
    "export_keeps_named_properties": False,
    "delete_folder_requires_empty": True,
    "sync_newest_first": False,
    "change_keys_enforced": False,
    "mime_update_rebuilds_item": True,
    "delivery_time_kept_for_saved_items": False,
    "soft_deleted_folder_reachable": True,
}
LEVEL_SECONDS_MAX = 90.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(WorldOptions(directory=tmp_path, mailbox_count=3, source_version="2010_SP1", target_version="2016"))
    try:
        world.broker.start()
        world.start_servers()
        yield world
    finally:
        world.stop()


def test_everything_arrives_with_each_switch_the_other_way_and_from_the_oldest_version(world: World) -> None:
    for server in (world.source, world.target):
        for name, value in THE_OTHER_WAY.items():
            if server is world.target or name != "delete_folder_requires_empty":
                server.set_switch(name, value)
    sources = [source for source, _ in world.mailboxes]
    generator = Generator(13, tuple(sources))
    session = UserSession(world.source_address)
    filling = Filling(session, sources, lambda _: None)
    for owner in range(len(sources)):
        filling.make_folders(owner, generator.folders[owner])
        for mail in generator.mails(owner, 30):
            filling.add(mail)
    filling.flush()
    world.start_services()
    _await_level(world)
    play(session, sources, generator, Pace(seconds=8.0))
    _await_level(world)
    time.sleep(2.0)
    found = compare(world.source_address, world.target_address, world.mailboxes)
    assert found.is_clean, found
    assert found.items_source > 0


def _await_level(world: World) -> None:
    since_ms = int(time.time() * 1000)
    deadline = time.monotonic() + LEVEL_SECONDS_MAX
    while standing(world.status(), TARGET, since_ms).level < len(world.mailboxes):
        world.require_services()
        assert time.monotonic() < deadline, world.status()
        time.sleep(0.3)
