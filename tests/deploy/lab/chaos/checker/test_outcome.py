from dataclasses import replace
from typing import Any

import pytest

from deploy.lab.chaos.evidence import Act, FaultLine


def test_what_is_not_at_the_target_is_lost(story: Any) -> None:
    story.receives()
    assert "lost" in story.rules()


def test_what_is_gone_at_the_source_is_extra(story: Any) -> None:
    story.copied()
    story.deleted_at_source()
    assert "extra" in story.rules()


def test_old_content_at_the_end_is_stale(story: Any) -> None:
    story.copied()
    story.edited_at_source()
    assert "stale-content" in story.rules()


def test_old_marks_at_the_end_are_stale(story: Any) -> None:
    story.copied()
    story.marked_at_source("m2")
    assert "stale-marks" in story.rules()


def test_an_item_in_another_folder_at_the_end_is_stale(story: Any) -> None:
    story.copied()
    story.moved_at_source()
    assert "stale-folder" in story.rules()


@pytest.mark.parametrize(("side", "rule"), [("source", "folder-lost"), ("target", "folder-extra")])
def test_the_folders_are_the_same_at_the_end(story: Any, side: str, rule: str) -> None:
    story.copied()
    write = {"object": "folder", "kind": "create", "id": "x", "folder_id": f"{side[0]}-inbox", "name": "x"}
    (story.user if side == "source" else story.replay)(**write)
    assert rule in story.rules()


def test_a_folder_that_a_user_made_at_the_target_is_the_users(story: Any) -> None:
    story.copied()
    story.stranger(object="folder", kind="create", id="x", folder_id="t-inbox", name="x")
    story.replay(object="folder", kind="create", id="y", folder_id="t-inbox", name="y")
    assert story.rules() == {"folder-extra"}
    story.stranger(operation="CreateItem", kind="create", id="f1", folder_id="y", subject="own")
    assert story.anomalies() == []


def test_a_parked_item_is_excused_by_its_own_reason_only(story: Any) -> None:
    story.receives()
    story.holds(story.parked("ErrorMessageSizeExceeded"))
    story.applied()
    detail = {"server": "standby", "may_park": True, "rules": [{"code": "ErrorCorruptData"}]}
    story.faults.append(
        FaultLine(fault=1, phase="begin", time_ms=1, kind="refused_item", subject="standby", detail=detail)
    )
    assert "parked-without-cause" in story.rules()


def test_a_record_of_what_is_not_there_lies(story: Any) -> None:
    story.copied()
    story.holds(story.held("t9", "n1"))
    assert {"ledger-lies", "unowned"} <= story.rules()


def test_a_record_with_another_nonce_lies(story: Any) -> None:
    story.copied()
    story.holds(story.held("t2", "n9"))
    assert "ledger-lies" in story.rules()


def test_what_stands_in_no_record_is_unowned(story: Any) -> None:
    story.copied()
    story.holds(None)
    assert "unowned" in story.rules()


def test_a_parked_item_needs_an_injected_cause(story: Any) -> None:
    story.receives()
    story.holds(story.parked("ErrorCorruptData"))
    story.applied()
    assert {"parked-without-cause", "lost"} <= story.rules()
    detail = {"server": "standby", "may_park": True, "rules": [{"code": "ErrorCorruptData"}]}
    story.faults.append(
        FaultLine(fault=1, phase="begin", time_ms=1, kind="server_fault", subject="standby", detail=detail)
    )
    assert story.anomalies() == []


def test_a_copy_by_a_user_explains_an_ambiguous_stamp_and_no_other(story: Any) -> None:
    story.copied()
    story.holds(replace(story.held("t2", "n1"), state=story.parked("").state, reason="ambiguous-stamp"))
    assert "parked-without-cause" in story.rules()
    act = Act(n=1, phase="acknowledged", time_ms=1, server="standby", mailbox="", action="foreign_copy", item_id="t2")
    story.truth.append(act)
    assert "parked-without-cause" not in story.rules()


def test_an_acknowledged_act_without_a_write_is_the_labs_fault(story: Any) -> None:
    story.copied()
    act = Act(n=1, phase="acknowledged", time_ms=1, server="source", mailbox="", action="receive", item_id="s9")
    story.truth.append(act)
    assert "act-lost" in story.rules()


def test_the_end_of_a_run_that_never_came_to_rest_is_not_judged(story: Any) -> None:
    story.receives()
    story.run = replace(story.run, level_ms=None)
    assert story.rules() == {"not-level"}


@pytest.mark.parametrize(("certain_up_to_ms", "is_judged"), [(5_001, True), (5_000, False)])
def test_what_came_to_rest_is_judged_although_the_run_did_not(
    story: Any, certain_up_to_ms: int, *, is_judged: bool
) -> None:
    story.receives()
    story.run = replace(story.run, level_ms=None, last_status=(_level_row(story, certain_up_to_ms),))
    assert ("lost" in story.rules()) is is_judged


def test_what_waits_at_the_end_of_a_run_is_not_judged(story: Any) -> None:
    story.receives()
    row = _level_row(story, 5_001)
    row["targets"]["standby"]["behind"] = "folder-unknown"
    story.run = replace(story.run, level_ms=None, last_status=(row,))
    assert story.rules() == {"not-level"}


def _level_row(story: Any, certain_up_to_ms: int) -> dict[str, Any]:
    source = {
        "next_sequence": story.sequence + 1, "items": 1, "generation": 1, "paused": "", "seed_running": False,
        "owed": 0, "pending": 0, "certain_up_to_ms": certain_up_to_ms,
    }  # fmt: skip
    held = {
        "generation": 1, "applied_sequence": story.sequence, "items": 0, "parked": 0, "wanted": 0, "unsettled": 0,
        "behind": "", "waiting": "", "changes_not_applied": 0,
    }  # fmt: skip
    return {"mailbox": story.mailbox, "source": source, "targets": {"standby": held}}


def test_recovery_has_a_limit(story: Any) -> None:
    story.copied()
    story.run = replace(story.run, level_ms=story.run.healed_ms + 121_000)
    assert story.rules() == {"slow-recovery"}


def test_a_service_that_ends_with_a_traceback_is_told(story: Any) -> None:
    story.copied()
    detail = {"by": "itself", "code": 1, "last_words": "Traceback (most recent call last):\nKeyError: 'x'"}
    story.faults.append(
        FaultLine(fault=0, phase="note", time_ms=1, kind="service_end", subject="feed-1", detail=detail)
    )
    assert story.rules() == {"service-crashed"}


def copies_itself(story: Any) -> str:
    """The user moves the item and copies it into the same folder; the feed takes the copy for the moved one."""
    story.moved_at_source()
    story.user(operation="CopyItem", kind="create", id="c1", folder_id="s-archive", subject="i1 v1", content="v1")
    story.moves_by_intent("t4", "t2", "t-archive")
    return str(story.key_of("s2"))


def test_an_original_and_its_copy_are_interchangeable(story: Any) -> None:
    story.copied()
    other = copies_itself(story)
    assert {a.rule for a in story.anomalies()} >= {"lost"}
    story.brings(other, "s2", "t6", "t-archive")
    assert not {a.rule for a in story.anomalies()} & {"lost", "twice-at-end", "extra", "stale-folder"}


def test_one_copy_too_many_is_there_twice(story: Any) -> None:
    story.copied()
    story.brings(copies_itself(story), "s2", "t6", "t-archive")
    story.brings(story.key_of("c1"), "c1", "t8", "t-archive")
    assert "twice-at-end" in story.rules()
