"""The result of a run: a short table for people, JSON with fixed keys for programs."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.lab.comparison.comparison import Comparison
from deploy.lab.disaster import Outcome
from deploy.lab.lag import percentile, seconds_text

_ROOT = Path(__file__).resolve().parents[2]
_PROBLEM_ROWS_MAX = 20
_MEBIBYTE = 1 << 20


class ReportPathError(Exception):
    """The report's file cannot be written; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopy:
    """How much was copied first, and how long from the start of both services to the last write, in seconds."""

    items: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything a run measured; `lags_seconds` as `deploy.lab.lag` defines them."""

    kafka_version: str
    source_version: str
    target_version: str
    comparison: Comparison
    parked: int
    first_copy: FirstCopy
    live_changes: int
    lags_seconds: tuple[float, ...] = field(repr=False)
    log_bytes: int
    mail_bytes: int
    server_calls: dict[str, int]
    seed: int
    commit: str
    disaster: Outcome | None = None

    @property
    def is_mirrored(self) -> bool:
        """Whether the target, empty before the run, holds exactly what the source holds, and nothing is parked."""
        return self.comparison.is_clean and self.comparison.folders_extra == 0 and self.parked == 0

    @property
    def is_clean(self) -> bool:
        """Whether that is so, and the second act, if there was one, ended as it should."""
        return self.is_mirrored and (self.disaster is None or self.disaster.is_clean)

    def as_json(self) -> dict[str, Any]:
        """Return the report's keys and values."""
        found = self.comparison
        shares = {"p50": 0.5, "p90": 0.9, "max": 1.0}
        lags = {name: percentile(self.lags_seconds, share) for name, share in shares.items()}
        lag = {name: None if seconds is None else round(seconds, 3) for name, seconds in lags.items()}
        counts = (
            "mailboxes", "folders", "items_source", "items_target", "identical", "missing", "extra", "differing",
        )  # fmt: skip
        return {
            "kafka_version": self.kafka_version,
            "source_version": self.source_version,
            "target_version": self.target_version,
            **{name: getattr(found, name) for name in counts},
            "parked": self.parked,
            "first_copy": asdict(self.first_copy),
            "live": {"changes": self.live_changes, "lag_seconds": lag},
            "log_bytes": self.log_bytes,
            "mail_bytes": self.mail_bytes,
            "server_calls": self.server_calls,
            "disaster": self.disaster.as_json() if self.disaster else None,
            "seed": self.seed,
            "commit": self.commit,
        }


def require_writable(path: Path) -> None:
    """Make the report's directory and try its file before anything long begins; raises ReportPathError."""
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise ReportPathError(f"--report {path}: cannot be written: {error.strerror}. Name another file.") from error


def write(path: Path, values: dict[str, Any]) -> None:
    """Write the report as JSON, whole or not at all; raises ReportPathError."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105 - one atomic step
    except OSError as error:
        raise ReportPathError(f"--report {path}: cannot be written: {error.strerror}.") from error


def show(console: Console, result: RunResult) -> None:
    """Print the short report."""
    found, values = result.comparison, result.as_json()
    lag = values["live"]["lag_seconds"]
    copied = result.first_copy
    rate = copied.items / copied.seconds if copied.seconds else 0.0
    table = Table(show_header=False, title="Result")
    way = f"Exchange {result.source_version} -> Kafka {result.kafka_version} -> Exchange {result.target_version}"
    rows = {
        "servers": f"{way} (Exchange simulated)",
        "items": f"{found.items_source} at the source, {found.items_target} at the target,"
        f" {found.mailboxes} mailboxes, {found.folders} folders",
        "identical": f"{found.identical} of {found.items_source}",
        "missing, extra, differing, parked": f"{found.missing}, {found.extra}, {found.differing}, {result.parked}",
        "first copy": f"{copied.items} items, {copied.bytes / _MEBIBYTE:.1f} MiB in {copied.seconds:.1f} s"
        f" ({rate:.0f} items/s)",
        "live": f"{result.live_changes} changes; lag {seconds_text(lag['p50'])} half,"
        f" {seconds_text(lag['p90'])} nine in ten, {seconds_text(lag['max'])} at most"
        f" ({len(result.lags_seconds)} measured)",
        "log": f"{result.log_bytes / _MEBIBYTE:.1f} MiB for {result.mail_bytes / _MEBIBYTE:.1f} MiB of mail",
        "server calls": f"{result.server_calls['source']} source, {result.server_calls['target']} target",
    }
    also = {
        "foreign items at the target": found.foreign,
        "items left in staging": found.staged,
        "folders missing": found.folders_missing,
        "folders extra": found.folders_extra,
    }
    rows |= {name: str(count) for name, count in also.items() if count}
    rows |= _told(result.disaster) if result.disaster else {}
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    for problem in found.problems[:_PROBLEM_ROWS_MAX]:
        fields = f": {', '.join(problem.fields)}" if problem.fields else ""
        console.print(f"  mailbox {problem.mailbox}, folder {problem.folder}: {problem.kind}{fields}", markup=False)
    if len(found.problems) > _PROBLEM_ROWS_MAX:
        console.print(f"  and {len(found.problems) - _PROBLEM_ROWS_MAX} more")
    if result.is_clean:
        console.print("Everything arrived.")
    elif result.is_mirrored:
        console.print("The second act did not end as it should.")
    else:
        console.print("The target differs from the source.")


def _told(act: Outcome) -> dict[str, str]:
    """Return the rows of the second act."""
    after = act.comparison
    return {
        "source killed": f"{act.promoted} of {act.mailboxes} mailboxes promoted in {act.promotion_seconds:.1f} s; the"
        f" client read its mail {act.client_seconds:.1f} s after the command began, and wrote: {_word(act.wrote)}",
        "client led to": ", ".join(act.client_servers),
        "loss statement": f"{act.reported} items reported, {act.missed} really missed; {act.unreported} unreported,"
        f" {act.needless} needlessly reported",
        "way back": f"{act.merged} changes of the old source merged, {act.conflicts} conflicts,"
        f" {act.failback_seconds:.1f} s; {after.identical} of {after.items_source} items identical"
        f" ({after.items_target} at the target)",
    }


def _word(is_so: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "yes" if is_so else "no"


def commit() -> str:
    """Return the commit of the checkout this runs from, or an empty text when it is installed elsewhere."""
    if not (_ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's own git
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
