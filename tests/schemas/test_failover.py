"""The table of states and commands: every cell, any sequence, and what the roles in the log say."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.failover import (
    ENDS,
    MEANING,
    NEXT,
    ORDER,
    TABLE,
    Command,
    IllegalError,
    Stage,
    State,
    after,
    diagram,
    is_allowed,
    may_follow,
    opening,
    state_of,
)
from schemas.state import SourceRole, TargetRole

ALLOWED = {
    ("MIRRORING", "close"): "CLOSED",
    ("MIRRORING", "fence"): "FENCED",
    ("CLOSED", "fence"): "FENCED",
    ("CLOSED", "reopen"): "MIRRORING",
    ("FENCED", "drain"): "DRAINED",
    ("FENCED", "open as it stands"): "OPEN",
    ("FENCED", "reopen"): "MIRRORING",
    ("DRAINED", "verify"): "VERIFIED",
    ("DRAINED", "open unverified"): "OPEN",
    ("DRAINED", "reopen"): "MIRRORING",
    ("VERIFIED", "open"): "OPEN",
    ("VERIFIED", "reopen"): "MIRRORING",
    ("OPEN", "lead"): "LED",
    ("OPEN", "reopen"): "MIRRORING",
    ("LED", "lead"): "LED",
    ("LED", "confirm"): "CONFIRMED",
    ("OPEN", "merge"): "MERGING",
    ("LED", "merge"): "MERGING",
    ("CONFIRMED", "merge"): "MERGING",
    ("MERGING", "end merge"): "LED",
}


@pytest.mark.parametrize(("state", "command"), list(product(State, Command)))
def test_every_state_answers_every_command(state: State, command: Command) -> None:
    expected = ALLOWED.get((state.value, command.value))
    assert is_allowed(state, command) == (expected is not None)
    if expected is None:
        with pytest.raises(IllegalError, match=f"{command} in {state}: .+"):
            after(state, command)
    else:
        assert after(state, command) == State(expected)


def test_every_state_is_in_the_table_and_has_a_meaning() -> None:
    assert set(TABLE) == set(MEANING) == set(State) == set(ORDER)


def test_every_state_can_be_reached() -> None:
    assert {to for row in TABLE.values() for to in row.values()} == set(State)


@given(st.lists(st.sampled_from(Command), max_size=30))
def test_no_sequence_of_commands_opens_a_target_whose_source_was_not_fenced(commands: list[Command]) -> None:
    state, is_fenced = State.MIRRORING, False
    for command in commands:
        try:
            state = after(state, command)
        except IllegalError:
            continue
        is_fenced = state not in {State.MIRRORING, State.CLOSED} and (is_fenced or state is State.FENCED)
        assert is_fenced or state in {State.MIRRORING, State.CLOSED}


@given(st.lists(st.sampled_from(Command), max_size=30))
def test_once_clients_were_led_no_sequence_leads_back_to_mirroring(commands: list[Command]) -> None:
    state = State.LED
    for command in commands:
        state = after(state, command) if is_allowed(state, command) else state
        assert state in {State.LED, State.CONFIRMED, State.MERGING}


@pytest.mark.parametrize("state", [s for s in State if Command.REOPEN in TABLE[s]])
def test_what_is_opened_is_said_by_the_name_of_the_command(state: State) -> None:
    if state in {State.OPEN, State.CLOSED}:
        assert not is_allowed(state, opening(state))
    else:
        assert after(state, opening(state)) is State.OPEN


def test_a_role_in_the_log_is_believed_whatever_the_progress_says() -> None:
    for source, target, known in product(SourceRole, TargetRole, State):
        found = state_of(source, target, known)
        if target is TargetRole.OPEN:
            assert found in {State.OPEN, State.LED, State.CONFIRMED}
        elif target is TargetRole.MERGING:
            assert found is State.MERGING
        elif target is TargetRole.DRAINED and source is SourceRole.FENCED:
            assert found in {State.DRAINED, State.VERIFIED}
        else:
            assert found == State(source)


def test_what_only_the_coordinator_knows_is_kept_where_the_roles_agree() -> None:
    assert state_of("FENCED", "DRAINED", State.VERIFIED) is State.VERIFIED
    assert state_of("FENCED", "OPEN", State.CONFIRMED) is State.CONFIRMED
    assert state_of("FENCED", "MIRRORING", State.VERIFIED) is State.FENCED
    assert state_of("MIRRORING", "MIRRORING", State.LED) is State.MIRRORING


def test_a_merge_that_ended_leaves_its_users_at_the_target() -> None:
    state = state_of("FENCED", "OPEN", State.MERGING)
    assert state is State.LED
    assert not is_allowed(state, Command.REOPEN)


def test_the_diagram_has_an_arrow_for_each_cell() -> None:
    assert diagram().count("-->") == len(ALLOWED) + 2


def test_every_stage_leads_to_an_end_and_from_no_end_anywhere() -> None:
    reachable = set(ENDS)
    for _ in Stage:
        reachable |= {stage for stage in Stage if NEXT[stage] & reachable or stage is Stage.UNDO}
    assert reachable == set(Stage) == set(NEXT)
    assert not any(may_follow(end, following) for end, following in product(ENDS, Stage) if end != following)


def test_a_stage_may_be_committed_again_undone_or_followed_by_the_next_alone() -> None:
    assert may_follow("", Stage.CHECK)
    assert may_follow(Stage.FENCE, Stage.FENCE)
    assert may_follow(Stage.FENCE, Stage.UNDO)
    assert may_follow(Stage.FENCE, Stage.DRAIN)
    assert not may_follow(Stage.FENCE, Stage.OPEN)
    assert not may_follow(Stage.CLOSE, Stage.DRAIN)
