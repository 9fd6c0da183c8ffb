from dataclasses import replace
from typing import Any

import pytest

from consumers.folder_map import FolderMap
from consumers.ledger import Ledger
from consumers.staging import Staging, ToStage
from consumers.tidying import LOOKS_AFTER_SECONDS, Tidying
from schemas.change import Form
from schemas.metrics import ReplayMetrics
from schemas.ports import CallRefused


class Room:
    """A mailbox with something in staging, a clock, and the tidying of it."""

    def __init__(self, target: Any, ledger: Ledger, making: Any, metrics: ReplayMetrics) -> None:
        self.target, self.ledger, self.making = target, ledger, making
        self.now_seconds = 0
        self.staging = Staging(target, ledger, FolderMap(target, ledger, lambda: None), "abc", portable_only=False)
        self.tidying = Tidying(self.staging, ledger, lambda: 1000 * self.now_seconds, metrics)
        self.leave("a")
        self.tidying.touched(making.mailbox)

    def leave(self, name: str) -> None:
        saved = self.making.saved(self.making.ref(name), b"")
        item = ToStage(saved, {Form.STREAM: name.encode()}, "01")
        self.staging.stage(self.making.address, self.making.mailbox, [item])

    def tidy_at(self, seconds: int) -> int:
        self.now_seconds = seconds
        self.tidying.tidy({self.making.mailbox: self.making.address})
        return len(self.target.staged())


@pytest.fixture
def room(target: Any, ledger: Ledger, making: Any, metrics: ReplayMetrics) -> Room:
    return Room(target, ledger, making, metrics)


def test_nothing_is_looked_at_before_it_is_due(room: Room) -> None:
    assert [room.tidy_at(0), room.tidy_at(LOOKS_AFTER_SECONDS[0])] == [1, 0]


def test_what_arrives_late_is_found_by_a_later_look(room: Room) -> None:
    room.tidy_at(LOOKS_AFTER_SECONDS[0])
    for seconds in LOOKS_AFTER_SECONDS[1:]:
        room.leave("late")
        assert [room.tidy_at(seconds - 1), room.tidy_at(seconds)] == [1, 0]


def test_after_the_last_look_a_mailbox_is_left_alone_until_it_is_touched(room: Room) -> None:
    room.tidy_at(LOOKS_AFTER_SECONDS[-1])
    room.target.calls.clear()
    room.leave("later")
    assert room.tidy_at(10 * LOOKS_AFTER_SECONDS[-1]) == 1
    room.tidying.touched(room.making.mailbox)
    assert room.tidy_at(11 * LOOKS_AFTER_SECONDS[-1]) == 0


@pytest.mark.parametrize("state", [{"unsettled": ("a",)}, {"behind": "ErrorQuotaExceeded"}])
def test_staging_is_left_alone_while_an_intent_may_name_what_is_in_it(room: Room, state: dict[str, Any]) -> None:
    record = room.ledger.mailbox(room.making.mailbox)
    room.ledger.put_mailbox(replace(record, **state))
    assert room.tidy_at(LOOKS_AFTER_SECONDS[0]) == 1
    room.ledger.put_mailbox(record)
    assert room.tidy_at(LOOKS_AFTER_SECONDS[0]) == 0


def test_a_mailbox_without_an_address_waits(room: Room) -> None:
    room.now_seconds = LOOKS_AFTER_SECONDS[0]
    room.tidying.tidy({})
    assert len(room.target.staged()) == 1
    assert room.tidy_at(LOOKS_AFTER_SECONDS[0]) == 0


def test_a_look_that_failed_is_made_again(room: Room) -> None:
    def busy(_name: str, _when: str) -> None:
        raise CallRefused("ErrorServerBusy", "struck")

    room.target.hook = busy
    with pytest.raises(CallRefused):
        room.tidy_at(LOOKS_AFTER_SECONDS[-1])
    room.target.hook = lambda _name, _when: None
    assert room.tidy_at(LOOKS_AFTER_SECONDS[-1] + 1) == 0
