from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from deploy.lab.workload.active_mailbox import ACTIONS, DELETIONS_AN_HOUR_MAX, ActiveMailbox
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.filling import fill
from deploy.lab.workload.generator import Generator

pytestmark = pytest.mark.slow


class Clock:
    """Time passes only by waiting, and a little with every look at it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited = 0.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds


def test_every_action_is_played_at_the_rate_that_was_asked_for(exchange_pair: Any) -> None:
    addresses = [exchange_pair.new_mailboxes()[0] for _ in range(2)]
    generator = Generator(1, tuple(addresses))
    for owner in range(2):
        fill(exchange_pair.source, addresses, generator.mails(owner, 30))
    clock = Clock()
    pace = Pace(seconds=10, changes_per_second=12, monotonic=clock.monotonic, pause=clock.pause)
    seen: list[int] = []
    done = play(exchange_pair.source, addresses, generator, pace, seen.append)
    assert set(done) == set(ACTIONS)
    assert 110 <= done.total() <= 121
    assert seen == list(range(1, done.total() + 1))


def test_no_time_means_no_change(exchange_pair: Any) -> None:
    address, _ = exchange_pair.new_mailboxes()
    assert not play(exchange_pair.source, [address], Generator(1, (address,)), Pace(seconds=0))


def test_hours_of_activity_delete_less_than_trips_the_breaker(exchange_pair: Any) -> None:
    """Of small mailboxes the breaker looks at the count alone."""
    address, _ = exchange_pair.new_mailboxes()
    generator = Generator(2, (address,))
    fill(exchange_pair.source, [address], generator.mails(0, 30))
    clock = Clock()
    mailbox = ActiveMailbox(exchange_pair.source, address, 0, generator, clock.monotonic)

    def delete_what_is_allowed() -> int:
        deleted = 0
        while deleted <= BreakerLimit().deletions_max and mailbox.receive() and mailbox.act("delete"):
            deleted += 1
        return deleted

    assert delete_what_is_allowed() == DELETIONS_AN_HOUR_MAX < BreakerLimit().deletions_max
    assert not mailbox.act("send")
    clock.pause(3599)
    assert delete_what_is_allowed() == 0
    clock.pause(2)
    assert delete_what_is_allowed() > 0
