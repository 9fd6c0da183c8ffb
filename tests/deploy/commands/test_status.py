"""What `status --json` says, from values."""

from deploy.commands.status import report
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding, lag_seconds
from schemas.state import MailboxRecord, TargetMailbox

NOW_MS = 1_000_000


def _state(applied: int) -> PipelineState:
    source = SourceStanding(MailboxRecord(mailbox="m", generation=2, next_sequence=8, certain_up_to=5), items=3, owed=1)
    target = TargetStanding(
        TargetMailbox(mailbox="m", generation=2, applied_sequence=applied, applied_at=NOW_MS - 4000)
    )
    return PipelineState({"m": source}, {"standby": {"m": target}})


def test_a_row_tells_both_sides_of_a_mailbox() -> None:
    (row,) = report(_state(7))["mailboxes"]
    assert row["mailbox"] == "m"
    assert row["source"] == {
        "generation": 2,
        "next_sequence": 8,
        "certain_up_to_ms": 5,
        "seed_running": False,
        "items": 3,
        "owed": 1,
        "pending": 0,
        "paused": "",
    }
    assert row["targets"]["standby"]["applied_sequence"] == 7
    assert row["targets"]["standby"]["lag_seconds"] == 0.0


def test_lag_is_time_since_the_last_applied_change_and_nothing_when_level() -> None:
    behind, level = _state(6), _state(7)
    assert lag_seconds(behind.sources["m"], behind.targets["standby"]["m"], NOW_MS) == 4.0
    assert lag_seconds(level.sources["m"], level.targets["standby"]["m"], NOW_MS) == 0.0


def test_a_mailbox_without_a_target_yet_is_listed() -> None:
    state = PipelineState({"m": SourceStanding(MailboxRecord(mailbox="m"))}, {"standby": {}})
    assert report(state)["mailboxes"][0]["targets"] == {}
