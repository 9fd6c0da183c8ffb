"""Findings of all mailboxes put into the fleet's gauges: totals of all, series of their own for the worst few."""

from collections import Counter
from collections.abc import Iterable, Mapping

from deploy.observation.fold import Fold
from deploy.observation.health import SET_ASIDE, Finding, Health, Limits, Look, judge, worst_first
from deploy.observation.services import Services
from schemas.fleet_metrics import FleetMetrics, WorstMetrics

OVER_SECONDS = (10, 60, 300, 3600, 86400)
ITEM_KINDS = ("owed", "pending", "parked", "dropped", "wanted", "orphan", "unsettled")
DIFFERENCES = ("missing", "extra", "moved", "duplicate", "differing")
Judged = tuple[Look, Finding]


def judged(fold: Fold, target: str, limits: Limits, now: int, services: Services | None = None) -> list[Judged]:
    """Return every mailbox with its finding, the worst first; `services` says which of them run."""
    services = services or Services()
    looks = [services.with_services(look, target) for look in fold.looks(target)]
    found = [(look, judge(look, limits, now)) for look in looks]
    return sorted(found, key=lambda one: worst_first(one[1]))


def tell_fleet(metrics: FleetMetrics, found: Mapping[str, list[Judged]], limits: Limits, now: int) -> None:
    """Set what is told of all mailboxes together, by target; those that were promoted are counted, and nothing else."""
    once = _mirrored(next(iter(found.values()), []))  # whatever the number of targets
    certain = [look.source.certain_up_to for look, _ in once if look.source.certain_up_to]
    metrics.capture_seconds.set(max(0, now - min(certain)) / 1000 if certain else 0)
    for target, rows in found.items():
        health = Counter(finding.health for _, finding in rows)
        for state in Health:
            metrics.mailboxes.labels(target=target, health=state).set(health[state])
        mirrored = _mirrored(rows)
        lags = [finding.lag_seconds for _, finding in mirrored]
        metrics.lag_seconds.labels(target=target).set(max(lags, default=0))
        for over in sorted({*OVER_SECONDS, int(limits.lag_objective_seconds)}):
            metrics.lagging.labels(target=target, over_seconds=str(over)).set(sum(lag > over for lag in lags))
        waits = [now - look.moved_at for look, finding in mirrored if finding.not_applied and look.moved_at]
        metrics.apply_seconds.labels(target=target).set(max(0, *waits, 0) / 1000)
        metrics.not_applied.labels(target=target).set(sum(finding.not_applied for _, finding in mirrored))
        _tell_items(metrics, target, [look for look, _ in mirrored])


def tell_worst(
    metrics: WorstMetrics, found: Mapping[str, list[Judged]], worst_max: int, shown: frozenset[str], now: int
) -> None:
    """Give the worst mailboxes of each target, and those asked for, series of their own; others lose theirs."""
    for gauge in (metrics.lag_seconds, metrics.health, metrics.since, metrics.not_applied):
        gauge.clear()
    for target, rows in found.items():
        for place, (look, finding) in enumerate(rows):
            mailbox = look.source.mailbox
            if place >= worst_max and mailbox not in shown:
                continue
            metrics.lag_seconds.labels(target=target, mailbox=mailbox).set(finding.lag_seconds)
            metrics.not_applied.labels(target=target, mailbox=mailbox).set(finding.not_applied)
            metrics.since.labels(target=target, mailbox=mailbox).set((finding.since or now) / 1000)
            metrics.health.labels(target=target, mailbox=mailbox, health=finding.health).set(1)


def _mirrored(rows: Iterable[Judged]) -> list[Judged]:
    """Return the mailboxes that are not in a promotion, or behind one."""
    return [(look, finding) for look, finding in rows if finding.health not in SET_ASIDE]


def _tell_items(metrics: FleetMetrics, target: str, looks: list[Look]) -> None:
    items: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for look in looks:
        items.update(look.counts)
        different.update(look.divergence)
    for kind in {*ITEM_KINDS, *items}:
        metrics.items.labels(target=target, kind=kind).set(items[kind])
    for kind in {*DIFFERENCES, *different}:
        metrics.divergent.labels(target=target, kind=kind).set(different[kind])
