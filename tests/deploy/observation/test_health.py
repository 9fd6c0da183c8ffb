"""What each state of health is made of, and that lag is time."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.observation.health import DIFFERS, FINE, ON_ITS_WAY, TO_DO, Health, Limits, Look, judge
from schemas.state import MailboxRecord, TargetMailbox

NOW = 1_000_000_000
LIMITS = Limits(lag_objective_seconds=60.0, stall_seconds=45.0)
SOURCE = MailboxRecord(mailbox="m", generation=2, next_sequence=8, certain_up_to=NOW - 5_000)
LEVEL = TargetMailbox(mailbox="m", generation=2, applied_sequence=7, applied_at=NOW - 3_600_000)


def look(source: dict[str, Any] | None = None, target: dict[str, Any] | None = None, **more: Any) -> Look:
    return Look(source=replace(SOURCE, **source or {}), target=replace(LEVEL, **target or {}), **more)


def test_a_level_idle_mailbox_lags_by_the_age_of_the_last_certain_reading_whenever_it_changed_last() -> None:
    found = judge(look(), LIMITS, NOW)
    assert (found.health, found.lag_seconds, found.not_applied) == (Health.PROTECTED, 5.0, 0)


def test_lag_grows_with_the_clock_while_nothing_is_applied_and_while_nothing_is_read() -> None:
    for one in (look(target={"applied_sequence": 5}), look()):
        assert judge(one, LIMITS, NOW + 9_000).lag_seconds == judge(one, LIMITS, NOW).lag_seconds + 9


def test_what_waits_lags_since_it_was_level_last_not_since_the_last_change() -> None:
    found = judge(look(target={"applied_sequence": 6}, level_at=NOW - 20_000), LIMITS, NOW)
    assert (found.lag_seconds, found.not_applied, found.health) == (20.0, 1, Health.PROTECTED)


@pytest.mark.parametrize(
    ("one", "health"),
    [
        (look({"paused": "operator"}), Health.PAUSED),
        (look({"certain_up_to": NOW - 45_001}), Health.NOT_CAPTURED),
        (look(target={"tripped": "deletion-breaker", "tripped_on": "120 deletions", "tripped_at": 5}), Health.HELD),
        (look(target={"waiting": "lost sequence"}), Health.WAITING),
        (look(target={"behind": "ErrorQuotaExceeded"}), Health.BEHIND),
        (look(target={"applied_sequence": 6}, moved_at=NOW - 45_001), Health.STALLED),
        (look(target={"applied_sequence": 6}, moved_at=NOW - 45_001, level_at=NOW, hold_seconds=60), Health.PROTECTED),
        (look(moved_at=NOW - 3_600_000), Health.PROTECTED),
        (look({"seed_begun": 1}), Health.FIRST_COPY),
        (Look(source=SOURCE, target=None), Health.FIRST_COPY),
        (look(divergence={"missing": 2}), Health.DIVERGENT),
        (look(counts={"parked": 1}), Health.INCOMPLETE),
        (look(counts={"pending": 3, "dropped": 1, "orphan": 2}), Health.PROTECTED),
        (look(target={"applied_sequence": 6}, level_at=NOW - 61_000, moved_at=NOW), Health.LATE),
        (look({"role": "CLOSED"}), Health.PROTECTED),
        (look({"role": "FENCED"}), Health.PROMOTING),
        (look({"role": "FENCED"}, open_at="standby"), Health.PROMOTED),
    ],
)
def test_each_state_has_its_cause(one: Look, health: Health) -> None:
    found = judge(one, LIMITS, NOW)
    assert found.health is health
    assert bool(found.why) or health is Health.PROTECTED


@pytest.mark.parametrize(("open_at", "health"), [("", Health.PROMOTING), ("standby", Health.PROMOTED)])
def test_what_was_fenced_on_purpose_never_lags_whatever_time_passes_and_says_where_it_goes(
    open_at: str, health: Health
) -> None:
    fenced = {"role": "FENCED", "opening": "standby", "closed_at": NOW - 7_000}
    for one in (look(fenced, open_at=open_at), look(fenced, {"applied_sequence": 6}, open_at=open_at, moved_at=1)):
        found = judge(one, LIMITS, NOW + 86_400_000)
        assert (found.health, found.lag_seconds, found.since) == (health, 0.0, NOW - 7_000)
        assert "standby" in found.why


def test_while_it_is_being_promoted_what_is_left_to_drain_is_told_and_not_after() -> None:
    behind = look({"role": "FENCED"}, {"applied_sequence": 5})
    assert judge(behind, LIMITS, NOW).not_applied == 2
    assert judge(replace(behind, open_at="standby"), LIMITS, NOW).not_applied == 0


def test_a_promoted_mailbox_is_held_behind_and_divergent_no_more() -> None:
    held = {"tripped": "deletion-breaker", "tripped_at": 5, "behind": "ErrorQuotaExceeded", "waiting": "lost"}
    one = look({"paused": "operator"}, held, open_at="branch", divergence={"missing": 2}, counts={"parked": 1})
    assert judge(one, LIMITS, NOW).health is Health.PROMOTED


def test_every_state_but_protected_says_what_to_do() -> None:
    assert set(TO_DO) == set(Health)
    assert [h for h in Health if not TO_DO[h]] == [Health.PROTECTED]


def test_a_mailbox_that_cannot_be_read_says_why_and_since_when_also_in_its_first_copy() -> None:
    troubled = {"trouble": "1 folder not read: endless-answer", "trouble_since": NOW - 9_000}
    for one in (look(troubled), look(troubled | {"certain_up_to": 0, "seed_begun": 1})):
        found = judge(one, LIMITS, NOW)
        assert (found.health, found.why, found.since) == (Health.NOT_CAPTURED, troubled["trouble"], NOW - 9_000)
        assert found.health not in ON_ITS_WAY | FINE


def test_what_a_checksum_found_hides_no_parked_item_and_both_say_since_when() -> None:
    since = {DIFFERS: NOW - 8_000, "parked": NOW - 9_000, "owed": NOW - 7_000}
    differs = judge(look(divergence={"differing": 1}, counts={"parked": 41}, since=since), LIMITS, NOW)
    assert (differs.health, differs.why, differs.since) == (Health.DIVERGENT, "1 differing, 41 parked", NOW - 8_000)
    incomplete = judge(look(counts={"parked": 41, "owed": 1}, since=since), LIMITS, NOW)
    assert (incomplete.why, incomplete.since) == ("41 parked, 1 owed", NOW - 9_000)


def test_lag_counts_from_the_oldest_change_not_applied_where_the_log_says_it() -> None:
    one = look(target={"applied_sequence": 6, "applied_at": NOW - 183_000}, oldest_at=NOW - 6_000)
    assert judge(one, LIMITS, NOW).lag_seconds == 6.0
