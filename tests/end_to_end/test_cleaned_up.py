"""Somebody cleans up at the target what only the pipeline knows the use of: it is made anew."""

import pytest

from deploy import pipeline_state, wiring
from deploy.lab.world import TARGET
from deploy.settings import load
from schemas.identity import mailbox_id

from .conftest import Living

pytestmark = pytest.mark.slow


def staging_of(living: Living, owner: int) -> set[str]:
    """The staging folders of a mailbox, as its ledger has them."""
    loaded = load(living.world.config, {})
    topic = wiring.topics_of(loaded).target_state(TARGET)
    standings = pipeline_state.read_target(wiring.kafka_settings(loaded), topic)
    return set(standings[mailbox_id(living.users[owner].address)].record.staging.values())


def test_a_staging_folder_that_an_administrator_deleted_is_made_anew(living: Living) -> None:
    before = staging_of(living, 0)
    assert before
    for folder_id in before:
        living.standbys[0].delete_folder(folder_id, how="HardDelete")
    for owner in range(len(living.users)):
        living.put(living.mail(owner))
    living.await_level()
    assert living.compare().is_clean
    assert staging_of(living, 0).isdisjoint(before)
    assert living.row()["behind"] == ""
