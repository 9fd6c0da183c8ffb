"""What a failover would lose now: the same of one reading, of a follower's fold and of a promotion's picture."""

from dataclasses import replace

import pytest

from deploy.observation.fold import SOURCE as SOURCE_STATE
from deploy.observation.fold import Fold
from deploy.observation.health import Limits, Look, judge
from deploy.observation.looks import look_at
from deploy.observation.losses import loss_at, loss_of_all
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding
from deploy.promotion.loss import LossNow, loss_of
from deploy.promotion.picture import Picture, Seen
from schemas.codec import encode
from schemas.state import IndexEntry, ItemRecord, ItemState, MailboxRecord, Owed, SourceRole, TargetMailbox, TargetRole

NOW = 1_000_000_000
SOURCE = MailboxRecord(mailbox="m", generation=2, next_sequence=8, certain_up_to=NOW - 5_000)
TARGET = TargetMailbox(mailbox="m", generation=2, applied_sequence=4)


@pytest.mark.parametrize(
    ("target", "items", "changes"),
    [
        (TARGET, 0, 0),  # on its way: a failover drains it first
        (replace(TARGET, behind="ErrorQuotaExceeded"), 0, 3),
        (replace(TARGET, waiting="lost"), 0, 3),
        (replace(TARGET, paused="operator"), 0, 3),
        (replace(TARGET, generation=1, behind="ErrorQuotaExceeded"), 0, 7),
        (replace(TARGET, unsettled=("x", "y")), 2, 0),
    ],
)
def test_it_is_the_time_since_certainty_and_what_a_promotion_would_say(
    target: TargetMailbox, items: int, changes: int
) -> None:
    state = PipelineState({"m": SourceStanding(SOURCE)}, {"standby": {"m": TargetStanding(target)}})
    found = loss_at(look_at(state, "standby", "m"), NOW)
    assert found == LossNow(seconds=5.0, items=items, changes=changes) == loss_of(Seen(SOURCE, target), NOW)


def entry(item: str, *, is_owed: bool = False, is_pending: bool = False) -> IndexEntry:
    owed = Owed(since=1, attempts=1, retry_at=2, reason="ErrorServerBusy") if is_owed else None
    return IndexEntry(
        item=item, item_id=item, folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None,
        pending=is_pending, owed=owed,
    )  # fmt: skip


def record(item: str, state: ItemState, dropped_at: int = 0) -> ItemRecord:
    return ItemRecord(
        item=item, state=state, generation=1, sequence=1, source_change_key="", folder_id="f", marks=None, target_id="",
        target_change_key="", nonce="", dropped_at=dropped_at,
    )  # fmt: skip


RECORDS: list[tuple[str, IndexEntry | ItemRecord]] = [
    (SOURCE_STATE, entry("a", is_owed=True)),
    (SOURCE_STATE, entry("b", is_pending=True)),
    (SOURCE_STATE, entry("whole")),
    ("standby", record("a", ItemState.PARKED)),
    ("standby", record("c", ItemState.PARKED, dropped_at=5)),
    ("standby", record("d", ItemState.WANTED)),
    ("standby", record("whole", ItemState.PRESENT)),
]


def test_an_item_counts_once_for_a_follower_and_for_a_promotion_also_one_an_operator_dropped() -> None:
    fold, picture = Fold({"standby": 0.0}), Picture()
    fold.take(SOURCE_STATE, "m", encode(SOURCE), NOW)
    fold.take("standby", "m", encode(replace(TARGET, unsettled=("d", "e"))), NOW)
    picture.take_source("m", SOURCE)
    picture.take_target("m", replace(TARGET, unsettled=("d", "e")))
    for server, item in RECORDS:
        fold.take(server, f"m/item/{item.item}", encode(item), NOW)
        take = picture.take_source if server == SOURCE_STATE else picture.take_target
        take(f"m/item/{item.item}", item)
    (look,) = fold.looks("standby", "m")
    assert loss_at(look, NOW) == loss_of(picture.of("m"), NOW) == LossNow(seconds=5.0, items=5)
    for server, item in RECORDS:
        fold.take(server, f"m/item/{item.item}", None, NOW)
    fold.take("standby", "m", encode(TARGET), NOW)
    (look,) = fold.looks("standby", "m")
    assert loss_at(look, NOW).items == 0


def test_where_nothing_was_ever_applied_or_read_it_is_everything() -> None:
    assert loss_at(Look(source=SOURCE, target=None), NOW) == LossNow(seconds=-1.0, items=0, changes=7)
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
        Look(source=SOURCE, target=TARGET, counts={"parked": 1}, missing=1),
        Look(source=replace(SOURCE, certain_up_to=NOW - 9_000), target=TARGET, counts={"owed": 2}, missing=2),
        Look(
            source=replace(SOURCE, certain_up_to=1), target=TARGET, counts={"parked": 9}, missing=9, open_at="standby"
        ),
        Look(source=replace(SOURCE, certain_up_to=1, role=SourceRole.FENCED), target=TARGET),
    ]
    rows = [(look, judge(look, Limits(), NOW)) for look in looks]
    assert loss_of_all(rows, NOW) == LossNow(seconds=9.0, items=3)
    never = Look(source=SOURCE, target=None)
    assert loss_of_all([*rows, (never, judge(never, Limits(), NOW))], NOW).seconds == -1.0
    assert loss_of_all([], NOW) == LossNow(seconds=0.0, items=0)
