"""Runs a chaos plan, has the checker judge what it left, and tells it to people and as values."""

from collections.abc import Callable
from typing import Any

from rich.console import Console

from deploy.lab import report
from deploy.lab.chaos.checker.check import check
from deploy.lab.chaos.checker.report import counts, figures, lines
from deploy.lab.chaos.evidence import load
from deploy.lab.chaos.run import ChaosPlan, ChaosRun

__all__ = ["ChaosPlan", "reach"]


def reach(plan: ChaosPlan, console: Console, on_stopping: Callable[[], object]) -> dict[str, Any]:
    """Run, judge, print, and return the values of the report; `anomalies` counts them by the rule they break."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    ChaosRun(plan, say, on_stopping).run()
    evidence = load(plan.directory)
    anomalies = check(evidence)
    values: dict[str, Any] = {
        "seed": plan.seed,
        "minutes": plan.minutes,
        "targets": dict(plan.targets),
        "mailboxes": plan.mailbox_count,
        "command": plan.command,
        "commit": report.commit(),
        "anomalies": counts(anomalies),
        **figures(evidence),
    }
    for text in (*lines(evidence, anomalies), *_summary(values)):
        say(text)
    return values


def _summary(values: dict[str, Any]) -> list[str]:
    recovery = values["recovery_seconds"]
    rest = "never came to rest" if recovery is None else f"level {recovery:.1f} s after the last fault healed"
    faults = ", ".join(f"{kind} {count}" for kind, count in values["faults"].items())
    writes = f"{values['source_writes']} writes at the source, {values['changes']} changes in the log"
    return [f"Faults: {faults}", f"{writes}, {values['target_writes']} writes at the targets; {rest}"]
