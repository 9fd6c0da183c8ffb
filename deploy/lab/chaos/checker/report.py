"""What a checked run is told as: figures for the report file, lines for people."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from deploy.lab.chaos.checker.case import Case, traces
from deploy.lab.chaos.evidence import Anomaly, Evidence

_ANOMALIES_MAX: Final = 50


def figures(evidence: Evidence) -> dict[str, Any]:
    """Return what was judged, in numbers: how much there was to lose."""
    case = Case(evidence)
    run = evidence.run
    changes = [logged for logs in case.log.changes.values() for logged in logs]
    injected = Counter(line.kind for line in evidence.faults if line.phase == "begin")
    return {
        "source_writes": len(evidence.source),
        "target_writes": sum(map(len, evidence.targets.values())),
        "changes": len(changes),
        "changes_by_operation": dict(sorted(Counter(logged.kind for logged in changes).items())),
        "items_followed": sum(len(list(traces(pairing))) for pairing in case.pairings),
        "items_at_the_end": sum(life.is_visible for shore in case.sources.values() for life in shore.lives),
        "faults": dict(sorted(injected.items())),
        "recovery_seconds": None if run.level_ms is None else (run.level_ms - run.healed_ms) / 1000,
    }


def counts(anomalies: Sequence[Anomaly]) -> dict[str, int]:
    """Return how often each rule was broken, most often first."""
    return dict(Counter(anomaly.rule for anomaly in anomalies).most_common())


def lines(evidence: Evidence, anomalies: Sequence[Anomaly]) -> list[str]:
    """Return what to print: the verdict, and of every anomaly its item's story and the command that repeats the run."""
    run = evidence.run
    if not anomalies:
        return [f"seed {run.seed}: no anomaly in {len(evidence.log)} records and {len(evidence.source)} source writes"]
    told = [f"seed {run.seed}: {len(anomalies)} anomalies: {counts(anomalies)}"]
    for anomaly in anomalies[:_ANOMALIES_MAX]:
        where = f"mailbox {anomaly.mailbox} item {anomaly.item}" if anomaly.item else f"mailbox {anomaly.mailbox}"
        told += ["", f"{anomaly.rule}: {anomaly.detail}", f"  {where}", *(f"    {line}" for line in anomaly.story)]
    return [*told, "", f"Again: {run.command}"]
