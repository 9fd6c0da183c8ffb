"""One screen that says whether everybody is protected, and if not: who, why, since when, and what to do."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.observation.fleet import Judged
from deploy.observation.health import FINE, ON_ITS_WAY, Finding, Health
from deploy.observation.losses import loss_at, loss_of_all
from deploy.promotion.loss import LossNow

ROWS_MAX = 15
QUIET = FINE | ON_ITS_WAY | {Health.PROMOTED}
"""Nobody has to do anything."""


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
    """Tell whether every mailbox is protected at every target, but those that were promoted; none at all is not."""
    mirrored = [f for rows in found.values() for _, f in rows if f.health is not Health.PROMOTED]
    return bool(mirrored) and all(finding.health in FINE for finding in mirrored)


def render(found: Mapping[str, Sequence[Judged]], now: int, rows_max: int = ROWS_MAX) -> RenderableType:
    """Return the screen; at most `rows_max` mailboxes are named, the worst first."""
    parts: list[RenderableType] = [_headline(found), _targets(found, now)]
    worst = [(target, look, f) for target, rows in found.items() for look, f in rows if f.health not in FINE]
    worst.sort(key=lambda one: list(Health).index(one[2].health))
    if worst:
        table = Table("mailbox", "target", "state", "since", "why", "not applied, lag", "loss now", "to do", box=None)
        for target, look, finding in worst[:rows_max]:
            since = f"{span((now - finding.since) / 1000)} ago" if finding.since else "-"
            table.add_row(
                look.source.mailbox, target, str(finding.health), since, finding.why, behind(finding),
                loss(loss_at(look, now)), finding.to_do,
            )  # fmt: skip
        parts.append(table)
        if len(worst) > rows_max:
            parts.append(Text(f"and {len(worst) - rows_max} more: mailshadow status --all, or --json"))
    return Group(*parts)


def loss(now: LossNow) -> str:
    """Return what a failover would lose this moment."""
    if now.seconds < 0:
        return "everything"
    return f"{span(now.seconds)}, {now.items:,} items" + (f", {now.changes:,} changes" if now.changes else "")


def behind(finding: Finding) -> str:
    """Return the changes in the log that are not applied, and the seconds they reach back."""
    return f"{finding.not_applied}, {span(finding.lag_seconds)}" if finding.lag_seconds else str(finding.not_applied)


def _headline(found: Mapping[str, Sequence[Judged]]) -> Text:
    findings = [finding for rows in found.values() for _, finding in rows]
    if not findings:
        return Text("no mailbox is mirrored yet", style="yellow")
    if is_everybody_protected(found):
        promoted = sum(f.health is Health.PROMOTED for f in findings)
        return Text("everybody is protected" + (f"; {promoted} promoted" if promoted else ""), style="green")
    if all(f.health is Health.PROMOTED for f in findings):
        return Text("every mailbox was promoted: none is mirrored any more", style="yellow")
    bad = [f for f in findings if f.health not in QUIET]
    moving = sum(f.health in ON_ITS_WAY for f in findings)
    said = [f"{len(bad)} need a person"] if bad else []
    said += [f"{moving} on their way"] if moving else []
    return Text(f"not everybody is protected: {', '.join(said)}, of {len(findings)}", style="red" if bad else "yellow")


def _targets(found: Mapping[str, Sequence[Judged]], now: int) -> Table:
    table = Table(
        "target", "mailboxes", "protected", "on their way", "need a person", "promoted", "worst lag", "not applied",
        "loss now", box=None,
    )  # fmt: skip
    for target, rows in found.items():
        findings = [finding for _, finding in rows]
        fine, moving = sum(f.health in FINE for f in findings), sum(f.health in ON_ITS_WAY for f in findings)
        need = sum(f.health not in QUIET for f in findings)
        table.add_row(
            target, str(len(findings)), str(fine), str(moving), str(need),
            str(len(findings) - fine - moving - need), span(max((f.lag_seconds for f in findings), default=0)),
            str(sum(f.not_applied for f in findings)), loss(loss_of_all(rows, now)),
        )  # fmt: skip
    return table
