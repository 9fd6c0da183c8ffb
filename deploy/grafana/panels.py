"""Every panel of every dashboard: title, unit, and the expressions it shows, with their legends."""

# ruff: noqa: E501 - a panel is one line of a table
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `unit` is one of Grafana's, `kind` its panel type; `queries` are (expression, legend)."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def _panel(title: str, unit: str, *queries: str, kind: str = "timeseries") -> Panel:
    """Return a panel; a query is an expression, or an expression and its legend around ` # `."""
    split = [q.partition(" # ") for q in queries]
    return Panel(title, unit, tuple((expression, legend or "__auto") for expression, _, legend in split), kind)


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket[$__rate_interval])))"


# The first event of a labelled counter makes its series, and `increase` and `rate` begin after it: what may happen once
# is shown as it stands. So is what a process does once, as it starts: the series of the one before it ended as high.
DASHBOARDS: dict[str, tuple[Panel, ...]] = {
    "fleet": (
        _panel("Protected", "percentunit", 'sum(mailshadow_fleet_mailboxes{health="protected"}) / sum(mailshadow_fleet_mailboxes{health!="promoted"})', kind="stat"),
        _panel("Not protected", "short", 'sum by (health) (mailshadow_fleet_mailboxes{health!="protected"}) # {{health}}', kind="stat"),
        _panel("Worst lag, source to target", "s", "mailshadow_fleet_lag_worst_seconds # {{target}}"),
        _panel("Worst stages: read, and waiting in the log", "s", "mailshadow_fleet_capture_worst_seconds # read", "mailshadow_fleet_apply_worst_seconds # {{target}} apply"),
        _panel("Mailboxes over a lag", "short", "mailshadow_fleet_lagging_mailboxes # {{target}} > {{over_seconds}} s"),
        _panel("Lost with the log now", "short", "mailshadow_fleet_changes_not_applied # {{target}}"),
        _panel("Items that need work", "short", "mailshadow_fleet_items # {{target}} {{kind}}"),
        _panel("Divergence", "short", "mailshadow_fleet_divergent_items # {{target}} {{kind}}"),
        _panel("Processes by state", "short", "sum by (role, state) (mailshadow_worker_state) # {{role}} {{state}}"),
        _panel("Stillest worker", "s", "mailshadow_worker_still_seconds # {{role}} {{target}}"),
        _panel("Started", "dateTimeFromNow", "1000 * mailshadow_worker_started_timestamp_seconds # {{role}} {{target}}", kind="stat"),
        _panel("Disk in use", "percentunit", "1 - mailshadow_disk_free_bytes / mailshadow_disk_size_bytes # {{directory}}"),
        _panel("Monitor has read everything", "bool", "mailshadow_monitor_restored", kind="stat"),
    ),
    "mailbox": (
        _panel("Lag of the worst mailboxes", "s", "mailshadow_worst_mailbox_lag_seconds # {{mailbox}} {{target}}"),
        _panel("Changes not applied", "short", "mailshadow_worst_mailbox_changes_not_applied # {{mailbox}} {{target}}"),
        _panel("State of health", "short", "mailshadow_worst_mailbox_health # {{mailbox}} {{target}} {{health}}", kind="table"),
        _panel("In this state for", "s", "time() - mailshadow_worst_mailbox_since_timestamp_seconds # {{mailbox}} {{target}}"),
    ),
    "feed": (
        _panel("Stages, p95", "s", _quantile(0.95, "mailshadow_feed_stage_seconds", "stage") + " # {{stage}}"),
        _panel("Age of what is certain", "s", "time() - mailshadow_feed_certain_up_to_timestamp_seconds"),
        _panel("Changes and rounds", "ops", "rate(mailshadow_feed_changes_total[$__rate_interval]) # changes", "rate(mailshadow_feed_rounds_total[$__rate_interval]) # rounds"),
        _panel("Content", "Bps", "rate(mailshadow_feed_content_bytes_total[$__rate_interval])"),
        _panel("Rounds ended early", "ops", "sum by (code) (rate(mailshadow_feed_call_failures_total[$__rate_interval])) # {{code}}"),
        _panel("Owed, pending, paused", "short", "mailshadow_feed_owed_items # owed", "mailshadow_feed_pending_items # pending", "mailshadow_feed_paused_mailboxes # paused mailboxes"),
        _panel("Index", "short", "mailshadow_feed_index_items"),
        _panel("Checksums", "ops", "rate(mailshadow_feed_checksums_total[$__rate_interval]) # {{outcome}}"),
        _panel("Calls by server and operation", "ops", "sum by (server, operation, outcome) (rate(mailshadow_server_calls_total[$__rate_interval])) # {{server}} {{operation}} {{outcome}}"),
        _panel("Time of a call, p95", "s", _quantile(0.95, "mailshadow_server_call_seconds", "server") + " # {{server}}"),
        _panel("Bytes on the wire", "Bps", "rate(mailshadow_server_sent_bytes_total[$__rate_interval]) # to {{server}}", "rate(mailshadow_server_received_bytes_total[$__rate_interval]) # from {{server}}"),
        _panel("Throttling", "short", "rate(mailshadow_server_throttled_calls_total[$__rate_interval]) # {{server}} {{operation}}", "rate(mailshadow_server_back_offs_total[$__rate_interval]) # {{server}} back-offs", "mailshadow_server_calls_at_once # {{server}} calls at once"),
        _panel("Back-off left", "s", "mailshadow_server_back_off_seconds # {{server}}"),
        _panel("Last answer", "s", "time() - mailshadow_server_answered_timestamp_seconds # {{server}}"),
    ),
    "replay": (
        _panel("Stages, p95", "s", _quantile(0.95, "mailshadow_replay_stage_seconds", "stage") + " # {{stage}}"),
        _panel("Capture to visible", "s", _quantile(0.5, "mailshadow_replay_change_seconds", "job") + " # p50", _quantile(0.99, "mailshadow_replay_change_seconds", "job") + " # p99"),
        _panel("Changes", "ops", "sum by (operation) (rate(mailshadow_replay_changes_total[$__rate_interval])) # {{operation}}"),
        _panel("Content", "Bps", "rate(mailshadow_replay_content_bytes_total[$__rate_interval])"),
        _panel("Records behind", "short", "sum(mailshadow_replay_records_behind)"),
        _panel("Turns ended early", "ops", "sum by (code) (rate(mailshadow_replay_call_failures_total[$__rate_interval])) # {{code}}"),
        _panel("Parked since it started", "short", "sum by (code) (mailshadow_replay_parked_total) # {{code}}"),
        _panel("Waiting and held mailboxes", "short", "mailshadow_replay_waiting_mailboxes # waiting", "mailshadow_replay_held_mailboxes # {{code}}"),
        _panel("Held back", "s", "max(mailshadow_replay_held_oldest_seconds) # oldest", "max(mailshadow_replay_hold_seconds) # hold"),
        _panel("Held records", "short", "sum(mailshadow_replay_held_records)"),
        _panel("Folders compared", "ops", "rate(mailshadow_replay_folders_compared_total[$__rate_interval]) # {{outcome}}"),
        _panel("Divergent and foreign", "short", "mailshadow_replay_divergent_items # {{kind}}", "mailshadow_replay_foreign_items # foreign"),
        _panel("Settled after a doubt since it started", "short", "sum by (kind, finding) (mailshadow_replay_settled_total) # {{kind}} {{finding}}"),
        _panel("Left over", "short", "increase(mailshadow_replay_orphaned_total[1h]) # orphans", "increase(mailshadow_replay_staged_removed_total[1h]) # staged, removed"),
    ),
    "kafka": (
        _panel("Partitions owned", "short", "sum by (job) (mailshadow_partitions_owned) # {{job}}"),
        _panel("Partitions lost and fenced", "short", "increase(mailshadow_partitions_lost_total[5m]) # lost {{job}}", "increase(mailshadow_partitions_fenced_total[5m]) # fenced {{job}}"),
        _panel("Transactions", "ops", "sum by (job, outcome) (rate(mailshadow_transactions_total[$__rate_interval])) # {{job}} {{outcome}}"),
        _panel("Time of a transaction, p95", "s", _quantile(0.95, "mailshadow_transaction_seconds", "job") + " # {{job}}"),
        _panel("Partitions lost again and again", "s", "mailshadow_worker_losing_seconds # {{role}} {{target}} {{reason}}"),
        _panel("Open transaction holds readers back", "s", "mailshadow_kafka_unstable_seconds # {{topic}}"),
        _panel("Group lag", "short", "mailshadow_kafka_group_lag_records # {{group}}"),
        _panel("Group members", "short", "mailshadow_kafka_group_members # {{group}}"),
        _panel("Topics, log, index and ledger", "short", "mailshadow_kafka_records # {{topic}}"),
        _panel("Unsafe settings", "short", "sum by (setting) (mailshadow_kafka_unsafe_settings) # {{setting}}", kind="stat"),
        _panel("Kafka answered the monitor", "s", "time() - mailshadow_kafka_answered_timestamp_seconds", kind="stat"),
    ),
    "failover": (
        _panel("Lost now: changes", "short", "mailshadow_fleet_changes_not_applied # {{target}}", kind="stat"),
        _panel("Lost now: seconds", "s", "mailshadow_fleet_lag_worst_seconds # {{target}}", kind="stat"),
        _panel("In the way of a promotion", "short", 'sum by (target, health) (mailshadow_fleet_mailboxes{health=~"behind|held|waiting|paused|incomplete|divergent"}) # {{target}} {{health}}'),
        _panel("Time to own a partition, mean since the start", "s", "sum by (job) (mailshadow_partition_acquire_seconds_sum) / sum by (job) (mailshadow_partition_acquire_seconds_count) # {{job}}"),
        _panel("Local state", "bytes", "sum by (job) (mailshadow_state_cache_bytes) # {{job}}"),
        _panel("Answers of Autodiscover", "ops", "sum by (protocol, status) (rate(mailshadow_front_door_requests_total[$__rate_interval])) # {{protocol}} {{status}}"),
        _panel("Certificates run out in", "s", "mailshadow_server_certificate_expiry_timestamp_seconds - time() # {{server}}"),
        _panel("Passwords run out in", "s", "mailshadow_server_secret_expiry_timestamp_seconds - time() # {{server}}"),
    ),
}  # fmt: skip
