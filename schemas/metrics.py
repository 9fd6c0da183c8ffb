"""Every metric, declared once: name, labels, help (base units; mailboxes appear by their id)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
        self.certain_up_to = Gauge(
            "mailshadow_feed_certain_up_to_timestamp_seconds",
            "Everything of the mailbox before this time is in the log.",
            ["mailbox"],
            registry=registry,
        )
        self.owed = Gauge(
            "mailshadow_feed_owed_items", "Items named and not fetched yet.", ["mailbox"], registry=registry
        )
        self.pending = Gauge(
            "mailshadow_feed_pending_items", "Deletions that may be moves.", ["mailbox"], registry=registry
        )
        self.checksums = Counter(
            "mailshadow_feed_checksums_total",
            "Folders listed for a checksum, by outcome (published, unchanged, restless, mismatch).",
            ["outcome"],
            registry=registry,
        )
        self.paused = Gauge("mailshadow_feed_paused", "1 while the mailbox is paused.", ["mailbox"], registry=registry)


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
        self.lag_seconds = Gauge(
            "mailshadow_replay_lag_seconds",
            "Time from capture to applied of the newest applied change.",
            ["mailbox"],
            registry=registry,
        )
        self.applied = Histogram(
            "mailshadow_replay_change_seconds",
            "Time from capture to applied.",
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
        self.waiting = Gauge(
            "mailshadow_replay_waiting",
            "1 while the mailbox waits for a seed.",
            ["mailbox"],
            registry=registry,
        )
        self.held = Gauge(
            "mailshadow_replay_held",
            "1 while an operator has to say how the mailbox goes on (paused, deletion-breaker, dead-letter-limit).",
            ["mailbox", "code"],
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
        self.divergent = Gauge(
            "mailshadow_replay_divergent_items", "Items that differ from the source's checksum, by kind.",
            ["mailbox", "kind"], registry=registry,
        )  # fmt: skip
        self.foreign = Gauge(
            "mailshadow_replay_foreign_items", "Items in mirrored folders that we did not write, as last compared.",
            ["mailbox"], registry=registry,
        )  # fmt: skip


class FrontDoorMetrics:
    """What an Autodiscover responder counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "mailshadow_front_door_requests_total",
            "Answers of the Autodiscover responder by protocol (xml, svc, json) and HTTP status.",
            ["protocol", "status"],
            registry=registry,
        )
