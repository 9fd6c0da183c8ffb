"""What a rehearsal found, as plain values and as a page: `rehearsal.json`, `rehearsal.txt`. No content, no address."""

import json
from pathlib import Path
from typing import Any

from deploy.promotion.report import LossReportError, sentence_of
from deploy.rehearsal.left_over import Cleared
from deploy.rehearsal.rehearsal import Outcome
from schemas.failover import Stage

STAGES = (
    Stage.CHECK, Stage.CLOSE_DOOR, Stage.CLOSE, Stage.FENCE, Stage.DRAIN, Stage.VERIFY, Stage.OPEN, Stage.LEAD,
    Stage.CONFIRM, Stage.TAIL,
)  # fmt: skip


def values_of(rehearsal: str, began_at: int, outcome: Outcome, cleared: Cleared | None) -> dict[str, Any]:
    """Return what was found; `cleared` None: it was kept."""
    rows = {row["mailbox"]: row for row in outcome.statement.get("mailboxes", ())}
    placed, fill = sum(outcome.placed.values()), outcome.seconds.get("fill", 0.0)
    return {
        "rehearsal": rehearsal,
        "began_at_ms": began_at,
        "log_up_to_ms": outcome.copied_at,
        "good": outcome.is_good,
        "stage": outcome.statement.get("stage", ""),
        "failure": outcome.failure or outcome.statement.get("failure", ""),
        "seconds": outcome.seconds,
        "stage_seconds": outcome.stages,
        "first_client_seconds": outcome.first_client_seconds,
        "log_records": outcome.excerpt.records,
        "log_bytes": outcome.excerpt.size_bytes,
        "items": placed,
        "items_per_second": round(placed / fill, 1) if fill else 0.0,
        "mailboxes": [_row(mailbox, outcome, rows.get(mailbox)) for mailbox in outcome.excerpt.mailboxes],
        "thrown_away": None if cleared is None else cleared_values(cleared),
    }


def _row(mailbox: str, outcome: Outcome, lost: dict[str, Any] | None) -> dict[str, Any]:
    taken, compared = outcome.excerpt.mailboxes[mailbox], outcome.compared.get(mailbox)
    certain = taken.record.certain_up_to
    return {
        "mailbox": mailbox,
        "refused": taken.refusal,
        "log_bytes": taken.size_bytes,
        "items": outcome.placed.get(mailbox, 0),
        "inbox_items_served": outcome.served.get(mailbox),
        "word_needed": outcome.doubts.get(mailbox, []),
        "loss_seconds": round(max(0, outcome.copied_at - certain) / 1000, 3) if certain else None,
        "loss": lost,
        "compared": compared.as_json() if compared else None,
    }


def cleared_values(cleared: Cleared) -> dict[str, Any]:
    """Return what was taken away of a rehearsal as plain values."""
    return {
        "rehearsal": cleared.rehearsal,
        "clean": cleared.is_clean,
        "items": cleared.thrown.items,
        "folders": cleared.thrown.folders,
        "foreign_items_left": cleared.thrown.foreign_items,
        "folders_left": cleared.thrown.folders_left,
        "topics": cleared.topics,
        "groups": cleared.groups,
    }


def write(directory: Path, values: dict[str, Any]) -> Path:
    """Write both files and return the one for people; LossReportError if the directory can't be written."""
    page = directory / "rehearsal.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "rehearsal.json").write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", "utf-8")
        page.write_text(text_of(values), "utf-8")
    except OSError as error:
        raise LossReportError(f"--report {directory}: can't be written ({error.strerror}); name another") from error
    return page


def text_of(values: dict[str, Any]) -> str:
    """Return the page."""
    first = values["first_client_seconds"]
    lines = [
        f"Rehearsal {values['rehearsal']}: {'GOOD' if values['good'] else 'NOT GOOD'}",
        *([f"stopped: {values['failure']}"] if values["failure"] else []),
        "",
        f"from the command to the first client that was served: {_seconds(first)}",
        *(
            f"    {name.lower().replace('_', ' '):12} {values['stage_seconds'].get(name, 0.0):9.3f} s"
            for name in STAGES
        ),
        "",
        f"log read: {values['log_records']} records, {values['log_bytes']} bytes in {_part(values, 'copy')}",
        f"replayed: {values['items']} items in {_part(values, 'fill')} ({values['items_per_second']} a second)",
        f"compared with the log in {_part(values, 'compare')}",
    ]
    for row in values["mailboxes"]:
        lines += ["", *_lines(row)]
    thrown = values["thrown_away"]
    lines += ["", "kept: `mailshadow rehearse --clean-up` takes it away" if thrown is None else thrown_text(thrown)]
    return "\n".join(lines) + "\n"


def _lines(row: dict[str, Any]) -> list[str]:
    if row["refused"]:
        return [f"{row['mailbox']}  not rehearsed: {row['refused']}"]
    lines = [f"{row['mailbox']}  {row['loss']['state'] if row['loss'] else '-'}  {row['items']} items"]
    lines += [f"    a real failover would have asked for your word: {doubt}" for doubt in row["word_needed"]]
    if row["loss_seconds"] is not None:
        lines.append(
            f"    had the source died then: what came to it in the last {row['loss_seconds']:g} s was not read"
        )
    if row["loss"]:
        lines.append(f"    {sentence_of(row['loss'])}")
    if found := row["compared"]:
        told = ", ".join(f"{n} {kind}" for kind, n in {**found["kinds"], **found["behind"]}.items())
        verdict = "equal to the log" if found["equal"] else f"DIFFERS from the log: {found['failure'] or told}"
        lines.append(f"    compared: {found['folders_equal']} of {found['folders']} folders, {verdict}")
    return lines


def thrown_text(thrown: dict[str, Any]) -> str:
    """Return what was taken away as a line."""
    kept = f"; {thrown['folders_left']} folders stay: others put something there" if thrown["folders_left"] else ""
    return (
        f"thrown away: {thrown['items']} items, {thrown['folders']} folders, {thrown['topics']} topics, "
        f"{thrown['groups']} groups{kept}"
    )


def _part(values: dict[str, Any], name: str) -> str:
    return _seconds(values["seconds"].get(name))


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.3f} s"
