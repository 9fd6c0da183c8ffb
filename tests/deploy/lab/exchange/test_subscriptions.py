from typing import Any

import pytest

from deploy.lab.exchange.identity import Identity
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.subscriptions import Event, Subscriptions

KINDS = frozenset({"CreatedEvent", "MovedEvent", "DeletedEvent"})


@pytest.fixture
def subscriptions() -> Subscriptions:
    return Subscriptions(Identity(b"1" * 16), lambda: 1.0)


def kinds(found: Any) -> list[str]:
    return [event.kind for _, event, _ in found.waiting]


def test_only_the_wanted_kinds_of_the_wanted_mailbox_wait(subscriptions: Subscriptions) -> None:
    found = subscriptions.add(1, None, KINDS, streaming=True)
    subscriptions.publish(
        [Event("CreatedEvent", 1, 5, 6), Event("NewMailEvent", 1, 5, 6), Event("CreatedEvent", 2, 5, 6)]
    )
    assert kinds(found) == ["CreatedEvent"]


def test_a_move_is_told_to_both_folders_and_no_other(subscriptions: Subscriptions) -> None:
    here, there, elsewhere = (subscriptions.add(1, frozenset({number}), KINDS, streaming=True) for number in (5, 6, 7))
    subscriptions.publish([Event("MovedEvent", 1, 6, 9, old_folder=5, old_number=8)])
    assert [kinds(one) for one in (here, there, elsewhere)] == [["MovedEvent"], ["MovedEvent"], []]


def test_waiting_events_are_bounded_and_the_loss_is_known(subscriptions: Subscriptions) -> None:
    found = subscriptions.add(1, None, KINDS, streaming=False)
    for _ in range(21):
        subscriptions.publish([Event("CreatedEvent", 1, 5, 6)] * 1000)
    assert found.missed
    assert len(found.waiting) == 20_000


def test_closed_and_unknown_subscriptions_are_refused(subscriptions: Subscriptions) -> None:
    found = subscriptions.add(1, None, KINDS, streaming=True)
    assert subscriptions.has(found)
    subscriptions.remove(found.ident)
    assert len(subscriptions) == 0
    for attempt in (subscriptions.find, subscriptions.remove):
        with pytest.raises(EwsError, match="ErrorSubscriptionNotFound"):
            attempt(found.ident)


def test_watermarks_come_back(subscriptions: Subscriptions) -> None:
    assert subscriptions.position(subscriptions.watermark(7)) == 7
    for text in ("", "x", "AAAA"):
        with pytest.raises(EwsError, match="ErrorInvalidWatermark"):
            subscriptions.position(text)
