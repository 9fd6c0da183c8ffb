"""The local disk, the topic of the ledger, or both with the offsets are gone: exact again, nothing written twice.

And a source that comes back older than it was.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from deploy import wiring
from deploy.kafka import admin, partition_counts
from deploy.lab.world import TARGET
from deploy.settings import load
from schemas.faults import ReplicationFault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
CONTENT_WRITES = {"UploadItems", "CreateItem", "DeleteItem", "MoveItem"}
GONE_SECONDS_MAX = 30.0


def lose_topic(living: Living, *, offsets: bool) -> None:
    """Delete the ledger's topic and perhaps the offsets of its group, while no replay runs."""
    loaded = load(living.world.config, {})
    connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
    client, topic = admin(connection), topics.target_state(TARGET)
    client.delete_topics([topic])[topic].result(10)
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while topic in partition_counts(connection) and time.monotonic() < deadline:
        time.sleep(0.1)
    if offsets:
        group = topics.replay_group(TARGET)
        client.delete_consumer_groups([group])[group].result(10)


@pytest.mark.parametrize("lost", ["disk", "topic", "disk, topic and offsets"])
def test_what_a_replay_knew_is_rebuilt_and_nothing_that_is_there_is_written(living: Living, lost: str) -> None:
    moved = living.put(living.mail())
    living.put(living.mail(1))
    living.users[0].move(moved, living.users[0].folder(("/sentitems",)))
    living.settle()
    living.world.replay.stop()
    if "disk" in lost:
        shutil.rmtree(living.world.options.directory / "data" / "state")
    if "topic" in lost:
        lose_topic(living, offsets="offsets" in lost)
    living.world.target.reset_calls()
    living.world.replay.start()
    living.await_level()
    assert not CONTENT_WRITES & living.target_calls().keys(), living.target_calls()
    assert living.compare().is_clean
    living.put(living.mail())
    living.await_level()
    assert living.compare().is_clean


def test_a_source_restored_from_an_older_backup_deletes_nothing_until_an_operator_looked(
    living: Living, tmp_path: Path
) -> None:
    source, owner = living.world.source, living.users[0].address
    living.put(living.mail())
    living.settle()
    source.stop()
    shutil.copytree(source.directory, tmp_path / "backup")
    source.start()
    living.put(living.mail())
    living.await_level()
    held = len(living.inbox())
    source.stop()
    shutil.rmtree(source.directory)
    shutil.copytree(tmp_path / "backup", source.directory)
    source.start()
    living.await_true(
        lambda: ReplicationFault.SOURCE_WENT_BACK in [r["source"]["paused"] for r in living.world.status()]
    )
    assert len(living.inbox()) == held
    living.run("mailboxes", "resume", owner)
    living.await_true(lambda: len(living.inbox()) == held - 1)
    living.put(living.mail())
    living.await_level()
    assert living.compare().is_clean
