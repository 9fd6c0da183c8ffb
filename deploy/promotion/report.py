"""The loss statement as files: `loss.json` for programs, `loss.txt` for people."""

import json
import time
from pathlib import Path
from typing import Any


class LossReportError(Exception):
    """The statement can't be written; it was printed where that was asked for."""


def write(directory: Path, statement: dict[str, Any]) -> Path:
    """Write both files and return the one for people; LossReportError if the directory can't be written."""
    page = directory / "loss.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("loss.json", "loss.txt"):
            (directory / name).touch(mode=0o600)  # subjects may stand in it
        (directory / "loss.json").write_text(json.dumps(statement, indent=2, ensure_ascii=False) + "\n", "utf-8")
        page.write_text(text_of(statement), "utf-8")
    except OSError as error:
        raise LossReportError(f"--report {directory}: can't be written ({error.strerror}); name another") from error
    return page


def text_of(statement: dict[str, Any]) -> str:
    """Return the statement as a page of text."""
    kind = "planned" if statement["planned"] else "the source is lost"
    what = "Merge of strays" if statement.get("strays") else "Promotion"
    lines = [f"{what} {statement['promotion']} to {statement['target']} ({kind}), {statement['stage']}"]
    lines += [f"stopped: {statement['failure']}"] if statement["failure"] else []
    lines += ["", _headline(statement)]
    for row in statement["mailboxes"]:
        lines += ["", f"{row['mailbox']}  {row['state']}  {sentence_of(row)}"]
        lines += [f"    note: {row['note']}"] if row["note"] else []
        lines += [f"    compared: {row['verified']}"] if row["verified"] else []
        for name in ("captured_not_applied", "owed", "wanted", "pending", "parked", "unsettled", "tail"):
            lines += [f"    {name.replace('_', ' ')}: {_told(found)}" for found in row[name]]
    return "\n".join(lines) + "\n"


def _headline(statement: dict[str, Any]) -> str:
    if statement.get("strays"):
        is_all = all(row["merged"] and not row["not_at_target"] for row in statement["mailboxes"])
        return (
            "ALL THAT WAS READ IS AT THE TARGET" if is_all else "Not all that came to the old source is at the target:"
        )
    if not statement["nothing_lost"]:
        return "Not proved that nothing was lost:"
    is_led = all(row["left_out"] or row["state"] == "CONFIRMED" for row in statement["mailboxes"])
    # who still works at the source writes behind the back of the tail that was read
    return "NOTHING LOST" if is_led else "NOTHING LOST, if the source was fenced before: no front door of ours was"


def sentence_of(row: dict[str, Any]) -> str:
    """Return what may be said of one mailbox: that nothing is lost only after an empty tail."""
    if row["left_out"]:
        return "left out, as it was"
    if "merged" in row:
        told = "merged" if row["merged"] else "not merged"
        return f"{told}; not at the target: {'; '.join(row['not_at_target'])}" if row["not_at_target"] else told
    if row["nothing_lost"]:
        return "nothing lost"
    return f"{_certain(row)}, {row['missing_items']} items known to be missing" + (
        "" if row["tail_read"] else "; the source was not read since"
    )


def _certain(row: dict[str, Any]) -> str:
    """Return up to when everything is known to be at the target: no time where the log lost a captured change."""
    if row["lost_from_log"]:
        return f"{row['lost_from_log']} captured changes are lost from the log, no time up to which nothing is lost"
    if not row["certain_up_to_ms"]:
        return "no time up to which nothing is lost"
    return "nothing lost up to " + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["certain_up_to_ms"] / 1000))


def _told(found: str | dict[str, Any]) -> str:
    if isinstance(found, str):
        return found
    return ", ".join(f"{name} {value}" for name, value in found.items() if value != "")
