from typing import Any

import pytest

from consumers.feed_orders import REMIND_SECONDS, FeedOrders
from consumers.ledger import Ledger
from schemas.codec import decode
from schemas.state import TargetMailbox
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
