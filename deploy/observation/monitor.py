"""The monitor: follows the state topics, asks Kafka, and answers /metrics for all mailboxes together.

It writes nothing and is in no group, so that it can be stopped and started at will; more than one does no harm.
"""

import threading
import time

from deploy import wiring
from deploy.live_registry import LiveRegistry
from deploy.observation import expiry
from deploy.observation.fleet import judged, tell_fleet, tell_worst
from deploy.observation.fold import Fold
from deploy.observation.follower import Follower
from deploy.observation.health import Limits
from deploy.observation.log_watch import LogWatch
from deploy.sections import Settings
from deploy.worker_report import report_worker
from schemas.fleet_metrics import FleetMetrics, LogMetrics, WorstMetrics
from schemas.identity import mailbox_id

LOOK_SECONDS = 5.0
EXPIRY_SECONDS = 600.0
HEALTHY_SECONDS = 60.0


def limits_of(settings: Settings) -> Limits:
    """Return when a person has to know; an idle mailbox is read once a poll interval, which is no stall."""
    section = settings.monitor
    stall_seconds = max(section.stall_seconds, 1.5 * settings.feed.poll_interval_seconds)
    return Limits(lag_objective_seconds=section.lag_objective_seconds, stall_seconds=stall_seconds)


class Monitor:
    """Everything the monitor does, ready to run; `registry` is what it answers."""

    def __init__(self, settings: Settings) -> None:
        self.registry = LiveRegistry()
        self._settings = settings
        self._limits = limits_of(settings)
        self._shown = frozenset(mailbox_id(address) for address in settings.monitor.mailboxes_shown)
        self._fleet, self._worst = FleetMetrics(self.registry), WorstMetrics(self.registry)
        self._log = LogMetrics(self.registry)
        connection, topics, targets = wiring.kafka_settings(settings), wiring.topics_of(settings), settings.targets
        fold = Fold({name: target.hold_seconds for name, target in targets.items()})
        self._watch = LogWatch(connection, topics, tuple(targets), self._log)
        self._follower = Follower(connection, topics, fold, wiring.now_ms)
        self._log.answered_at.set(time.time())  # the follower asked where the topics end
        self._looked_at = time.monotonic()
        report_worker(
            self.registry,
            "monitor",
            "",
            lambda: (self._follower.is_restored, time.monotonic() - self._looked_at),
            directories=(settings.pipeline.data_directory,),
        )
        self.registry.refreshed_by(self._refresh)

    def run(self, stop: threading.Event) -> None:
        """Ask Kafka every few seconds until told to stop."""
        next_expiry = 0.0
        while not stop.is_set():
            self._watch.look()
            if time.monotonic() >= next_expiry:
                self._look_at_expiry()
                next_expiry = time.monotonic() + EXPIRY_SECONDS
            self._looked_at = time.monotonic()
            stop.wait(LOOK_SECONDS)
        self._follower.close()
        self._watch.close()

    def is_healthy(self) -> bool:
        """Tell whether it still looks."""
        return time.monotonic() - self._looked_at < HEALTHY_SECONDS

    def is_ready(self) -> bool:
        """Tell whether its figures count."""
        return self.is_healthy() and self._follower.is_restored

    def _refresh(self) -> None:
        self._log.is_restored.set(self._follower.is_restored)
        if not self._follower.is_restored:
            return
        now = wiring.now_ms()
        with self._follower.turn:
            fold = self._follower.fold
            found = {target: judged(fold, target, self._limits, now) for target in fold.targets}
        tell_fleet(self._fleet, found, self._limits, now)
        tell_worst(self._worst, found, self._settings.monitor.worst_mailboxes_max, self._shown, now)

    def _look_at_expiry(self) -> None:
        servers = {self._settings.source.name: self._settings.source}
        servers |= {target.name: target for target in self._settings.targets.values()}
        for name, server in servers.items():
            if (at := expiry.certificate_expires_at(server)) is not None:
                self._log.certificate_expires_at.labels(server=name).set(at)
            if (at := expiry.secret_expires_at(server)) is not None:
                self._log.secret_expires_at.labels(server=name).set(at)
