"""The table of all metrics in `deploy/metrics.md`: `python -m deploy.metrics_table` writes it from the declarations."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from schemas import fleet_metrics, metrics

PATH = Path(__file__).parent / "metrics.md"
FAMILIES = {
    "Every process that calls a server": metrics.SessionMetrics,
    "Every process": metrics.WorkerMetrics,
    "Feed and replay: partitions they own": metrics.PartitionMetrics,
    "Feed": metrics.FeedMetrics,
    "Replay": metrics.ReplayMetrics,
    "Autodiscover responder": metrics.FrontDoorMetrics,
    "Monitor: all mailboxes together": fleet_metrics.FleetMetrics,
    "Monitor: the worst mailboxes, and those asked for (`[monitor]`)": fleet_metrics.WorstMetrics,
    "Monitor: Kafka, certificates, secrets": fleet_metrics.LogMetrics,
}
HEAD = """# Metrics

Written by `python -m deploy.metrics_table` from `schemas/metrics.py` and `schemas/fleet_metrics.py`. Units are seconds,
bytes and counts. Mailboxes appear by their id, and only the worst `monitor.worst_mailboxes_max` of each target and
`monitor.mailboxes_shown` have series of their own: 10,000 mailboxes make no more series than 20.
"""


def text() -> str:
    """Return the whole document."""
    parts = [HEAD]
    for title, family in FAMILIES.items():
        parts.append(f"\n## {title}\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n")
        for metric in vars(family(CollectorRegistry())).values():
            (described,) = metric.describe()
            name = described.name + ("_total" if described.type == "counter" else "")
            labels = ", ".join(metric._labelnames) or "-"  # noqa: SLF001 - prometheus_client has no other way to ask
            parts.append(f"| `{name}` | {described.type} | {labels} | {described.documentation} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
