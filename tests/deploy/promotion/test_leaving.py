"""A mailbox that can't go on is left at the source, and the promotion ends for the others."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.front_door.actuator import ActuatorStep
from deploy.promotion.conduct import StoppedError
from schemas.failover import IllegalError
from schemas.state import SourceRole, TargetRole

Make = Callable[..., Any]


def with_one_stuck(new_pipeline: Make) -> Any:
    """Three mailboxes, the second is fenced and never drained."""
    pipeline = new_pipeline(3)
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError, match="--leave MAILBOX"):
        pipeline.begin().run()
    return pipeline


def test_the_promotion_ends_for_the_others_and_the_one_left_is_mirrored_and_reported(new_pipeline: Make) -> None:
    pipeline = with_one_stuck(new_pipeline)
    left = pipeline.names[1]
    done = pipeline.resume().leave([left])
    assert (done.stage, done.failure) == ("DONE", "")
    assert list(pipeline.states().values()) == ["CONFIRMED", "MIRRORING", "CONFIRMED"]
    assert [(o.left_out, o.note) for o in done.mailboxes][1] == (True, "left at source: not drained")
    assert left not in pipeline.door.led
    assert left not in pipeline.door.closed
    seen = pipeline.picture.of(left)
    assert (seen.source.role, seen.target.role) == (SourceRole.MIRRORING, TargetRole.MIRRORING)


def test_what_was_led_to_the_target_is_not_left(new_pipeline: Make) -> None:
    pipeline = with_one_stuck(new_pipeline)
    with pytest.raises(IllegalError, match="users work at the target"):
        pipeline.resume().leave([pipeline.names[0]])
    assert pipeline.door.led[pipeline.names[0]] == "standby"


def test_none_is_left_by_a_front_door_that_leads_all_at_once(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    pipeline.door.leads_all = True
    pipeline.stuck.add(pipeline.names[1])
    with pytest.raises(StoppedError):
        pipeline.begin().run()
    before = len(pipeline.orders)
    with pytest.raises(StoppedError, match=r"front_door\.memory leads all at once, so none can be left"):
        pipeline.resume().leave([pipeline.names[1]])
    assert len(pipeline.orders) == before


def test_a_feed_that_does_not_obey_is_said_and_holds_nobody(new_pipeline: Make) -> None:
    """As with a source that is lost: the order waits for its feed."""
    pipeline = with_one_stuck(new_pipeline)
    pipeline.is_feed_obeying = False
    done = pipeline.resume().leave([pipeline.names[1]])
    assert done.stage == "DONE"
    assert "left at source; not reopened: 1 mailboxes at source, because nobody obeys" in done.mailboxes[1].note


def test_a_front_door_that_fails_stops_the_leaving_and_resuming_goes_on_with_it(new_pipeline: Make) -> None:
    pipeline = with_one_stuck(new_pipeline)
    pipeline.door.fails_at = ActuatorStep.UNDO
    with pytest.raises(StoppedError, match=r"not left: front_door\.memory, undo: .*--resume"):
        pipeline.resume().leave([pipeline.names[1]])
    pipeline.door.fails_at = None
    assert pipeline.resume().run().stage == "DONE"
    assert pipeline.states()[pipeline.names[1]] == "MIRRORING"


def test_dead_at_any_boundary_of_it_resuming_leaves_the_same_and_ends(
    new_pipeline: Make, died: type[BaseException]
) -> None:
    number = 0
    while True:
        pipeline = with_one_stuck(new_pipeline)
        left, begun = pipeline.names[1], len(pipeline.boundaries.met)
        pipeline.boundaries.die_at = begun + number
        try:
            pipeline.resume().leave([left])
        except died:
            pipeline.boundaries.die_at = -1
            if any(o.leaving or o.left_out for o in pipeline.committed.mailboxes):
                assert pipeline.resume().run().stage == "DONE", pipeline.boundaries.met[begun + number]
            else:
                pipeline.resume().leave([left])
            assert list(pipeline.states().values()) == ["CONFIRMED", "MIRRORING", "CONFIRMED"]
            assert pipeline.door.led == dict.fromkeys([pipeline.names[0], pipeline.names[2]], "standby")
        else:
            break
        number += 1
    assert number > 20
