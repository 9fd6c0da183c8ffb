"""Several actuators in one promotion: their order, who may act, and a failure of each step at each position."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from deploy.front_door.actuator import ActuatorStep
from deploy.promotion.conduct import StoppedError
from deploy.promotion.office import DrivenError
from schemas.state import SourceRole, TargetRole

Make = Callable[..., Any]
DOORS = 3
NAMES = ["front_door.memory", "front_door.memory1", "front_door.memory2"]


def roles(pipeline: Any) -> set[tuple[str, str]]:
    seen = [pipeline.picture.of(n) for n in pipeline.names]
    return {(s.source.role, s.target.role) for s in seen}


def of_step(pipeline: Any, step: ActuatorStep) -> list[str]:
    return [name for name, acted in pipeline.acts if acted is step]


def test_every_step_asks_every_actuator_in_order_with_all_mailboxes_in_one_call(new_pipeline: Make) -> None:
    pipeline = new_pipeline(5, DOORS)
    pipeline.begin().run()
    steps = ["check", "close", "redirect", "confirm"]
    assert pipeline.acts == [(name, step) for step in steps for name in NAMES]
    assert {count for door in pipeline.doors for _, count in door.calls} == {5}


def test_an_undo_asks_them_in_reverse_order_and_first_the_front_door_then_the_pipeline(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2, DOORS)
    pipeline.stuck.update(pipeline.names)
    with pytest.raises(StoppedError):
        pipeline.begin().run()
    assert pipeline.resume().undo().stage == "UNDONE"
    assert of_step(pipeline, ActuatorStep.UNDO) == NAMES[::-1]
    assert roles(pipeline) == {(SourceRole.MIRRORING, TargetRole.MIRRORING)}


@pytest.mark.parametrize("position", range(DOORS))
@pytest.mark.parametrize("step", [ActuatorStep.CHECK, ActuatorStep.CLOSE])
def test_a_failure_before_the_fence_leaves_everything_as_it_was(
    new_pipeline: Make, step: ActuatorStep, position: int
) -> None:
    pipeline = new_pipeline(2, DOORS)
    pipeline.doors[position].fails_at = step
    done = pipeline.begin().run()
    assert (done.stage, done.failure) == ("UNDONE", f"{NAMES[position]}, {step}: it was told to")
    assert of_step(pipeline, step) == NAMES[: position + 1]
    assert of_step(pipeline, ActuatorStep.UNDO) == ([] if step is ActuatorStep.CHECK else NAMES[::-1])
    assert not any(door.closed or door.led for door in pipeline.doors)
    assert roles(pipeline) == {(SourceRole.MIRRORING, TargetRole.MIRRORING)}


@pytest.mark.parametrize("position", range(DOORS))
@pytest.mark.parametrize("step", [ActuatorStep.REDIRECT, ActuatorStep.CONFIRM])
def test_a_failure_after_opening_stops_there_and_is_resumed(
    new_pipeline: Make, step: ActuatorStep, position: int
) -> None:
    pipeline = new_pipeline(2, DOORS)
    pipeline.doors[position].fails_at = step
    stage = "LEAD" if step is ActuatorStep.REDIRECT else "CONFIRM"
    with pytest.raises(StoppedError, match=f"stopped at {stage}: {NAMES[position]}, {step}: .*failover --resume"):
        pipeline.begin().run()
    assert of_step(pipeline, step) == NAMES[: position + 1]
    pipeline.doors[position].fails_at = None
    done = pipeline.resume().run()
    assert (done.stage, done.failure) == ("DONE", "")
    assert [door.led for door in pipeline.doors] == [dict.fromkeys(pipeline.names, "standby")] * DOORS
    assert set(pipeline.states().values()) == {"CONFIRMED"}


@pytest.mark.parametrize("position", range(DOORS))
def test_a_failed_undo_stops_there_and_is_resumed(new_pipeline: Make, position: int) -> None:
    pipeline = new_pipeline(2, DOORS)
    pipeline.doors[0].fails_at = ActuatorStep.CLOSE
    pipeline.doors[position].fails_at = ActuatorStep.UNDO if position else ActuatorStep.CLOSE
    failing = pipeline.doors[position]
    if position:
        with pytest.raises(StoppedError, match=f"stopped at UNDO: {NAMES[position]}, undo: .*failover --resume"):
            pipeline.begin().run()
        assert of_step(pipeline, ActuatorStep.UNDO) == NAMES[: position - 1 : -1]
        failing.fails_at = None
        assert pipeline.resume().run().stage == "UNDONE"
    else:
        assert pipeline.begin().run().stage == "UNDONE"
    assert not any(door.closed for door in pipeline.doors)


def test_a_confirmation_that_finds_them_elsewhere_is_resumed_by_leading_them_again(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1, DOORS)
    pipeline.doors[2].fails_at = ActuatorStep.CONFIRM
    with pytest.raises(StoppedError, match="stopped at CONFIRM"):
        pipeline.begin().run()
    pipeline.doors[0].led.clear()  # as somebody who edits a map by hand
    pipeline.doors[2].fails_at = None
    assert pipeline.resume().run().stage == "DONE"
    assert pipeline.doors[0].led == dict.fromkeys(pipeline.names, "standby")


# -- who leads all or nobody ---------------------------------------------------------------------------------


def test_who_leads_all_leads_nobody_while_one_is_not_open_and_all_once_it_is(new_pipeline: Make) -> None:
    pipeline = new_pipeline(3, DOORS)
    pipeline.doors[1].leads_all = True
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError, match=r"1 mailboxes are not open, and front_door\.memory1 leads all at once"):
        pipeline.begin().run()
    assert of_step(pipeline, ActuatorStep.REDIRECT) == []
    assert all(door.closed == set(pipeline.names) for door in pipeline.doors)
    pipeline.stuck.clear()
    assert pipeline.resume().run().stage == "DONE"
    assert [count for step, count in pipeline.doors[1].calls if step is ActuatorStep.REDIRECT] == [3]


def test_who_leads_all_and_led_nobody_yet_is_undone(new_pipeline: Make) -> None:
    pipeline = new_pipeline(3, DOORS)
    pipeline.doors[1].leads_all = True
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError):
        pipeline.begin().run()
    assert pipeline.resume().undo().stage == "UNDONE"
    assert not any(door.closed for door in pipeline.doors)
    assert roles(pipeline) == {(SourceRole.MIRRORING, TargetRole.MIRRORING)}


def test_what_was_promoted_before_is_left_out_and_holds_nobody(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.begin().run()
    done = pipeline.begin().run()
    assert done.stage == "UNDONE"
    assert all(o.note.startswith("promoted already: its users work at standby") for o in done.mailboxes)
    assert pipeline.door.led == dict.fromkeys(pipeline.names, "standby")


# -- who may act ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["check", "close", "redirect", "confirm"])
@pytest.mark.parametrize("position", range(DOORS))
def test_who_is_fenced_between_two_acts_does_not_do_the_second(new_pipeline: Make, last: str, position: int) -> None:
    pipeline = new_pipeline(2, DOORS)
    door = pipeline.doors[position]
    done = getattr(door, last)

    def act(redirections: Any) -> None:
        done(redirections)
        pipeline.is_taken_over = True

    setattr(door, last, act)
    words = f"somebody else took it over: ben. {NAMES[position]}, {last}, may have been done after that"
    with pytest.raises(DrivenError, match=re.escape(words)):
        pipeline.begin().run()
    assert pipeline.acts[-1] == (NAMES[position], last)
