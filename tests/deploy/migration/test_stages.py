"""The table of stages and commands: every cell, and what the log says of a wave."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.migration.stages import (
    MEANING,
    TABLE,
    Command,
    Happening,
    Stage,
    StageError,
    Standing,
    after,
    diagram,
    stage_of,
)
from schemas.state import Wave

ALLOWED = {
    ("PRE-STAGE", "plan"): "PRE-STAGE",
    ("PRE-STAGE", "one leaves"): "PRE-STAGE",
    ("PRE-STAGE", "schedule"): "PRE-STAGE",
    ("DELTA", "plan"): "PRE-STAGE",
    ("DELTA", "one leaves"): "DELTA",
    ("DELTA", "schedule"): "DELTA",
    ("READY", "plan"): "PRE-STAGE",
    ("READY", "one leaves"): "READY",
    ("READY", "schedule"): "READY",
    ("READY", "approve"): "APPROVED",
    ("APPROVED", "plan"): "PRE-STAGE",
    ("APPROVED", "one leaves"): "APPROVED",
    ("APPROVED", "schedule"): "READY",
    ("APPROVED", "cut-over"): "WINDOW",
    ("WINDOW", "cut-over"): "WINDOW",
    ("STRAY WATCH", "one leaves"): "STRAY WATCH",
    ("STRAY WATCH", "watch"): "STRAY WATCH",
    ("STRAY WATCH", "close"): "CLOSED",
    ("STRAY WATCH", "roll-back"): "RETURNING",
    ("RETURNING", "roll-back"): "RETURNING",
    ("ROLLED BACK", "one leaves"): "ROLLED BACK",
    ("ROLLED BACK", "schedule"): "PRE-STAGE",
    ("CLOSED", "one leaves"): "CLOSED",
}
NEW = Wave(wave="w", target="standby")
APPROVED = replace(NEW, window_from="2026-11-27T20:00:00+01:00", approved_at=1)
BEGUN = replace(APPROVED, promotions=("p1", "p2"))
ENDED = replace(BEGUN, ended_at=2)
BACK = replace(ENDED, way_back="b")


def one(mailbox: str = "a", *, copied: bool = True, why: str = "", promoted: bool = False) -> Standing:
    return Standing(mailbox=mailbox, is_copied=copied, why_not=(why,) if why else (), is_promoted=promoted)


HOME, AWAY, LATE, FRESH = one(), one("b", promoted=True), one("c", why="late"), one("d", copied=False, why="new")


@pytest.mark.parametrize(("stage", "command"), list(product(Stage, Command)))
def test_every_stage_answers_every_command(stage: Stage, command: Command) -> None:
    expected = ALLOWED.get((stage.value, command.value))
    if expected is None:
        with pytest.raises(StageError, match=rf"wave w: no {command} in {stage} \(.+\); .+"):
            after("w", stage, command)
    else:
        assert after("w", stage, command) == Stage(expected)


def test_every_stage_has_a_meaning_and_can_be_reached_and_every_arrow_is_drawn() -> None:
    assert set(TABLE) == set(MEANING) == set(Stage)
    assert {to for row in TABLE.values() for to in row.values()} | {Stage.PRE_STAGE} == set(Stage)
    assert {arrow for row in TABLE.values() for arrow in row} == {*Command, *Happening}
    assert diagram().count("-->") == sum(map(len, TABLE.values())) + 2


@pytest.mark.parametrize(
    ("wave", "standings", "in_hand", "stage"),
    [
        (NEW, [], "", Stage.PRE_STAGE),
        (NEW, [HOME, FRESH], "", Stage.PRE_STAGE),
        (NEW, [HOME, LATE], "", Stage.DELTA),
        (replace(NEW, accepted=("c",)), [HOME, LATE], "", Stage.READY),
        (replace(NEW, accepted=("d",)), [HOME, FRESH], "", Stage.PRE_STAGE),
        (NEW, [HOME], "", Stage.READY),
        (NEW, [HOME], "somebody's", Stage.READY),
        (APPROVED, [HOME], "", Stage.APPROVED),
        (APPROVED, [HOME, LATE], "", Stage.APPROVED),
        (BEGUN, [HOME], "p1", Stage.WINDOW),
        (BEGUN, [HOME], "", Stage.APPROVED),  # dead before it began, or undone
        (BEGUN, [HOME, AWAY], "", Stage.WINDOW),  # dead between two promotions
        (ENDED, [HOME, AWAY], "", Stage.STRAY_WATCH),
        (ENDED, [AWAY], "somebody's", Stage.STRAY_WATCH),
        (BACK, [AWAY], "", Stage.STRAY_WATCH),  # dead before it began, or nobody could go
        (BACK, [AWAY], "b", Stage.RETURNING),
        (BACK, [HOME], "b", Stage.RETURNING),
        (BACK, [HOME, AWAY], "", Stage.STRAY_WATCH),
        (BACK, [HOME], "", Stage.ROLLED_BACK),
        (ENDED, [HOME], "", Stage.ROLLED_BACK),  # by `failback`
        (replace(ENDED, closed_at=3), [AWAY], "", Stage.CLOSED),
    ],
)
def test_where_a_wave_stands_is_said_by_decisions_and_by_the_log(
    wave: Wave, standings: list[Standing], in_hand: str, stage: Stage
) -> None:
    assert stage_of(wave, standings, in_hand) is stage


@given(
    st.sampled_from([NEW, APPROVED, BEGUN, ENDED, BACK]),
    st.lists(st.sampled_from([HOME, AWAY, LATE, FRESH])),
    st.sampled_from(["", "p1", "b", "x"]),
)
def test_no_wave_with_somebody_at_the_target_can_be_planned_or_approved_anew(
    wave: Wave, standings: list[Standing], in_hand: str
) -> None:
    stage = stage_of(wave, standings, in_hand)
    if any(s.is_promoted for s in standings):
        assert not {Command.PLAN, Command.SCHEDULE, Command.APPROVE} & TABLE[stage].keys()
    if stage is Stage.READY:
        assert standings
        assert all(s.is_copied and not s.why_not for s in standings)
