"""Which figure of a dashboard moves with which fault: every expression of every panel, by `dashboard: title`, number.

RISES, FALLS: beyond everything seen in the seconds before the fault, by a twentieth at least. DIFFERS: other labels.
LATER: a time that moved on. CHANGES: beyond what was seen, up or down, and there at all.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.grafana.panels import DASHBOARDS

from .watching import Watched

RISES, FALLS, DIFFERS, LATER, CHANGES = "rises", "falls", "differs", "later", "changes"
MARGIN: Final = 0.05
RATE_SECONDS: Final = 15
BASELINE_SECONDS: Final = 5.0


def expressions() -> dict[str, str]:
    """Return every expression of the dashboards by its key."""
    found = {}
    for dashboard, panels in DASHBOARDS.items():
        for panel in panels:
            for number, (expression, _) in enumerate(panel.queries, 1):
                suffix = f" {number}" if len(panel.queries) > 1 else ""
                found[f"{dashboard}: {panel.title}{suffix}"] = expression.replace(
                    "$__rate_interval", f"{RATE_SECONDS}s"
                )
    return found


MOVES: Final[Mapping[str, Mapping[str, str]]] = {
    "mail arrives": {
        "feed: Changes and rounds 1": RISES,
        "feed: Content": RISES,
        "feed: Index": RISES,
        "feed: Checksums": RISES,
        "feed: Calls by server and operation": RISES,
        "feed: Bytes on the wire 1": RISES,
        "feed: Bytes on the wire 2": RISES,
        "replay: Changes": RISES,
        "replay: Content": RISES,
        "kafka: Transactions": RISES,
        "kafka: Topics, log, index and ledger": RISES,
    },
    "a poison item": {
        "fleet: Protected": FALLS,
        "fleet: Not protected": RISES,
        "fleet: Items that need work": RISES,
        "mailbox: State of health": DIFFERS,
        "replay: Parked since it started": RISES,
        "failover: In the way of a promotion": RISES,
    },
    "an item the source does not hand out": {"feed: Owed, pending, paused 1": RISES},
    "a deletion that may be a move": {"feed: Owed, pending, paused 2": RISES},
    "a paused mailbox": {"feed: Owed, pending, paused 3": RISES},
    "a worker that hangs": {
        "fleet: Worst lag, source to target": RISES,
        "fleet: Worst stages: read, and waiting in the log 2": RISES,
        "fleet: Mailboxes over a lag": RISES,
        "fleet: Lost with the log now": RISES,
        "mailbox: Lag of the worst mailboxes": RISES,
        "mailbox: Changes not applied": RISES,
        "mailbox: In this state for": RISES,
        "kafka: Group lag": RISES,
        "failover: Lost now: changes": RISES,
        "failover: Lost now: seconds": RISES,
    },
    "a source that stops answering": {
        "fleet: Worst stages: read, and waiting in the log 1": RISES,
        "feed: Age of what is certain": RISES,
        "feed: Changes and rounds 2": FALLS,
        "feed: Rounds ended early": RISES,
        "feed: Last answer": RISES,
    },
    "a feed that waits for one answer": {},
    "a monitor without Kafka": {},
    "a slow source": {"feed: Stages, p95": RISES},
    "a slow target": {
        "feed: Time of a call, p95": RISES,
        "replay: Records behind": RISES,
        "replay: Stages, p95": RISES,
        "replay: Capture to visible 1": RISES,
        "replay: Capture to visible 2": RISES,
    },
    "a throttled server": {
        "feed: Throttling 1": RISES,
        "feed: Throttling 2": RISES,
        "feed: Throttling 3": FALLS,
        "feed: Back-off left": RISES,
    },
    "a throttled target": {"replay: Turns ended early": RISES},
    "a target mailbox that is full": {},
    "a burst of deletions": {"replay: Waiting and held mailboxes 2": RISES},
    "a burst that is skipped": {"replay: Left over 1": RISES},
    "rot at the target": {
        "fleet: Divergence": RISES,
        "replay: Folders compared": DIFFERS,
        "replay: Divergent and foreign 1": RISES,
        "replay: Divergent and foreign 2": RISES,
    },
    "a write whose answer is lost": {"replay: Settled after a doubt since it started": RISES},
    "an upload whose answer is lost": {"replay: Left over 2": RISES},
    "a log erased before it was read": {"replay: Waiting and held mailboxes 1": RISES},
    "a target that lags on purpose": {
        "replay: Held back 1": RISES,
        "replay: Held back 2": RISES,
        "replay: Held records": RISES,
    },
    "a replay that ends": {
        "fleet: Processes by state": FALLS,
        "kafka: Partitions owned": FALLS,
        "kafka: Group members": FALLS,
        "failover: Local state": FALLS,
    },
    "a feed that dies again and again": {
        "fleet: Started": LATER,
        "failover: Time to own a partition, mean since the start": CHANGES,
    },
    "another owner of a partition": {
        "kafka: Partitions lost and fenced 1": RISES,
        "kafka: Partitions lost and fenced 2": RISES,
    },
    "a Kafka that stands still": {
        "fleet: Stillest worker": RISES,
        "kafka: Time of a transaction, p95": RISES,
        "kafka: Kafka answered the monitor": RISES,
    },
    "a transaction nobody ends": {"kafka: Open transaction holds readers back": RISES},
    "a partition that is lost again and again": {"kafka: Partitions lost again and again": RISES},
    "settings that can lose data": {"kafka: Unsafe settings": RISES},
    "a full disk": {"fleet: Disk in use": RISES},
    "a password about to expire": {
        "failover: Passwords run out in": FALLS,
        "fleet: Monitor has read everything": FALLS,
    },
    "a certificate about to expire": {"failover: Certificates run out in": RISES},
    "clients that ask Autodiscover": {"failover: Answers of Autodiscover": RISES},
    "an expired password": {},
}


@dataclass(frozen=True)
class Before:
    """What an expression answered in the seconds before a fault."""

    lowest: float
    highest: float
    labels: frozenset[frozenset[tuple[str, str]]]


def _labels(watched: Watched, expression: str) -> frozenset[frozenset[tuple[str, str]]]:
    return frozenset(frozenset(labels.items()) for labels, _ in watched.query(expression))


def look_before(watched: Watched, keys: Iterable[str]) -> dict[str, Before]:
    """Watch these figures for a few seconds."""
    known, deadline = expressions(), time.monotonic() + BASELINE_SECONDS
    seen: dict[str, list[float]] = {key: [] for key in keys}
    while True:
        for key, values in seen.items():
            values.append(watched.total(known[key]))
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return {key: Before(min(v), max(v), _labels(watched, known[key])) for key, v in seen.items()}


def moved(watched: Watched, key: str, how: str, before: Before) -> Callable[[], bool]:
    """Return a condition: the figure moved."""
    expression = expressions()[key]

    def is_so() -> bool:
        if how == DIFFERS:
            return _labels(watched, expression) != before.labels
        now = watched.total(expression)
        if how == LATER:
            return now > before.highest
        if how == CHANGES:
            return now > 0 and not before.lowest <= now <= before.highest
        if how == RISES:
            return now > before.highest + MARGIN * abs(before.highest) + 1e-9
        return now < before.lowest - MARGIN * abs(before.lowest) - 1e-9

    return is_so
