from pathlib import Path

import pytest

from deploy import settings
from deploy.lab.child import ChildError
from deploy.lab.exchange.process import ExchangeProcessError
from deploy.lab.world import TARGET, World, WorldOptions


def test_a_world_that_never_started_stops_without_a_word(tmp_path: Path) -> None:
    world = World(WorldOptions(directory=tmp_path, mailbox_count=1))
    world.stop()
    with pytest.raises(ExchangeProcessError):
        _ = world.source_address
    with pytest.raises(ChildError):
        world.require_services()
    assert world.log_bytes() == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_portable", [False, True])
def test_the_settings_it_writes_are_settings_the_services_take(tmp_path: Path, is_portable: bool) -> None:  # noqa: FBT001 - both ways
    world = World(WorldOptions(directory=tmp_path / 'a "b"', mailbox_count=3, is_portable=is_portable))
    try:
        world.broker.start()
        world.start_servers()
        world.start_services()
        loaded = settings.load(world.config, {})
    finally:
        world.stop()
    assert [(m.source, m.targets[TARGET]) for m in loaded.mailboxes] == world.mailboxes
    assert loaded.source.url == world.source_address.url
    assert loaded.targets[TARGET].portable_only is is_portable
    assert loaded.feed.forms == (("PORTABLE",) if is_portable else ("STREAM",))
