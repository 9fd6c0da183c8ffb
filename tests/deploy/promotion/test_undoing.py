"""An undone promotion says so only when both sides obeyed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion.conduct import StoppedError
from schemas.state import SourceRole, TargetRole

Make = Callable[..., Any]


def stopped_before_the_end(pipeline: Any) -> None:
    """All are fenced and none is drained."""
    pipeline.stuck.update(pipeline.names)
    with pytest.raises(StoppedError):
        pipeline.begin().run()


def test_nothing_is_called_undone_while_the_replay_has_orders_it_did_not_obey(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    stopped_before_the_end(pipeline)
    pipeline.is_replay_obeying = False
    with pytest.raises(StoppedError, match="not reopened: 2 mailboxes at standby, because nobody obeys there"):
        pipeline.resume().undo()
    assert pipeline.committed.stage == "UNDO"
    # people work at the source meanwhile, and it is captured
    assert all(pipeline.picture.of(n).source.role == SourceRole.MIRRORING for n in pipeline.names)
    assert not pipeline.door.closed
    pipeline.is_replay_obeying = True
    assert pipeline.resume().run().stage == "UNDONE"
    assert not pipeline.waiting


def test_nothing_is_called_undone_while_the_feed_has_orders_it_did_not_obey(new_pipeline: Make) -> None:
    pipeline = new_pipeline(2)
    stopped_before_the_end(pipeline)
    pipeline.is_feed_obeying = False
    with pytest.raises(StoppedError, match="not reopened: 2 mailboxes at source, because nobody obeys there"):
        pipeline.resume().undo()
    pipeline.is_feed_obeying = True
    assert pipeline.resume().run().stage == "UNDONE"


def test_a_source_is_not_captured_again_while_the_target_is_open(new_pipeline: Make) -> None:
    pipeline = new_pipeline(1)
    pipeline.door.leads_all = True
    stopped_before_the_end(pipeline)
    seen = pipeline.picture.of(pipeline.names[0])
    seen.target = replace(seen.target, role=TargetRole.OPEN, promotion="p1")
    pipeline.is_replay_obeying = False
    with pytest.raises(StoppedError, match="not reopened: 1 mailboxes at standby, because"):
        pipeline.resume().undo()
    assert seen.source.role == SourceRole.FENCED
