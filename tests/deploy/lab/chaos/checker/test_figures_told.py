from dataclasses import replace
from typing import Any

import pytest


def test_a_ledger_that_stands_before_the_end_of_the_log_is_behind(story: Any) -> None:
    story.copied()
    story.marked_at_source("")
    assert "behind" in story.rules()


def row(story: Any, **at_target: Any) -> dict[str, Any]:
    held = {"applied_sequence": story.sequence, "items": 1, "parked": 0, "wanted": 0} | at_target
    source = {"next_sequence": story.sequence + 1, "items": 1}
    return {"mailbox": story.mailbox, "source": source, "targets": {"standby": held}}


def test_a_status_that_says_what_is_so_is_true(story: Any) -> None:
    story.copied()
    story.run = replace(story.run, last_status=(row(story),))
    assert story.anomalies() == []


@pytest.mark.parametrize("figure", ["applied_sequence", "items", "parked", "wanted"])
def test_a_status_that_says_otherwise_is_untrue(story: Any, figure: str) -> None:
    story.copied()
    story.run = replace(story.run, last_status=(row(story, **{figure: 7}),))
    assert story.rules() == {"status-untrue"}


def test_a_status_without_the_mailbox_is_untrue(story: Any) -> None:
    story.copied()
    story.run = replace(story.run, last_status=(row(story) | {"mailbox": "another"},))
    assert story.rules() == {"status-untrue"}


def test_a_parked_item_that_the_target_does_not_hold_is_no_item_there(story: Any) -> None:
    story.receives()
    story.holds(story.parked("ErrorCorruptData"))
    story.applied()
    story.run = replace(story.run, last_status=(row(story, items=0, parked=1),))
    assert "status-untrue" not in story.rules()
