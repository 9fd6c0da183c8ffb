"""No false alarm: generated mail, appointments, contacts, tasks and notes are equal between versions, and proved so."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.lab.session import UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.world import TARGET, World, WorldOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MAILS, ENTRIES = 40, 12
SECONDS_MAX = 90.0


@pytest.mark.parametrize(
    ("source_version", "target_version", "is_portable"),
    [("2013", "2019", False), ("2010_SP1", "2016", True)],
    ids=["2013 to 2019 by streams", "2010 to 2016 from MIME"],
)
def test_what_two_versions_show_of_the_same_items_is_equal_by_listing_and_in_full(
    tmp_path: Path, source_version: str, target_version: str, *, is_portable: bool
) -> None:
    options = WorldOptions(
        directory=tmp_path, mailbox_count=1, source_version=source_version, target_version=target_version,
        is_portable=is_portable,
    )  # fmt: skip
    world = World(options)
    try:
        world.broker.start()
        world.start_servers()
        addresses = [source for source, _ in world.mailboxes]
        filling = Filling(UserSession(world.source_address), addresses, lambda _: None)
        generator = Generator(7, tuple(addresses))
        for mail in generator.mails(0, MAILS):
            filling.add(mail)
        filling.add_entries([] if is_portable else generator.entries(0, ENTRIES))
        filling.flush()
        world.start_services()
        _await_proved(world)
        command = [sys.executable, "-m", "deploy", "verify", "--deep", "--config", str(world.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - ours
        assert done.returncode == 0, done.stdout + done.stderr
        assert "differs from source" not in (tmp_path / "replay.log").read_text()
    finally:
        world.stop()


def _await_proved(world: World) -> None:
    since_ms, deadline = int(time.time() * 1000), time.monotonic() + SECONDS_MAX
    rows = world.status()
    while time.monotonic() < deadline:
        world.require_services()
        rows = world.status()
        found = [r["targets"][TARGET] for r in rows if TARGET in r["targets"]]
        is_proved = bool(found) and all(t["folders"] and t["folders_proved"] == t["folders"] for t in found)
        if is_proved and standing(rows, TARGET, since_ms).level == len(world.mailboxes):
            return
        time.sleep(0.5)
    pytest.fail(f"not proved after {SECONDS_MAX:.0f} s: {rows}")
