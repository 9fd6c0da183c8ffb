"""While a tail is merged users work at the target: no command leads them away from it, and none is ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion import readiness
from deploy.promotion.reopening import is_any_open
from schemas.change import Version
from schemas.failover import IllegalError
from schemas.state import SourceRole, TargetRole

Make = Callable[..., Any]


def merging(new_pipeline: Make, *, promotion: str = "p0") -> Any:
    """A mailbox that was promoted, whose target takes the tail of the old source; the client is led to the target."""
    pipeline = new_pipeline(1)
    (name,) = pipeline.names
    view, barrier = pipeline.picture.of(name), Version(generation=1, sequence=4)
    view.source = replace(view.source, role=SourceRole.FENCED, promotion=promotion, opening="standby", barrier=barrier)
    view.target = replace(
        view.target, role=TargetRole.MERGING, promotion=promotion, opening="standby", barrier=barrier, returned="r1",
        opened_at=5,
    )  # fmt: skip
    pipeline.door.led[name] = "standby"
    return pipeline


@pytest.mark.parametrize("planned", [True, False])
def test_a_failover_in_the_middle_of_a_merge_changes_nothing(new_pipeline: Make, *, planned: bool) -> None:
    pipeline = merging(new_pipeline)
    done = pipeline.begin(planned=planned, accepted=True).run()
    assert done.stage == "UNDONE"
    assert "a merge is under way" in done.mailboxes[0].note
    assert pipeline.orders == []
    assert pipeline.door.steps == []


@pytest.mark.parametrize("state", ["MIRRORING", "FENCED", "OPEN", "CONFIRMED", "MERGING"])
def test_an_undo_in_the_middle_of_a_merge_leads_nobody_away(new_pipeline: Make, state: str) -> None:
    pipeline = merging(new_pipeline, promotion="p1")
    (name,) = pipeline.names
    pipeline.committed = replace(pipeline.promotion(accepted=True), stage="CLOSE")
    pipeline.committed = replace(
        pipeline.committed, mailboxes=tuple(replace(m, state=state) for m in pipeline.committed.mailboxes)
    )
    with pytest.raises(IllegalError, match="reopen in MERGING: users work at the target"):
        pipeline.resume().undo()
    assert pipeline.door.led == {name: "standby"}
    assert pipeline.orders == []


def test_a_merge_of_an_earlier_promotion_is_no_part_of_this_one(new_pipeline: Make) -> None:
    pipeline = merging(new_pipeline)
    (name,) = pipeline.names
    pipeline.committed = replace(pipeline.promotion(accepted=True), stage="UNDO")
    pipeline.resume().run()
    assert pipeline.door.led == {name: "standby"}
    assert pipeline.picture.of(name).source.role == SourceRole.FENCED


def test_a_target_that_merges_is_its_users(new_pipeline: Make) -> None:
    pipeline = merging(new_pipeline)
    (name,) = pipeline.names
    assert is_any_open(pipeline.picture, [name])
    assert "promoted already" in readiness.never(pipeline.picture.of(name), "standby")
