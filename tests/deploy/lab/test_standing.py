from typing import Any

import pytest

from deploy.lab.standing import standing
from schemas.backlog import changes_not_applied
from schemas.state import MailboxRecord, TargetMailbox


def not_applied(source: dict[str, Any], target: dict[str, Any]) -> int:
    """What `status` says, by the function it calls."""
    record = MailboxRecord(mailbox="m", generation=source["generation"], next_sequence=source["next_sequence"])
    at = TargetMailbox(mailbox="m", generation=target["generation"], applied_sequence=target["applied_sequence"])
    return changes_not_applied(record, at)


def row(source: dict[str, Any] | None = None, target: dict[str, Any] | None = None) -> dict[str, Any]:
    at_source = {
        "generation": 1, "next_sequence": 11, "certain_up_to_ms": 2000, "seed_running": False, "owed": 0, "pending": 0,
        "paused": "", **(source or {}),
    }  # fmt: skip
    at_target = {
        "generation": 1, "applied_sequence": 10, "unsettled": 0, "parked": 0, "behind": "", "waiting": "", "wanted": 0,
        **(target or {}),
    }  # fmt: skip
    at_target["changes_not_applied"] = not_applied(at_source, at_target)
    return {"mailbox": "m", "source": at_source, "targets": {"standby": at_target}}


def test_a_mailbox_is_level_when_everything_captured_is_applied_and_the_source_is_certain() -> None:
    found = standing([row(), row()], "standby", 1999)
    assert (found.level, found.changes_left, found.parked, found.paused) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"certain_up_to_ms": 1999}, {}),
        ({"seed_running": True}, {}),
        ({"owed": 1}, {}),
        ({"pending": 1}, {}),
        ({"next_sequence": 12}, {}),
        ({"generation": 2}, {}),
        ({}, {"unsettled": 1}),
        ({}, {"behind": "throttled"}),
        ({}, {"waiting": "a seed"}),
        ({}, {"wanted": 1}),
    ],
)
def test_whatever_is_open_keeps_a_mailbox_from_being_level(source: dict[str, Any], target: dict[str, Any]) -> None:
    assert standing([row(source, target)], "standby", 1999).level == 0


def test_changes_left_and_parked_items_are_counted() -> None:
    found = standing([row({"next_sequence": 15}, {"parked": 2}), row({"paused": "no access"})], "standby", 0)
    assert (found.changes_left, found.parked, found.paused) == (4, 2, 1)


def test_a_mailbox_the_target_does_not_know_yet_is_behind_altogether() -> None:
    assert standing([row()], "another", 0).changes_left == 10


def test_why_a_mailbox_is_held_is_told() -> None:
    rows = [row(), row(target={"held_on": "120 deletions"})]
    assert standing(rows, "standby", 0).held == ("120 deletions",)
