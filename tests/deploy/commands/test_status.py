"""What `status --json` says, from values."""

from deploy.commands.status import report
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding, lag_seconds
from schemas.change import Checksum
from schemas.state import MailboxRecord, TargetFolder, TargetMailbox

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
        "role": "MIRRORING",
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


def test_what_the_continuous_proof_found_is_told_by_kind() -> None:
    state = _state(7)
    standing = state.targets["standby"]["m"]
    checksum = Checksum(folder_id="f", items=1, digest="0" * 32, form=1, has_flags=True)
    for name, divergence in (("f", {"missing": 1}), ("g", {}), ("h", {"missing": 2, "differing": 1})):
        standing.count_folder(
            TargetFolder(
                folder_id=name,
                target_id=name,
                parent_id="",
                name=name,
                folder_class="",
                distinguished="",
                created=True,
                generation=1,
                sequence=1,
                checksum=checksum,
                compared_at=1,
                divergence=divergence,
            )
        )
    told = report(state)["mailboxes"][0]["targets"]["standby"]
    assert told["divergence"] == {"missing": 3, "differing": 1}
    assert (told["folders_proved"], told["folders"]) == (1, 3)
