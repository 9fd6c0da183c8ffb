from dataclasses import replace
from typing import Any

import pytest

from consumers.feed_orders import LOOK_SECONDS, ORDER_ITEMS_MAX, REMIND_SECONDS, FeedOrders
from consumers.intents import blank
from consumers.ledger import Ledger
from schemas.codec import decode
from schemas.state import ItemState, TargetMailbox
from schemas.topics import Topics

TOPICS = Topics("p", "s")


class Desk:
    """Orders with a clock."""

    def __init__(self, ledger: Ledger) -> None:
        self.now_ms = 0
        self.orders = FeedOrders(TOPICS, "t", ledger, lambda: self.now_ms)

    def drained(self) -> list[tuple[str, str, tuple[str, ...]]]:
        orders = [decode(r.value or b"") for r in self.orders.drain()]
        return [(o.mailbox, o.kind, o.items) for o in orders]

    def reminded_at(self, seconds: int) -> list[tuple[str, str, tuple[str, ...]]]:
        self.now_ms = 1000 * seconds
        self.orders.remind({"waiting", "level"})
        return self.drained()


@pytest.fixture
def desk(ledger: Ledger, owned: Any, commit: Any) -> Desk:
    ledger.put_mailbox(TargetMailbox(mailbox="waiting", waiting="lost sequence"))
    ledger.put_mailbox(TargetMailbox(mailbox="level"))
    commit(ledger, owned)
    return Desk(ledger)


def test_orders_are_handed_out_once_in_their_order_for_the_feeds_topic(desk: Desk) -> None:
    desk.orders.want("m", "a")
    desk.orders.seed("m", "lost sequence")
    records = desk.orders.drain()
    assert [(r.topic, r.key) for r in records] == [(TOPICS.orders("s"), "m")] * 2
    assert [decode(r.value or b"").kind for r in records] == ["WANT", "SEED"]
    assert desk.drained() == []


def test_only_mailboxes_that_wait_are_asked_for_again_and_ever_more_seldom(desk: Desk) -> None:
    asked = [n for n in range(1, 20) if desk.reminded_at(n * REMIND_SECONDS) == [("waiting", "SEED", ())]]
    assert asked == [2, 4, 8, 16]


@pytest.mark.parametrize("values", [{"behind": "quota"}, {"paused": "by a person"}, {"tripped": "deletion-breaker"}])
def test_a_mailbox_that_could_not_go_on_is_not_asked_for(desk: Desk, ledger: Ledger, values: dict[str, Any]) -> None:
    ledger.put_mailbox(TargetMailbox(mailbox="waiting", waiting="lost sequence", **values))
    assert not any(desk.reminded_at(n * REMIND_SECONDS) for n in range(1, 20))


def test_a_mailbox_that_does_not_wait_any_more_is_not_asked_for(desk: Desk, ledger: Ledger) -> None:
    ledger.put_mailbox(TargetMailbox(mailbox="waiting"))
    assert desk.reminded_at(REMIND_SECONDS) == []


# -- wants that nobody answered ----------------------------------------------------------------------------------------


def put_wanted(ledger: Ledger, item: str, mailbox: str = "level", state: ItemState = ItemState.WANTED) -> None:
    ledger.put_item(mailbox, replace(blank(item, "f"), state=state, generation=1, sequence=1))


def wants_at(desk: Desk, hours: int) -> list[tuple[str, str, tuple[str, ...]]]:
    """The wants after all mailboxes were looked at, at an hour."""
    desk.now_ms = 1000 * hours * LOOK_SECONDS
    for _ in range(3):
        desk.orders.remind({"waiting", "level"})
    return [order for order in desk.drained() if order[1] == "WANT"]


def test_what_is_wanted_is_asked_again_until_it_is_answered_and_ever_more_seldom(desk: Desk, ledger: Ledger) -> None:
    put_wanted(ledger, "a")
    put_wanted(ledger, "parked", state=ItemState.PARKED)
    asked = [hour for hour in range(20) if wants_at(desk, hour) == [("level", "WANT", ("a",))]]
    assert asked == [1, 3, 7, 15]
    put_wanted(ledger, "a", state=ItemState.PRESENT)
    assert not any(wants_at(desk, hour) for hour in range(20, 60))


def test_what_was_wanted_just_now_is_left_to_its_first_order(desk: Desk, ledger: Ledger) -> None:
    assert wants_at(desk, 0) == []
    put_wanted(ledger, "a")
    assert wants_at(desk, 1) == []
    put_wanted(ledger, "b")
    assert wants_at(desk, 2) == [("level", "WANT", ("a",))]


@pytest.mark.parametrize("values", [{"behind": "quota"}, {"paused": "by a person"}, {"role": "OPEN"}, {"waiting": "w"}])
def test_wants_that_could_not_be_applied_are_not_asked_again(
    desk: Desk, ledger: Ledger, values: dict[str, Any]
) -> None:
    put_wanted(ledger, "a")
    ledger.put_mailbox(TargetMailbox(mailbox="level", **values))
    assert not any(wants_at(desk, hour) for hour in range(20))


def test_many_wants_are_asked_in_bounded_orders(desk: Desk, ledger: Ledger) -> None:
    for number in range(ORDER_ITEMS_MAX + 1):
        put_wanted(ledger, f"{number:04}")
    assert wants_at(desk, 0) == []
    assert [len(items) for _, _, items in wants_at(desk, 1)] == [ORDER_ITEMS_MAX, 1]
