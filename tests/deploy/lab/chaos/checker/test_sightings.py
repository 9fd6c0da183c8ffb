from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.chaos.checker.names import item_key
from deploy.lab.chaos.checker.sightings import subsequence_break

from .conftest import MAILBOX, US, saved


@given(st.lists(st.integers(0, 3), max_size=12), st.data())
def test_what_is_left_out_breaks_no_order(states: list[int], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(states), max_size=len(states)))
    assert subsequence_break(states, [s for s, keep in zip(states, kept, strict=True) if keep]) is None


@given(st.lists(st.integers(0, 9), unique=True, min_size=2))
def test_two_states_the_other_way_round_break_the_order(states: list[int]) -> None:
    assert subsequence_break(states, [states[-1], states[0]]) == 1


def test_repeating_a_state_is_standing_still(story: Any) -> None:
    assert subsequence_break([1, 2], [1, 1, 2, 2]) is None
    story.copied()
    assert story.anomalies() == []


def test_old_content_after_new_goes_backwards(story: Any) -> None:
    story.copied()
    story.edited()
    story.stages("t5", "n3", "v1", replaced_id="t4")
    story.places("t6", "t5", "n3", "v1")
    assert "backwards-content" in story.rules()


def test_old_marks_after_new_go_backwards(story: Any) -> None:
    story.copied()
    for category in ("m2", "m3"):
        story.marked_at_source(category)
    for nonce, category in (("n2", "m3"), ("n3", "m2")):
        story.holds(story.held("t2", "n1", story.intent("MARK", "t2", nonce)))
        story.marks(nonce, category)
    assert "backwards-marks" in story.rules()


def test_marks_that_the_source_never_had_are_told_apart(story: Any) -> None:
    story.copied()
    story.holds(story.held("t2", "n1", story.intent("MARK", "t2", "n2")))
    story.marks("n2", "m9")
    assert "never-so-marks" in story.rules()


def test_back_to_a_folder_that_was_left_goes_backwards(story: Any) -> None:
    story.copied()
    story.moved_at_source()
    for ident, was, folder in (("t3", "t2", "t-archive"), ("t4", "t3", "t-inbox")):
        story.holds(story.held(was, "n1", story.intent("MOVE", was, "n1")))
        story.moves(ident, was, folder)
    assert "backwards-folder" in story.rules()


def test_what_the_source_has_is_not_taken_away(story: Any) -> None:
    story.copied()
    story.holds(story.held("t2", "n1", story.intent("DELETE", "t2", "n1")))
    story.soft_deletes()
    assert "vanished" in story.rules()


@pytest.mark.parametrize(("generation", "is_excused"), [(2, True), (1, False)])
def test_only_a_key_of_a_later_generation_stands_for_what_is_taken_away(
    story: Any,
    generation: int,
    is_excused: bool,  # noqa: FBT001 - a column
) -> None:
    story.copied()
    story.moved_at_source()
    another = item_key(MAILBOX, "s2")
    story.say(saved("s2", "s-archive", another), generation=generation)
    stamp = f"{US}:{another}:n2"
    story.replay(operation="UploadItems", kind="create", id="u1", folder_id="t-staging", stamp=stamp)
    story.replay(operation="MoveItem", kind="move", id="u2", previous_id="u1", folder_id="t-archive", stamp=stamp)
    story.holds(story.held("t2", "n1", story.intent("DELETE", "t2", "n1")))
    story.soft_deletes()
    assert ("vanished" not in story.rules()) is is_excused


def test_what_a_user_takes_away_is_the_users_affair(story: Any) -> None:
    story.copied()
    story.stranger(operation="DeleteItem", kind="delete", id="t2", folder_id="t-inbox", deletion="hard")
    assert "vanished" not in story.rules()


def test_what_is_deleted_stays_deleted(story: Any) -> None:
    story.copied()
    story.deleted_at_source()
    story.holds(story.held("t2", "n1", story.intent("DELETE", "t2", "n1")))
    story.soft_deletes()
    story.holds(None)
    story.applied()
    assert story.anomalies() == []
    story.stages("t5", "n2")
    story.places("t6", "t5", "n2")
    assert "resurrected" in story.rules()


def test_an_item_stands_beside_itself_only_while_it_is_replaced(story: Any) -> None:
    story.copied()
    story.edited()
    assert "twice" not in story.rules()
    story.stages("t5", "n3", "v2")
    story.places("t6", "t5", "n3", "v2")
    assert {"twice", "twice-at-end"} <= story.rules()
