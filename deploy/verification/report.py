"""The report directory: progress while it is made (continued after an interruption), then JSON and a page."""

import html
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.verification.result import MailboxResult, from_json
from deploy.verification.signature import signed

PROGRESS = "progress.jsonl"
FORMAT = "mailshadow-verify/1"
DIVERGENCES_ON_PAGE_MAX = 1_000


class ReportError(Exception):
    """The report directory can't be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is verified and how: only the same run is continued; times are ISO 8601 in UTC."""

    pipeline: str
    source: str
    targets: tuple[str, ...]
    is_deep: bool
    is_repairing: bool
    began_at: str

    def as_json(self) -> dict[str, Any]:
        """Return the run's keys and values."""
        return {
            "format": FORMAT, "pipeline": self.pipeline, "source": self.source, "targets": list(self.targets),
            "deep": self.is_deep, "repair": self.is_repairing, "began_at": self.began_at,
        }  # fmt: skip


class ReportDirectory:
    """Keeps results as they come; a directory with an unfinished run of the same kind is continued."""

    def __init__(self, directory: Path, run: Run) -> None:
        self._directory = directory
        self._progress = directory / PROGRESS
        self.done: list[MailboxResult] = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.run = self._resume(run) or run
            if not self.done:
                self._progress.write_text(json.dumps(self.run.as_json()) + "\n", encoding="utf-8")
        except OSError as error:
            raise ReportError(f"{directory}: {error.strerror}; name another directory with --report") from error

    def _resume(self, run: Run) -> Run | None:
        """Take over what an interrupted run found; a line cut short by the interruption is done again."""
        if not self._progress.exists():
            return None
        lines = self._progress.read_text(encoding="utf-8", errors="replace").splitlines()
        try:
            head = json.loads(lines[0])
            began = Run(**{**_without_time(run), "began_at": head["began_at"]})
            if head != began.as_json():
                return None
            for line in lines[1:]:
                self.done.append(from_json(json.loads(line)))
        except (ValueError, KeyError, TypeError, IndexError):
            if not self.done:
                return None
        kept = "".join(json.dumps(row) + "\n" for row in (began.as_json(), *(r.as_json() for r in self.done)))
        self._progress.write_text(kept, encoding="utf-8")
        return began

    def add(self, result: MailboxResult) -> None:
        """Keep one mailbox's result."""
        self.done.append(result)
        try:
            with self._progress.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result.as_json()) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ReportError(f"{self._progress}: {error.strerror}; free room and start again") from error

    def finish(self, ended_at: str, key: bytes) -> Path:
        """Write report.json and report.html, and forget the progress; returns the path of the page."""
        report = signed(whole(self.run, self.done, ended_at), key)
        try:
            _replace(self._directory / "report.json", json.dumps(report, indent=2) + "\n")
            page = self._directory / "report.html"
            _replace(page, page_of(report))
            self._progress.unlink(missing_ok=True)
        except OSError as error:
            raise ReportError(f"{self._directory}: {error.strerror}; free room and start again") from error
        return page


def _without_time(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.__slots__ if name != "began_at"}


def _replace(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def whole(run: Run, results: Sequence[MailboxResult], ended_at: str) -> dict[str, Any]:
    """Return the report as plain values, not signed yet."""
    rows = [r.as_json() for r in sorted(results, key=lambda r: (r.mailbox, r.target))]
    return run.as_json() | {"ended_at": ended_at, "equal": all(r.is_equal for r in results), "mailboxes": rows}


def page_of(report: dict[str, Any]) -> str:
    """Return the report as a page that needs nothing else."""
    rows = "".join(_row(r) for r in report["mailboxes"])
    found = [(r, d) for r in report["mailboxes"] for d in r["divergences"]]
    items = "".join(
        _cells(r["mailbox"], r["target"], d["kind"], d["item"], ", ".join(d["fields"]),
               "yes" if d["repairable"] else "no: the ledger does not own it")
        for r, d in found[:DIVERGENCES_ON_PAGE_MAX]
    )  # fmt: skip
    more = len(found) - DIVERGENCES_ON_PAGE_MAX
    signature = report["signature"]
    title = "equal" if report["equal"] else "not equal"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>mailshadow verify: {title}</title>'
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
        "table{border-collapse:collapse;margin:1rem 0;width:100%}td,th{border-bottom:1px solid #ccc;text-align:left;"
        "padding:.3rem .6rem;font-variant-numeric:tabular-nums}code{word-break:break-all}</style>"
        f"<h1>{html.escape(report['pipeline'])}: source and targets are {title}</h1>"
        f"<p>Source {html.escape(report['source'])}, targets {html.escape(', '.join(report['targets']))}; "
        f"{'full canonical form' if report['deep'] else 'listings'}; "
        f"{html.escape(report['began_at'])} to {html.escape(report['ended_at'])}.</p>"
        "<table><tr><th>mailbox<th>target<th>folders equal<th>items<th>foreign<th>known to be behind<th>differs"
        f"<th>repairs<th>verdict</tr>{rows}</table>"
        + (
            "<h2>What differs</h2><table><tr><th>mailbox<th>target<th>kind<th>item<th>properties<th>repairable</tr>"
            f"{items}</table>" if items else ""
        )
        + (f"<p>{more} more stand in report.json.</p>" if more > 0 else "")
        + f"<p>report.json is signed ({signature['algorithm']}, key {signature['key_id']}): "
        f"<code>{signature['value']}</code>. <code>mailshadow verify --check report.json</code> tests it.</p></html>\n"
    )  # fmt: skip


def _row(row: dict[str, Any]) -> str:
    return _cells(
        row["mailbox"],
        row["target"],
        f"{row['folders_equal']} of {row['folders']}",
        f"{row['items_source']} / {row['items_target']}",
        row["foreign"],
        counts(row["behind"]),
        counts(row["kinds"]),
        repairs(row["repairs_ordered"], row["repaired"]),
        row["failure"] or ("equal" if row["equal"] else "not equal"),
    )


def _cells(*values: object) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(v))}" for v in values) + "</tr>"


def counts(found: dict[str, int]) -> str:
    """Return counts by name as text for people."""
    return ", ".join(f"{number} {name}" for name, number in found.items()) or "-"


def repairs(ordered: int, repaired: dict[str, int]) -> str:
    """Return as text for people how many repairs were ordered, and what of it was seen to be equal afterwards."""
    return f"{ordered} ordered, seen repaired: {counts(repaired)}" if ordered else "-"
