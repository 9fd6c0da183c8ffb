"""What `mailshadow monitor` tells of all mailboxes together, and by mailbox of those only that matter most."""

from prometheus_client import CollectorRegistry, Gauge


class FleetMetrics:
    """Read from the state topics by a process that neither feeds nor replays: true also while those stand still."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.mailboxes = Gauge(
            "mailshadow_fleet_mailboxes",
            "Mailboxes by the one state of health each is in at a target.",
            ["target", "health"],
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "mailshadow_fleet_lag_worst_seconds",
            "Age of the time up to which a target surely holds everything, of the mailbox furthest behind.",
            ["target"],
            registry=registry,
        )
        self.lagging = Gauge(
            "mailshadow_fleet_lagging_mailboxes",
            "Mailboxes that are further behind than so many seconds.",
            ["target", "over_seconds"],
            registry=registry,
        )
        self.capture_seconds = Gauge(
            "mailshadow_fleet_capture_worst_seconds",
            "Age of the time up to which the log surely holds everything, of the mailbox least recently read.",
            registry=registry,
        )
        self.apply_seconds = Gauge(
            "mailshadow_fleet_apply_worst_seconds",
            "How long a change that is in the log waits to be applied, of the mailbox that waits longest.",
            ["target"],
            registry=registry,
        )
        self.not_applied = Gauge(
            "mailshadow_fleet_changes_not_applied",
            "Changes in the log that are not at the target: what would be lost with the log.",
            ["target"],
            registry=registry,
        )
        self.items = Gauge(
            "mailshadow_fleet_items",
            "Items of all mailboxes that need more work: owed, pending, parked, dropped, wanted, orphan, unsettled.",
            ["target", "kind"],
            registry=registry,
        )
        self.divergent = Gauge(
            "mailshadow_fleet_divergent_items",
            "Items found to differ from the source's checksum, by kind.",
            ["target", "kind"],
            registry=registry,
        )


class WorstMetrics:
    """The few mailboxes with series of their own: the worst ones, and those that were asked for by name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag_seconds = Gauge(
            "mailshadow_worst_mailbox_lag_seconds",
            "Age of the time up to which the target surely holds everything of the mailbox.",
            ["target", "mailbox"],
            registry=registry,
        )
        self.health = Gauge(
            "mailshadow_worst_mailbox_health",
            "1 for the state of health the mailbox is in.",
            ["target", "mailbox", "health"],
            registry=registry,
        )
        self.since = Gauge(
            "mailshadow_worst_mailbox_since_timestamp_seconds",
            "Since when the mailbox is in its state of health.",
            ["target", "mailbox"],
            registry=registry,
        )
        self.not_applied = Gauge(
            "mailshadow_worst_mailbox_changes_not_applied",
            "Changes of the mailbox in the log that are not at the target.",
            ["target", "mailbox"],
            registry=registry,
        )


class LogMetrics:
    """What the monitor sees of Kafka, of certificates and of secrets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered_at = Gauge(
            "mailshadow_kafka_answered_timestamp_seconds",
            "When Kafka answered the monitor's questions last.",
            registry=registry,
        )
        self.is_restored = Gauge(
            "mailshadow_monitor_restored",
            "1 once the monitor has read the state topics to their end; the fleet's figures count from then on.",
            registry=registry,
        )
        self.unstable_seconds = Gauge(
            "mailshadow_kafka_unstable_seconds",
            "For how long the oldest open transaction holds readers of a topic back.",
            ["topic"],
            registry=registry,
        )
        self.records = Gauge(
            "mailshadow_kafka_records",
            "Offsets between the start and the end of a topic: ledger, index and log sizes before compaction.",
            ["topic"],
            registry=registry,
        )
        self.group_lag_records = Gauge(
            "mailshadow_kafka_group_lag_records",
            "Records of the log a replay's group has not committed yet.",
            ["group"],
            registry=registry,
        )
        self.group_members = Gauge(
            "mailshadow_kafka_group_members",
            "Processes that take part in a group.",
            ["group"],
            registry=registry,
        )
        self.unsafe_settings = Gauge(
            "mailshadow_kafka_unsafe_settings",
            "1 for a setting of the cluster or a topic that can lose what was acknowledged.",
            ["topic", "setting"],
            registry=registry,
        )
        self.certificate_expires_at = Gauge(
            "mailshadow_server_certificate_expiry_timestamp_seconds",
            "When the certificate a server shows runs out.",
            ["server"],
            registry=registry,
        )
        self.secret_expires_at = Gauge(
            "mailshadow_server_secret_expiry_timestamp_seconds",
            "When the password of the account runs out, as the settings say.",
            ["server"],
            registry=registry,
        )
