"""The consumer group whose assignment is the sharding, and one worker thread for each partition assigned.

The group subscribes to exactly one topic and keeps it paused; workers read with consumers of their own, because
assignors do not co-partition several topics (facts: kafka §2). Acquiring runs in the worker while this thread
keeps polling. A revocation asks the workers to finish within a budget: what is under way may still be committed, so
that the next owner need not do it again. After that, or after a loss, nothing may be, and the fence sees to it. A
partition that is lost again and again, or that Kafka left without the end of a transaction, holds no other: it is tried
for ever, and told of. A worker that fails for good stops the process with its error.
"""

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.kafka import KafkaSettings, group_member
from deploy.partition.clock_watch import ClockWatch
from deploy.partition.owned import EndlessTransactionError, Owned, Role
from schemas.metrics import PartitionMetrics
from schemas.ports import Clock, PartitionLost

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
REVOKE_SECONDS_MAX = 8.0
REACQUIRE_SECONDS = 0.5
ENDLESS_RETRY_SECONDS = 10.0
LOSSES_MAX = 3
"""After so many losses in a row a partition counts as one that is lost again and again."""
SETTLED_SECONDS = 30.0
"""After so long at work the losses before are over."""
Work = Callable[[Owned], None]


class _Worker(threading.Thread):
    """Owns one partition for as long as it is assigned, acquiring again after every loss."""

    def __init__(self, number: int, membership: "Membership") -> None:
        super().__init__(name=f"partition-{number}", daemon=True)
        self.number = number
        self.stopping = threading.Event()
        self.is_over = False
        self.stirred_at = time.monotonic()
        self.working_since: float | None = None
        self._losses = 0
        self._losing_since = time.monotonic()
        self.reason = ""
        self._membership = membership
        self._watch = ClockWatch(membership.clock)

    def is_wanted(self) -> bool:
        """Tell whether to go on; whoever works or waits asks this often, so it shows that the worker lives."""
        self.stirred_at = time.monotonic()
        return not (self.stopping.is_set() or self._watch.has_jumped())

    def may_commit(self) -> bool:
        """Tell whether what is under way may be committed: also when asked to stop, within the budget."""
        self.stirred_at = time.monotonic()
        return not (self.is_over or self._watch.has_jumped())

    def run(self) -> None:
        """Acquire, work, and again after a loss, until the partition is to be given up."""
        while not self.stopping.is_set():
            if jumped_ms := self._watch.jumped_ms:
                log.warning("the clock jumped: beginning anew", extra={"partition": self.number, "ms": jumped_ms})
            self._watch = ClockWatch(self._membership.clock)
            began_at = time.monotonic()
            try:
                self._membership.own(self)
            except PartitionLost as lost:
                self._note_loss("at work" if self.working_since else "not acquired", str(lost), began_at)
                self.stopping.wait(REACQUIRE_SECONDS)
            except EndlessTransactionError as endless:
                self._note_loss("transaction without an end", str(endless), began_at)
                self.stopping.wait(ENDLESS_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the process must stop and say it
                self._membership.fail(error)
                return

    def _note_loss(self, reason: str, why: str, began_at: float) -> None:
        if self._losses == 0 or self._is_settled():
            self._losses, self._losing_since = 0, began_at
        self._losses += 1
        self.reason, self.working_since = reason, None
        self._membership.metrics.lost.inc()
        where = {"partition": self.number, "why": why}
        if self._losses < LOSSES_MAX:
            log.warning("partition lost", extra=where)
        else:
            counted = {"losses": self._losses, "seconds": round(self.losing_seconds())}
            log.error("partition lost again and again", extra=where | counted)

    def losing_seconds(self) -> float:
        """Return for how long the partition is lost and acquired again and again; 0: it is not."""
        if self._losses < LOSSES_MAX or self._is_settled():
            return 0.0
        return time.monotonic() - self._losing_since

    def _is_settled(self) -> bool:
        return self.working_since is not None and time.monotonic() - self.working_since > SETTLED_SECONDS


class Membership:
    """Membership of one process in a group; `run` returns when `stop` is set and raises what a worker raised."""

    def __init__(
        self,
        settings: KafkaSettings,
        role: Role,
        topic: str,
        work: Work,
        clock: Clock,
        metrics: PartitionMetrics,
    ) -> None:
        self.metrics = metrics
        self.clock = clock
        self._settings = settings
        self._role = role
        self._topic = topic
        self._work = work
        self._workers: dict[int, _Worker] = {}
        self._failure: Exception | None = None
        self._stamp = settings.stamp()
        self._consumer = group_member(settings, role.group)
        self._metadata = self._consumer.consumer_group_metadata()
        self.polled_at = time.monotonic()

    @property
    def assigned(self) -> list[int]:
        """Partitions assigned now."""
        return sorted(self._workers)

    def still_seconds(self) -> float:
        """Return for how long the group was not polled, or the stillest worker did nothing at all."""
        stirred = [self.polled_at, *(worker.stirred_at for worker in list(self._workers.values()))]
        return time.monotonic() - min(stirred)

    def losing(self) -> dict[str, float]:
        """Return for how long partitions of the process are lost and acquired again and again, by the last reason."""
        found: dict[str, float] = {}
        for worker in list(self._workers.values()):
            if seconds := worker.losing_seconds():
                found[worker.reason] = max(seconds, found.get(worker.reason, 0.0))
        return found

    def run(self, stop: threading.Event) -> None:
        """Take part in the group until told to stop; then finish, leave, and return."""
        self._subscribe()
        try:
            while not stop.is_set() and self._failure is None:
                self._take_up_rotated_secrets()
                self._consumer.poll(POLL_SECONDS)
                # confluent-kafka serialises calls: another thread asking the member would wait for ever
                self._metadata = self._consumer.consumer_group_metadata()
                self.polled_at = time.monotonic()
        finally:
            self._give_up(list(self._workers), REVOKE_SECONDS_MAX)
            self._consumer.close()
        if self._failure:
            raise self._failure

    def _subscribe(self) -> None:
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _take_up_rotated_secrets(self) -> None:
        """Leave and join again with clients made anew: a client reads passwords and certificates only once."""
        if self._stamp == (found := self._settings.stamp()):
            return
        log.info("secrets of Kafka were rotated: joining again", extra={"group": self._role.group})
        self._give_up(list(self._workers), REVOKE_SECONDS_MAX)
        self._consumer.close()
        self._stamp = found
        self._consumer = group_member(self._settings, self._role.group)
        self._subscribe()

    def own(self, worker: _Worker) -> None:
        """Acquire a partition and work on it; called by its worker."""
        owned = Owned(
            self._settings,
            self._role,
            worker.number,
            lambda: self._metadata,
            worker.is_wanted,
            self.clock,
            self.metrics,
            worker.may_commit,
        )
        try:
            owned.acquire()
            log.info("partition acquired", extra={"partition": worker.number})
            self.metrics.owned.inc()
            worker.working_since = time.monotonic()
            try:
                self._work(owned)
            finally:
                self.metrics.owned.dec()
        except KafkaException as error:
            raise PartitionLost(str(error)) from error
        finally:
            owned.close()

    def fail(self, error: Exception) -> None:
        """Note why the process must stop; the first reason counts."""
        self._failure = self._failure or error

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        for partition in partitions:
            worker = _Worker(partition.partition, self)
            self._workers[partition.partition] = worker
            worker.start()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up([p.partition for p in partitions], REVOKE_SECONDS_MAX)
        consumer.incremental_unassign(partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up([p.partition for p in partitions], 0.0)
        consumer.incremental_unassign(partitions)

    def _give_up(self, numbers: list[int], budget_seconds: float) -> None:
        workers = [w for n in numbers if (w := self._workers.pop(n, None))]
        for worker in workers:
            worker.is_over = not budget_seconds
            worker.stopping.set()
        deadline = time.monotonic() + budget_seconds
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            worker.is_over = True
