"""What `status --json` says, from values."""

from dataclasses import replace

import pytest

from deploy.commands.status import report
from deploy.observation.health import Health, Limits
from deploy.observation.looks import judge_all
from deploy.observation.services import Services
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding
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


def _lag(state: PipelineState) -> float:
    (row,) = report(state, now_ms=NOW_MS)["mailboxes"]
    lag: float = row["targets"]["standby"]["lag_seconds"]
    return lag


def test_lag_is_the_age_of_the_oldest_change_not_applied_and_nothing_when_level() -> None:
    behind = _state(6)
    behind.targets["standby"]["m"].record = replace(behind.targets["standby"]["m"].record, applied_at=NOW_MS - 183_000)
    behind.oldest_at["standby", "m"] = NOW_MS - 6_000
    assert _lag(behind) == 6.0
    assert _lag(_state(7)) == 0.0


def _health(state: PipelineState, now: int, services: Services | None = None) -> tuple[Health, str, int]:
    state.sources["m"].record = replace(state.sources["m"].record, certain_up_to=now)
    state.sources["m"].owed = 0
    ((_, finding),) = judge_all(state, {"standby": 0.0}, Limits(stall_seconds=45.0), now, services)["standby"]
    return finding.health, finding.why, finding.since


def test_one_reading_shows_a_stall_by_the_age_of_what_waits_and_of_what_was_written_last() -> None:
    state = _state(6)
    state.oldest_at["standby", "m"] = NOW_MS
    state.targets["standby"]["m"].written_at = NOW_MS - 3_600_000
    assert _health(state, NOW_MS + 45_000)[0] is Health.PROTECTED
    assert _health(state, NOW_MS + 45_001) == (Health.STALLED, "1 changes wait", NOW_MS)
    state.targets["standby"]["m"].written_at = NOW_MS + 1_000
    assert _health(state, NOW_MS + 45_001)[0] is Health.PROTECTED


def test_a_target_that_takes_nothing_of_anybody_stalls_a_first_copy() -> None:
    state = _state(6)
    state.targets["standby"] = {}
    state.oldest_at["standby", "m"] = NOW_MS
    assert _health(state, NOW_MS + 40_000)[::2] == (Health.FIRST_COPY, NOW_MS)
    assert _health(state, NOW_MS + 45_001)[0] is Health.STALLED
    other = TargetStanding(TargetMailbox(mailbox="other"), written_at=NOW_MS + 44_000)
    state.targets["standby"]["other"] = other
    assert _health(state, NOW_MS + 45_001)[0] is Health.FIRST_COPY


@pytest.mark.parametrize("applied", [6, 7])
def test_what_does_not_run_is_told_before_anything_else(applied: int) -> None:
    state = _state(applied)
    state.targets["standby"]["m"].divergence = {"differing": 1}
    no_replay = Services(targets_down={"standby": "no replay of standby runs"})
    health, why, _ = _health(state, NOW_MS, no_replay)
    assert health is Health.STALLED
    assert why.startswith("no replay of standby runs")
    assert _health(state, NOW_MS, replace(no_replay, source_down="no feed runs"))[:2] == (
        Health.NOT_CAPTURED,
        "no feed runs; no replay of standby runs",
    )


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
