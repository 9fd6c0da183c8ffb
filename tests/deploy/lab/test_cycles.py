"""What makes a cycle of failover and failback a failure, and how a statement is judged against what was missed."""

from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from deploy import exit_codes
from deploy.lab.command import lab
from deploy.lab.cycle_result import CycleResult
from deploy.lab.disaster import judged, reported_in
from deploy.lab.missed import Missed

CLEAN = CycleResult(
    number=1, kind="source lost", struck=("command", "kafka"), reported=3, missed=3, lost=0, conflicts=1, unequal=0,
    items=10, seconds=1.0, nothing_lost_said=False,
)  # fmt: skip


def test_a_cycle_that_loses_nothing_unsaid_is_clean_whatever_was_missed_and_said() -> None:
    assert CLEAN.is_clean
    assert replace(CLEAN, kind="planned", nothing_lost_said=True).is_clean


@pytest.mark.parametrize(
    "result",
    [replace(CLEAN, unreported=1), replace(CLEAN, needless=1), replace(CLEAN, lost=1), replace(CLEAN, unequal=1)],
    ids=["unreported", "needless", "lost", "unequal"],
)
def test_one_item_unsaid_lost_or_twice_is_too_many(result: CycleResult) -> None:
    assert not result.is_clean


def test_nothing_lost_is_said_of_planned_promotions_only() -> None:
    assert not replace(CLEAN, nothing_lost_said=True).is_clean
    assert not replace(CLEAN, kind="planned").is_clean


def test_a_statement_is_judged_item_by_item() -> None:
    def tail(*kinds: tuple[str, str]) -> dict[str, Any]:
        return {"mailbox": "m", "tail": [{"kind": kind, "item_id": item_id} for kind, item_id in kinds]}

    told = reported_in({"mailboxes": [tail(("ItemSaved", "a"), ("ItemDeleted", ""), ("FolderSaved", "f"))]})
    assert told == {"m": ({"a"}, 1)}
    assert judged(told, {"m": Missed(frozenset("a"), 1)}, ()) == {
        "reported": 2, "missed": 2, "unreported": 0, "needless": 0
    }  # fmt: skip
    assert judged(told, {"m": Missed(frozenset("ab"), 2)}, ())["unreported"] == 2
    assert judged(told, {"m": Missed(frozenset(), 0)}, ())["needless"] == 2
    assert judged(told, {"m": Missed(frozenset(), 1)}, {"a"})["needless"] == 0, "written, and as it was before"


def test_options_that_make_no_sense_are_usage_errors() -> None:
    found = CliRunner().invoke(lab, ["cycles", "--cycles", "0"])
    assert found.exit_code == exit_codes.USAGE
