"""What a running service tells of itself at every scrape: its state, how still it is, its server, its disks."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.live_registry import LiveRegistry
from deploy.throttle import Throttle
from schemas.metrics import SessionMetrics, WorkerMetrics

STILL_SECONDS = 30.0
REASONS = ("not acquired", "at work", "transaction without an end")
"""Where a partition was lost last: before it could be worked on, while it was, or for want of a mark of Kafka's."""
STATES = ("working", "joining", "throttled", "losing", "still")


def state_of(*, is_assigned: bool, still_seconds: float, back_off_seconds: float, losing_seconds: float = 0.0) -> str:
    """Return the one state a service is in; what needs a person comes first."""
    if still_seconds > STILL_SECONDS:
        return "still"
    if losing_seconds > 0:
        return "losing"
    if back_off_seconds > 0:
        return "throttled"
    return "working" if is_assigned else "joining"


def report_worker(
    registry: LiveRegistry,
    role: str,
    target: str,
    standing: Callable[[], tuple[bool, float]],
    throttle: Throttle | None = None,
    directories: Sequence[Path] = (),
    losing: Callable[[], Mapping[str, float]] = dict[str, float],
) -> None:
    """Keep `WorkerMetrics` true at every scrape; `standing` tells whether it has partitions, and its still seconds.

    `losing` tells for how long partitions are lost and acquired again and again, by reason.
    """
    metrics = WorkerMetrics(registry)
    metrics.started_at.labels(role=role, target=target).set(time.time())

    def refresh() -> None:
        is_assigned, still_seconds = standing()
        back_off_seconds = throttle.remaining_seconds() if throttle else 0.0
        lost = losing()
        for reason in {*REASONS, *lost}:
            seconds = lost.get(reason, 0.0)
            metrics.losing_seconds.labels(role=role, target=target, reason=reason).set(seconds)
        now = state_of(
            is_assigned=is_assigned,
            still_seconds=still_seconds,
            back_off_seconds=back_off_seconds,
            losing_seconds=max(lost.values(), default=0.0),
        )
        for state in STATES:
            metrics.state.labels(role=role, target=target, state=state).set(state == now)
        metrics.still_seconds.labels(role=role, target=target).set(still_seconds)
        for directory in directories:
            if found := _nearest(directory):
                usage = shutil.disk_usage(found)
                metrics.disk_free_bytes.labels(directory=str(directory)).set(usage.free)
                metrics.disk_size_bytes.labels(directory=str(directory)).set(usage.total)

    registry.refreshed_by(refresh)


def report_throttle(registry: LiveRegistry, metrics: SessionMetrics, server: str, throttle: Throttle) -> None:
    """Keep the figures of a server's throttle true at every scrape."""

    def refresh() -> None:
        metrics.back_off_seconds.labels(server=server).set(throttle.remaining_seconds())
        metrics.calls_at_once.labels(server=server).set(throttle.calls_at_once)

    registry.refreshed_by(refresh)


def _nearest(directory: Path) -> Path | None:
    """Return a directory that is to be made, or the nearest one above it that is there."""
    return next((p for p in (directory, *directory.absolute().parents) if p.exists()), None)
