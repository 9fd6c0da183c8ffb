"""The continuous proof of a living pipeline: rot at the target is told by itself, soon, and not after it is mended."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy import settings, wiring
from deploy.partition.reader import read_to_end
from deploy.verification import knowledge
from schemas.change import Change, Checksum
from schemas.codec import decode
from schemas.identity import mailbox_id
from schemas.ports import Incoming

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
"""The fixture's class; fixtures of conftest can't be imported."""
TOLD_SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Folders are probed often and compared again once an hour: what is found in seconds, a probe told of."""
    return {"MAILSHADOW_REPLAY__PROBE_INTERVAL_SECONDS": "3"}


def divergence(living: Living) -> dict[str, int]:
    """Return what `mailshadow status` tells of the first mailbox."""
    name = mailbox_id(living.users[0].address)
    row = next(r for r in living.world.status() if r["mailbox"] == name)
    found: dict[str, int] = row["targets"]["standby"]["divergence"]
    return found


def await_proved(living: Living) -> None:
    """Wait until every folder was found equal to its checksum."""

    def is_proved() -> bool:
        rows = [r["targets"]["standby"] for r in living.world.status()]
        return bool(rows) and all(r["folders"] and r["folders_proved"] == r["folders"] for r in rows)

    living.await_true(is_proved)


def at_target(living: Living, item_id: str) -> str:
    loaded = settings.load(living.world.config, {})
    name = mailbox_id(living.users[0].address)
    state = knowledge.read(wiring.kafka_settings(loaded), wiring.topics_of(loaded), "standby", [name])[name]
    return state.ledger[state.by_item_id[item_id]].target_id


def checksums(living: Living) -> list[Checksum]:
    loaded = settings.load(living.world.config, {})
    connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
    found = []
    for partition in range(connection.partition_count):
        for record in read_to_end(connection, topics.changes, partition, None, lambda: True):
            change = decode(record.value) if isinstance(record, Incoming) and record.value else None
            if isinstance(change, Change) and isinstance(change.operation, Checksum):
                found.append(change.operation)
    return found


def test_every_folder_is_proved_and_nothing_more_is_written_while_nothing_happens(living: Living) -> None:
    living.put(living.mail())
    living.await_level()
    await_proved(living)
    before = checksums(living)
    assert len({c.folder_id for c in before}) > 10
    time.sleep(12.0)
    assert checksums(living) == before
    assert divergence(living) == {}


def rot_missing(living: Living, item_id: str) -> None:
    living.standbys[0].delete(item_id, how="HardDelete")


def rot_subject(living: Living, item_id: str) -> None:
    living.standbys[0].update(item_id, "item:Subject", "<t:Subject>rot</t:Subject>")


def rot_flag(living: Living, item_id: str) -> None:
    living.standbys[0].update(item_id, "item:Flag", "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>")


def rot_moved(living: Living, item_id: str) -> None:
    living.standbys[0].move(item_id, living.standbys[0].folder(("/deleteditems",)))


def rot_copied(living: Living, item_id: str) -> None:
    living.standbys[0].copy(item_id, living.standbys[0].folder(("/inbox",)))


SUBJECT_ALONE = ((rot_subject,), {"differing": 1})
"""Only the digest shows it, and that explains nothing where something else is wrong too."""
OTHERS = ((rot_missing, rot_flag, rot_moved, rot_copied), {"missing": 1, "differing": 1, "moved": 1, "duplicate": 1})


@pytest.mark.parametrize(("rots", "told"), [SUBJECT_ALONE, OTHERS], ids=["subject", "missing, flag, moved and copied"])
def test_rot_at_the_target_is_told_within_a_minute_and_no_more_once_it_is_gone(
    living: Living, rots: tuple[Callable[[Living, str], None], ...], told: dict[str, int]
) -> None:
    item_ids = [living.put(living.mail()) for _ in rots]
    living.await_level()
    await_proved(living)
    standby = living.standbys[0]
    foreign = standby.create_mail(standby.folder(("/inbox",)), [living.mail()])[0]
    target_ids = [at_target(living, item_id) for item_id in item_ids]
    for rot, target_id in zip(rots, target_ids, strict=True):
        rot(living, target_id)
    living.await_true(lambda: divergence(living) == told, TOLD_SECONDS_MAX)
    log = (living.world.options.directory / "replay.log").read_text()
    assert '"target differs from source"' in log
    assert foreign in living.ids(standby, living.target_session, "inbox")
    _start_again(living)
    living.await_true(lambda: divergence(living) == {}, TOLD_SECONDS_MAX)


def _start_again(living: Living) -> None:
    """Empty both inboxes, so that the next case finds nothing of this one."""
    standby, user = living.standbys[0], living.users[0]
    for item_id in living.ids(user, living.source_session, "inbox"):
        user.delete(item_id, how="HardDelete")
    living.await_level()
    for folder in ("inbox", "deleteditems"):
        for item_id in living.ids(standby, living.target_session, folder):
            standby.delete(item_id, how="HardDelete")
