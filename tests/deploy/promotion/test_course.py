"""The course of a promotion: its order, what is left out, what stops it, and death at every boundary."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Self

import pytest

from deploy.front_door.actuator import ActuatorStep
from deploy.promotion.conduct import StoppedError
from schemas.failover import IllegalError
from schemas.state import ItemRecord, ItemState, SourceRole, TargetRole

STAGES = ["CHECK", "CLOSE_DOOR", "CLOSE", "FENCE", "DRAIN", "VERIFY", "OPEN", "LEAD", "CONFIRM", "TAIL", "DONE"]
Make = Callable[..., Any]


class Forgetful(list[Any]):
    """Orders that are passed over."""

    def __iadd__(self, _orders: Any) -> Self:  # type: ignore[misc] # forgets whatever comes
        return self


def order_of_first(stages: list[str]) -> list[str]:
    return list(dict.fromkeys(stages))


@pytest.mark.parametrize("planned", [True, False])
def test_the_steps_come_in_the_order_of_the_design(new_pipeline: Make, *, planned: bool) -> None:
    pipeline = new_pipeline(3)
    done = pipeline.begin(planned=planned).run()
    assert order_of_first(pipeline.stages) == STAGES
    assert done.failure == ""
    assert set(pipeline.states().values()) == {"CONFIRMED"}
    assert [o.order.planned for o in pipeline.orders if o.order.kind == "CLOSE"] == [planned] * 3
    assert pipeline.door.steps == ["check", "close", "redirect", "confirm"]
    assert [o.tail for o in done.mailboxes] == [0 if planned else -1] * 3


def test_a_step_is_committed_before_anything_of_it_is_done(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1)
    pipeline.begin().run()
    acts = {
        "check before": "CHECK",
        "close before": "CLOSE_DOOR",
        "redirect before": "LEAD",
        "confirm before": "CONFIRM",
    }
    for act, stage in acts.items():
        commits = pipeline.boundaries.met[: pipeline.boundaries.met.index(act)].count("commit after")
        assert pipeline.stages[commits - 1] == stage


def test_without_a_front_door_mailboxes_end_open(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.has_actuator = False
    assert pipeline.begin().run().stage == "DONE"
    assert set(pipeline.states().values()) == {"LED"}


@pytest.mark.parametrize("has_feed", [True, False])
def test_where_no_feed_obeys_one_that_needs_only_kafka_takes_its_place(new_pipeline: Make, *, has_feed: bool) -> None:
    pipeline = new_pipeline(2)
    pipeline.has_feed, pipeline.is_feed_obeying = has_feed, False
    pipeline.begin(planned=False).run()
    assert pipeline.stands_in == 1
    assert set(pipeline.states().values()) == {"CONFIRMED"}


def test_a_living_feed_is_not_replaced(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.begin().run()
    assert pipeline.stands_in == 0


# -- mailboxes that are not as they should be ----------------------------------------------------------------


def pause(pipeline: Any, name: str) -> None:
    seen = pipeline.picture.of(name)
    seen.source = replace(seen.source, paused="maintenance")


def fall_behind(pipeline: Any, name: str) -> None:
    seen = pipeline.picture.of(name)
    seen.target = replace(seen.target, behind="ErrorQuotaExceeded", own_offset=1)
    pipeline.stuck.add(name)


def park(pipeline: Any, name: str) -> None:
    pipeline.picture.of(name).parked["x"] = ItemRecord(
        item="x", state=ItemState.PARKED, generation=1, sequence=1, source_change_key="", folder_id="", marks=None,
        target_id="", target_change_key="", nonce="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(pause, "paused at the source"), (fall_behind, "behind at the target"), (park, "1 parked items")],
)
def test_a_mailbox_that_needs_a_word_is_left_out_and_holds_nobody(new_pipeline: Make, spoil: Any, words: str) -> None:
    pipeline = new_pipeline(3)
    spoil(pipeline, pipeline.names[1])
    done = pipeline.begin().run()
    assert done.stage == "DONE"
    assert [o.left_out for o in done.mailboxes] == [False, True, False]
    assert words in done.mailboxes[1].note
    assert list(pipeline.states().values()) == ["CONFIRMED", "MIRRORING", "CONFIRMED"]
    assert {o.order.mailbox for o in pipeline.orders} == {pipeline.names[0], pipeline.names[2]}


@pytest.mark.parametrize("spoil", [pause, fall_behind, park])
def test_what_is_accepted_is_promoted_as_it_stands(new_pipeline: Make, spoil: Any) -> None:
    pipeline = new_pipeline(3)
    spoil(pipeline, pipeline.names[1])
    done = pipeline.begin(accepted=True).run()
    assert set(pipeline.states().values()) == {"CONFIRMED"}
    assert done.mailboxes[1].note


def test_a_mailbox_that_was_never_captured_is_not_promoted_whatever_is_accepted(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1)
    seen = pipeline.picture.of(pipeline.names[0])
    seen.target = replace(seen.target, generation=0)
    done = pipeline.begin(accepted=True).run()
    assert (done.stage, done.failure) == ("UNDONE", "no mailbox is ready; nothing was changed")
    assert pipeline.orders == []


def test_what_gets_stuck_after_the_fence_waits_for_a_word_and_the_others_are_opened(new_pipeline: Make) -> None:
    pipeline = new_pipeline(3)
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError, match="1 mailboxes are not open"):
        pipeline.begin().run()
    assert list(pipeline.states().values()) == ["CONFIRMED", "FENCED", "CONFIRMED"]
    mailboxes = tuple(replace(o, accepted=True) for o in pipeline.committed.mailboxes)
    done = pipeline.resume(mailboxes=mailboxes).run()
    assert (done.stage, done.failure) == ("DONE", "")
    assert set(pipeline.states().values()) == {"CONFIRMED"}


def test_a_mailbox_that_drains_later_is_opened_by_resuming(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError):
        pipeline.begin().run()
    pipeline.stuck.clear()
    done = pipeline.resume().run()
    assert done.stage == "DONE"
    assert {o.note for o in done.mailboxes} == {""}
    assert set(pipeline.states().values()) == {"CONFIRMED"}


def test_a_mailbox_whose_barrier_opens_another_target_is_left_out(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    seen = pipeline.picture.of(pipeline.names[0])
    seen.source = replace(seen.source, role=SourceRole.FENCED, opening="other", promotion="p0")
    done = pipeline.begin(accepted=True).run()
    assert done.mailboxes[0].left_out
    assert "opens other" in done.mailboxes[0].note
    assert pipeline.states()[pipeline.names[1]] == "CONFIRMED"


def open_by_another(pipeline: Any, name: str) -> None:
    """A mailbox whose users have worked at the target since an earlier promotion."""
    seen = pipeline.picture.of(name)
    seen.source = replace(seen.source, role=SourceRole.FENCED, opening="standby", promotion="p0")
    seen.target = replace(seen.target, role=TargetRole.OPEN, opening="standby", promotion="p0")
    pipeline.door.led[name] = "standby"


def assert_untouched(pipeline: Any, name: str) -> None:
    assert pipeline.door.led == {name: "standby"}
    assert pipeline.picture.of(name).target.role == TargetRole.OPEN
    assert pipeline.picture.of(name).source.role == SourceRole.FENCED
    assert name not in {o.order.mailbox for o in pipeline.orders}


def test_a_mailbox_an_earlier_promotion_opened_is_left_out_and_not_led_back_with_the_others(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    open_by_another(pipeline, pipeline.names[0])
    pipeline.door.fails_at = ActuatorStep.CLOSE
    done = pipeline.begin(accepted=True).run()
    assert done.stage == "UNDONE"
    assert done.mailboxes[0].left_out
    assert "its users work at standby" in done.mailboxes[0].note
    assert_untouched(pipeline, pipeline.names[0])


def test_undone_before_its_check_a_promotion_does_not_lead_back_what_an_earlier_one_opened(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    open_by_another(pipeline, pipeline.names[0])
    pipeline.commit(pipeline.promotion())
    assert pipeline.resume().undo().stage == "UNDONE"
    assert_untouched(pipeline, pipeline.names[0])


def test_a_source_that_dies_in_the_middle_is_fenced_by_resuming_without_it(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1)
    seen = pipeline.picture.of(pipeline.names[0])
    seen.source = replace(seen.source, role=SourceRole.CLOSED, promotion="p1")
    pipeline.commit(replace(pipeline.promotion(planned=False), stage="CLOSE"))
    assert pipeline.resume().run().stage == "DONE"
    assert [o.order.planned for o in pipeline.orders if o.order.kind == "CLOSE"] == [False]


@pytest.mark.parametrize("planned", [True, False])
def test_a_feed_that_dies_while_it_reads_to_the_end_is_replaced(new_pipeline: Make, *, planned: bool) -> None:
    pipeline = new_pipeline(2)
    pipeline.has_feed, pipeline.is_feed_obeying = False, False
    for name in pipeline.names:
        seen = pipeline.picture.of(name)
        seen.source = replace(seen.source, role=SourceRole.CLOSED, promotion="p1", opening="standby")
    pipeline.commit(replace(pipeline.promotion(planned=planned), stage="CLOSE"))
    assert pipeline.resume().run().stage == "DONE"
    assert pipeline.stands_in == 1


def test_a_feed_that_reads_to_the_end_is_given_its_time(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1)
    pipeline.is_feed_obeying = False
    seen = pipeline.picture.of(pipeline.names[0])
    seen.source = replace(seen.source, role=SourceRole.CLOSED, promotion="p1", opening="standby")
    pipeline.commit(replace(pipeline.promotion(), stage="CLOSE"))
    with pytest.raises(StoppedError):
        pipeline.resume().run()
    assert pipeline.stands_in == 0
    assert pipeline.committed.mailboxes[0].note == "not fenced in time"


def test_a_close_that_nobody_obeyed_is_given_again_by_resuming(new_pipeline: Make) -> None:
    """The feed passes over an order for a mailbox that it does not know yet."""
    pipeline = new_pipeline(1)
    pipeline.waiting = Forgetful()
    with pytest.raises(StoppedError):
        pipeline.begin().run()
    pipeline.waiting = []
    assert pipeline.resume().run().stage == "DONE"


# -- the front door fails ------------------------------------------------------------------------------------


def test_a_failed_check_changes_nothing(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.door.fails_at = ActuatorStep.CHECK
    done = pipeline.begin().run()
    assert done.stage == "UNDONE"
    assert "front_door.memory, check: it was told to" in done.failure
    assert pipeline.orders == []


def test_a_front_door_that_does_not_close_is_undone(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.door.fails_at = ActuatorStep.CLOSE
    done = pipeline.begin().run()
    assert done.stage == "UNDONE"
    assert "close" in done.failure
    assert pipeline.door.steps[-1] == "undo"
    assert pipeline.door.closed == set()
    assert all(pipeline.picture.of(n).source.role == SourceRole.MIRRORING for n in pipeline.names)


@pytest.mark.parametrize("step", [ActuatorStep.REDIRECT, ActuatorStep.CONFIRM])
def test_a_failure_after_opening_stops_at_a_named_point_and_is_resumed(new_pipeline: Make, step: ActuatorStep) -> None:
    pipeline = new_pipeline(2)
    pipeline.door.fails_at = step
    with pytest.raises(StoppedError, match=f"stopped at (LEAD|CONFIRM): front_door.memory, {step}"):
        pipeline.begin().run()
    with pytest.raises(IllegalError, match="somebody may have worked at the target"):
        pipeline.resume().undo()
    pipeline.door.fails_at = None
    assert pipeline.resume().run().stage == "DONE"
    assert set(pipeline.states().values()) == {"CONFIRMED"}


# -- dead at any line ----------------------------------------------------------------------------------------


def run_with_death(pipeline: Any, died: type[BaseException], number: int, *, planned: bool) -> bool:
    """Run until it dies at a boundary; tell whether it did."""
    pipeline.boundaries.die_at = number
    try:
        pipeline.begin(planned=planned).run()
    except died:
        pipeline.boundaries.die_at = -1
        return True
    return False


@pytest.mark.parametrize("planned", [True, False])
def test_dead_at_any_boundary_it_is_resumed_to_the_same_end(
    new_pipeline: Make, died: type[BaseException], *, planned: bool
) -> None:
    number = 0
    while True:
        pipeline = new_pipeline(2)
        if not run_with_death(pipeline, died, number, planned=planned):
            break
        if pipeline.committed is not None:
            assert pipeline.resume().run().stage == "DONE", pipeline.boundaries.met[number]
            assert set(pipeline.states().values()) == {"CONFIRMED"}
            assert pipeline.door.led == dict.fromkeys(pipeline.names, "standby")
            assert order_of_first(pipeline.stages)[-1] == "DONE"
        number += 1
    assert number > 30


def test_dead_at_any_boundary_twice_it_is_resumed_to_the_same_end(
    new_pipeline: Make, died: type[BaseException]
) -> None:
    for first in range(0, 60, 3):
        for second in range(first + 1, first + 30, 4):
            pipeline = new_pipeline(1)
            if not run_with_death(pipeline, died, first, planned=True) or pipeline.committed is None:
                continue
            pipeline.boundaries.die_at = second
            try:
                pipeline.resume().run()
            except died:
                pipeline.boundaries.die_at = -1
                assert pipeline.resume().run().stage == "DONE"
            assert set(pipeline.states().values()) == {"CONFIRMED"}


def test_dead_at_any_boundary_it_is_undone_unless_clients_may_have_been_led(
    new_pipeline: Make, died: type[BaseException]
) -> None:
    number, refused, undone = 0, 0, 0
    while True:
        pipeline = new_pipeline(2)
        if not run_with_death(pipeline, died, number, planned=True):
            break
        number += 1
        if pipeline.committed is None:
            continue
        try:
            assert pipeline.resume().undo().stage == "UNDONE"
        except IllegalError:
            refused += 1
            assert any(s in {"LED", "CONFIRMED"} for s in pipeline.states().values())
            continue
        undone += 1
        roles = {(pipeline.picture.of(n).source.role, pipeline.picture.of(n).target.role) for n in pipeline.names}
        assert roles == {(SourceRole.MIRRORING, TargetRole.MIRRORING)}
        assert pipeline.door.led == {}
        assert pipeline.door.closed == set()
    assert refused > 3
    assert undone > 10


def test_stages_never_go_back_but_to_the_fence(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.begin().run()
    assert all(STAGES.index(a) <= STAGES.index(b) for a, b in pairwise(pipeline.stages))
