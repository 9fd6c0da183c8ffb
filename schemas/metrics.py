"""Every metric of feed and replay, declared once: name, labels, help, in base units.

Nothing here has a series for each mailbox: what is set by mailbox is a `MailboxBoard`, exported as one number for all
the mailboxes of a process. The few mailboxes that matter stand in `schemas.fleet_metrics`.
"""

import contextlib
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.mailbox_board import MailboxBoard

SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class SessionMetrics:
    """What every connection to a server counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "mailshadow_server_calls_total",
            "Calls to a server by operation and outcome (answered, refused, unknown).",
            ["server", "operation", "outcome"],
            registry=registry,
        )
        self.sent_bytes = Counter(
            "mailshadow_server_sent_bytes_total",
            "Request bytes sent to a server.",
            ["server"],
            registry=registry,
        )
        self.received_bytes = Counter(
            "mailshadow_server_received_bytes_total",
            "Answer bytes of a server.",
            ["server"],
            registry=registry,
        )
        self.call_seconds = Histogram(
            "mailshadow_server_call_seconds",
            "Time of a call to a server.",
            ["server", "operation"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.back_offs = Counter(
            "mailshadow_server_back_offs_total",
            "Back-offs a server asked for.",
            ["server"],
            registry=registry,
        )
        self.throttled = Counter(
            "mailshadow_server_throttled_calls_total",
            "Calls a server refused because it has too much to do.",
            ["server", "operation"],
            registry=registry,
        )
        self.back_off_seconds = Gauge(
            "mailshadow_server_back_off_seconds",
            "For how long no call is sent yet because the server asked for it; 0: calls are sent.",
            ["server"],
            registry=registry,
        )
        self.calls_at_once = Gauge(
            "mailshadow_server_calls_at_once",
            "Calls that may be under way at once, as the server bears them.",
            ["server"],
            registry=registry,
        )
        self.answered_at = Gauge(
            "mailshadow_server_answered_timestamp_seconds",
            "When a call to the server was answered last.",
            ["server"],
            registry=registry,
        )


class WorkerMetrics:
    """What every process tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.started_at = Gauge(
            "mailshadow_worker_started_timestamp_seconds",
            "When the service started.",
            ["role", "target"],
            registry=registry,
        )
        self.state = Gauge(
            "mailshadow_worker_state",
            "1 for the state the service is in: working, joining (no partition yet), throttled, losing (a partition is "
            "lost and acquired again and again), still (does nothing).",
            ["role", "target", "state"],
            registry=registry,
        )
        self.losing_seconds = Gauge(
            "mailshadow_worker_losing_seconds",
            "For how long a partition is lost and acquired again and again, by the reason of the last loss.",
            ["role", "target", "reason"],
            registry=registry,
        )
        self.still_seconds = Gauge(
            "mailshadow_worker_still_seconds",
            "For how long the stillest worker of the service did nothing at all.",
            ["role", "target"],
            registry=registry,
        )
        self.disk_free_bytes = Gauge(
            "mailshadow_disk_free_bytes",
            "Room on the file system of a directory.",
            ["directory"],
            registry=registry,
        )
        self.disk_size_bytes = Gauge(
            "mailshadow_disk_size_bytes",
            "Size of the file system of a directory.",
            ["directory"],
            registry=registry,
        )


class PartitionMetrics:
    """What owning partitions counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.owned = Gauge(
            "mailshadow_partitions_owned", "Partitions this process owns and works on.", registry=registry
        )
        self.lost = Counter(
            "mailshadow_partitions_lost_total",
            "Times a partition had to be acquired again.",
            registry=registry,
        )
        self.transactions = Counter(
            "mailshadow_transactions_total",
            "Transactions by outcome (committed, aborted, unclear).",
            ["outcome"],
            registry=registry,
        )
        self.acquire_seconds = Histogram(
            "mailshadow_partition_acquire_seconds",
            "Time from assignment to work: fence, restore.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.transaction_seconds = Histogram(
            "mailshadow_transaction_seconds",
            "Time of a transaction of the log, from its beginning to its end.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.fenced = Counter(
            "mailshadow_partitions_fenced_total",
            "Times another owner of the same partition ended this one's transactions.",
            registry=registry,
        )
        self.cache_bytes = Gauge(
            "mailshadow_state_cache_bytes",
            "Size of the local copy of index or ledger.",
            ["partition"],
            registry=registry,
        )


class FeedMetrics:
    """What a feed counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rounds = Counter("mailshadow_feed_rounds_total", "Completed rounds.", registry=registry)
        self.changes = Counter("mailshadow_feed_changes_total", "Changes written to the log.", registry=registry)
        self.content_bytes = Counter(
            "mailshadow_feed_content_bytes_total", "Content bytes written to the log.", registry=registry
        )
        self.call_failures = Counter(
            "mailshadow_feed_call_failures_total", "Rounds ended early, by code.", ["code"], registry=registry
        )
        self.stage_seconds = Histogram(
            "mailshadow_feed_stage_seconds",
            "Time in a stage: captured (from notification, or last certain reading, to drafted), logged (to the log).",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.certain_up_to = MailboxBoard(
            "mailshadow_feed_certain_up_to_timestamp_seconds",
            "Everything before this time is in the log, of the mailbox least recently read.",
            fold=min,
            registry=registry,
        )
        self.index_items = MailboxBoard(
            "mailshadow_feed_index_items", "Items of the source that the index knows.", registry=registry
        )
        self.owed = MailboxBoard("mailshadow_feed_owed_items", "Items named and not fetched yet.", registry=registry)
        self.pending = MailboxBoard("mailshadow_feed_pending_items", "Deletions that may be moves.", registry=registry)
        self.checksums = Counter(
            "mailshadow_feed_checksums_total",
            "Folders listed for a checksum, by outcome (published, unchanged, restless, mismatch).",
            ["outcome"],
            registry=registry,
        )
        self.paused = MailboxBoard("mailshadow_feed_paused_mailboxes", "Mailboxes that are paused.", registry=registry)

    def forget(self, mailboxes: Iterable[str]) -> None:
        """Tell no more of mailboxes whose partition went to another process."""
        gone = list(mailboxes)
        for board in (self.certain_up_to, self.index_items, self.owed, self.pending, self.paused):
            board.forget(gone)


class ReplayMetrics:
    """What a replay counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter(
            "mailshadow_replay_changes_total",
            "Changes completed, by operation.",
            ["operation"],
            registry=registry,
        )
        self.settled = Counter(
            "mailshadow_replay_settled_total",
            "Intents found open and settled, by kind and finding.",
            ["kind", "finding"],
            registry=registry,
        )
        self.parked = Counter("mailshadow_replay_parked_total", "Items parked, by code.", ["code"], registry=registry)
        self.content_bytes = Counter(
            "mailshadow_replay_content_bytes_total", "Content bytes of completed changes.", registry=registry
        )
        self.stage_seconds = Histogram(
            "mailshadow_replay_stage_seconds",
            "Time in a stage: taken (in the log to taken up), visible (to seen at the target).",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.applied = Histogram(
            "mailshadow_replay_change_seconds",
            "Time from capture to visible at the target.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.records_behind = Gauge(
            "mailshadow_replay_records_behind", "Records not read yet.", ["partition"], registry=registry
        )
        self.call_failures = Counter(
            "mailshadow_replay_call_failures_total",
            "Turns ended early, by code.",
            ["code"],
            registry=registry,
        )
        self.waiting = MailboxBoard(
            "mailshadow_replay_waiting_mailboxes", "Mailboxes that wait for a seed.", registry=registry
        )
        self.held = MailboxBoard(
            "mailshadow_replay_held_mailboxes",
            "Mailboxes of which an operator has to say how they go on (paused, deletion-breaker, dead-letter-limit).",
            ("code",),
            registry=registry,
        )
        self.orphaned = Counter(
            "mailshadow_replay_orphaned_total",
            "Items left at the target because an operator skipped their deletion.",
            registry=registry,
        )
        self.hold_seconds = Gauge(
            "mailshadow_replay_hold_seconds",
            "How long the log is held back from this target.",
            ["partition"],
            registry=registry,
        )
        self.held_seconds = Gauge(
            "mailshadow_replay_held_oldest_seconds",
            "Age of the oldest change held back; 0: none is.",
            ["partition"],
            registry=registry,
        )
        self.held_records = Gauge(
            "mailshadow_replay_held_records", "Records of the log held back.", ["partition"], registry=registry
        )
        self.staged_removed = Counter(
            "mailshadow_replay_staged_removed_total",
            "Unnamed staged items deleted when idle.",
            registry=registry,
        )
        self.folders_compared = Counter(
            "mailshadow_replay_folders_compared_total",
            "Target folders compared with the source's checksum, by outcome (equal, suspect, different, abandoned).",
            ["outcome"],
            registry=registry,
        )
        self.divergent = MailboxBoard(
            "mailshadow_replay_divergent_items",
            "Items that differ from the source's checksum, by kind.",
            ("kind",),
            registry=registry,
        )
        self.foreign = MailboxBoard(
            "mailshadow_replay_foreign_items",
            "Items in mirrored folders that we did not write, as last compared.",
            registry=registry,
        )

    def forget(self, partition: int, mailboxes: Iterable[str]) -> None:
        """Tell no more of a partition that went to another process, nor of its mailboxes."""
        gone = list(mailboxes)
        for board in (self.waiting, self.held, self.divergent, self.foreign):
            board.forget(gone)
        for gauge in (self.records_behind, self.hold_seconds, self.held_seconds, self.held_records):
            with contextlib.suppress(KeyError):
                gauge.remove(str(partition))


class FrontDoorMetrics:
    """What an Autodiscover responder counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "mailshadow_front_door_requests_total",
            "Answers of the Autodiscover responder by protocol (xml, svc, json) and HTTP status.",
            ["protocol", "status"],
            registry=registry,
        )
