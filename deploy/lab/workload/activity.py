"""Live activity over all mailboxes: seeded, through EWS, at a bounded rate."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.lab.session import UserSession
from deploy.lab.workload.active_mailbox import ACTIONS, ActiveMailbox
from deploy.lab.workload.generator import Generator

RATE_MAX = 20.0
"""How many changes a second by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast and how long, and by whose clock."""

    seconds: float
    changes_per_second: float = RATE_MAX
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


def play(
    session: UserSession,
    addresses: Sequence[str],
    generator: Generator,
    pace: Pace,
    on_change: Callable[[int], None] = lambda _: None,
) -> Counter[str]:
    """Act in the mailboxes until the time is over and return how often each action was done.

    Every kind of action is done once before chance decides, as far as the time allows. Raises SessionError.
    """
    mailboxes = [ActiveMailbox(session, a, number, generator, pace.monotonic) for number, a in enumerate(addresses)]
    chance = generator.people.chance
    names, weights = list(ACTIONS), [weight for _, weight in ACTIONS.values()]
    waiting = list(reversed(names))
    done: Counter[str] = Counter()
    started = pace.monotonic()
    while (elapsed := pace.monotonic() - started) < pace.seconds:
        ahead_seconds = done.total() / pace.changes_per_second - elapsed
        if ahead_seconds > 0:
            pace.pause(min(ahead_seconds, pace.seconds - elapsed))
            continue
        action = waiting.pop() if waiting else chance.choices(names, weights)[0]
        if chance.choice(mailboxes).act(action):
            done[action] += 1
            on_change(done.total())
    return done
