"""One screen that says whether everybody is protected, and if not: who, why, since when, and what to do."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.observation.fleet import Judged
from deploy.observation.health import FINE, ON_ITS_WAY, Finding, Health

ROWS_MAX = 15


def span(seconds: float) -> str:
    """Return a time span in the two units a person reads it in."""
    for size, unit, smaller, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {unit} {rest} {part}" if rest else f"{int(seconds // size)} {unit}"
    return f"{seconds:.1f} s"


def summary(found: Mapping[str, Sequence[Judged]]) -> dict[str, dict[str, int]]:
    """Return how many mailboxes are in which state, by target; states nobody is in are left out."""
    return {target: dict(Counter(str(f.health) for _, f in rows)) for target, rows in found.items()}


def is_everybody_protected(found: Mapping[str, Sequence[Judged]]) -> bool:
    """Tell whether every mailbox is protected at every target; no mailbox at all is not."""
    findings = [finding for rows in found.values() for _, finding in rows]
    return bool(findings) and all(finding.health in FINE for finding in findings)


def render(found: Mapping[str, Sequence[Judged]], now: int, rows_max: int = ROWS_MAX) -> RenderableType:
    """Return the screen; at most `rows_max` mailboxes are named, the worst first."""
    parts: list[RenderableType] = [_headline(found), _targets(found)]
    worst = [(target, look, f) for target, rows in found.items() for look, f in rows if f.health not in FINE]
    worst.sort(key=lambda one: list(Health).index(one[2].health))
    if worst:
        table = Table("mailbox", "target", "state", "since", "why", "not applied, lag", "to do", box=None)
        for target, look, finding in worst[:rows_max]:
            since = f"{span((now - finding.since) / 1000)} ago" if finding.since else "-"
            behind = loss(finding)
            name = look.source.mailbox
            table.add_row(name, target, str(finding.health), since, finding.why, behind, finding.to_do)
        parts.append(table)
        if len(worst) > rows_max:
            parts.append(Text(f"and {len(worst) - rows_max} more: mailshadow status --all, or --json"))
    return Group(*parts)


def loss(finding: Finding) -> str:
    """Return what would be lost now: changes in the log that are not applied, and the seconds they reach back."""
    return f"{finding.not_applied}, {span(finding.lag_seconds)}" if finding.lag_seconds else str(finding.not_applied)


def _headline(found: Mapping[str, Sequence[Judged]]) -> Text:
    findings = [finding for rows in found.values() for _, finding in rows]
    if not findings:
        return Text("no mailbox is mirrored yet", style="yellow")
    if is_everybody_protected(found):
        return Text("everybody is protected", style="green")
    bad = [f for f in findings if f.health not in FINE | ON_ITS_WAY]
    moving = sum(f.health in ON_ITS_WAY for f in findings)
    said = [f"{len(bad)} need a person"] if bad else []
    said += [f"{moving} on their way"] if moving else []
    return Text(f"not everybody is protected: {', '.join(said)}, of {len(findings)}", style="red" if bad else "yellow")


def _targets(found: Mapping[str, Sequence[Judged]]) -> Table:
    table = Table(
        "target", "mailboxes", "protected", "on their way", "need a person", "worst lag", "not applied", box=None
    )
    for target, rows in found.items():
        findings = [finding for _, finding in rows]
        fine, moving = sum(f.health in FINE for f in findings), sum(f.health in ON_ITS_WAY for f in findings)
        table.add_row(
            target, str(len(findings)), str(fine), str(moving), str(len(findings) - fine - moving),
            span(max((f.lag_seconds for f in findings), default=0)), str(sum(f.not_applied for f in findings)),
        )  # fmt: skip
    return table
