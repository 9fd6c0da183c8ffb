"""What a failover would lose now: the same of one reading, of a follower's fold and of a promotion's picture."""

from dataclasses import replace

import pytest

from deploy.observation.health import Limits, Look, judge
from deploy.observation.looks import look_at
from deploy.observation.losses import MISSING, loss_at, loss_of_all
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding
from deploy.promotion.loss import LossNow, loss_of
from deploy.promotion.picture import Seen
from schemas.state import MailboxRecord, SourceRole, TargetMailbox, TargetRole

NOW = 1_000_000_000
SOURCE = MailboxRecord(mailbox="m", generation=2, next_sequence=8, certain_up_to=NOW - 5_000)
TARGET = TargetMailbox(mailbox="m", generation=2, applied_sequence=4)


@pytest.mark.parametrize(
    ("target", "items"),
    [
        (TARGET, 0),  # on its way: a failover drains it first
        (replace(TARGET, behind="ErrorQuotaExceeded"), 3),
        (replace(TARGET, waiting="lost"), 3),
        (replace(TARGET, paused="operator"), 3),
        (replace(TARGET, generation=1, behind="ErrorQuotaExceeded"), 7),
        (replace(TARGET, unsettled=("x", "y")), 2),
    ],
)
def test_it_is_the_time_since_certainty_and_what_a_promotion_would_say(target: TargetMailbox, items: int) -> None:
    state = PipelineState({"m": SourceStanding(SOURCE)}, {"standby": {"m": TargetStanding(target)}})
    found = loss_at(look_at(state, "standby", "m"), NOW)
    assert found == LossNow(seconds=5.0, items=items) == loss_of(Seen(SOURCE, target), NOW)


def test_what_is_known_to_be_missing_counts_and_what_an_operator_gave_up_does_not() -> None:
    counts = dict.fromkeys([*MISSING, "dropped", "orphan"], 1)
    assert loss_at(Look(source=SOURCE, target=TARGET, counts=counts), NOW).items == len(MISSING)


def test_where_nothing_was_ever_applied_or_read_it_is_everything() -> None:
    assert loss_at(Look(source=SOURCE, target=None), NOW) == LossNow(seconds=-1.0, items=7)
    assert loss_at(Look(source=replace(SOURCE, certain_up_to=0), target=TARGET), NOW).seconds == -1.0


def test_an_old_source_goes_on_for_itself_once_its_mailbox_is_open_anywhere() -> None:
    opened = replace(TARGET, role=TargetRole.OPEN)
    state = PipelineState(
        {"m": SourceStanding(replace(SOURCE, role=SourceRole.FENCED))},
        {"standby": {"m": TargetStanding(opened)}, "branch": {"m": TargetStanding(replace(TARGET, behind="quota"))}},
    )
    for target in state.targets:
        assert loss_at(look_at(state, target, "m"), NOW + 86_400_000) == LossNow(seconds=0.0, items=0)


def test_of_all_it_is_the_longest_time_and_every_item_but_of_what_is_promoted() -> None:
    looks = [
        Look(source=SOURCE, target=TARGET, counts={"parked": 1}),
        Look(source=replace(SOURCE, certain_up_to=NOW - 9_000), target=TARGET, counts={"owed": 2}),
        Look(source=replace(SOURCE, certain_up_to=1), target=TARGET, counts={"parked": 9}, open_at="standby"),
        Look(source=replace(SOURCE, certain_up_to=1, role=SourceRole.FENCED), target=TARGET),
    ]
    rows = [(look, judge(look, Limits(), NOW)) for look in looks]
    assert loss_of_all(rows, NOW) == LossNow(seconds=9.0, items=3)
    never = Look(source=SOURCE, target=None)
    assert loss_of_all([*rows, (never, judge(never, Limits(), NOW))], NOW).seconds == -1.0
    assert loss_of_all([], NOW) == LossNow(seconds=0.0, items=0)
