from typing import Any

import pytest

from deploy.lab.standing import standing


def row(source: dict[str, Any] | None = None, target: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "mailbox": "m",
        "source": {
            "generation": 1, "next_sequence": 11, "certain_up_to_ms": 2000, "seed_running": False, "owed": 0,
            "pending": 0, "paused": "", **(source or {}),
        },
        "targets": {
            "standby": {
                "generation": 1, "applied_sequence": 10, "unsettled": 0, "parked": 0, "behind": "", "waiting": "",
                "wanted": 0, **(target or {}),
            }
        },
    }  # fmt: skip


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
    assert standing([row()], "another", 0).changes_left == 11
