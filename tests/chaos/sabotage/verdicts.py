"""What the runs of a sabotage came to, and how they lie in a file that several invocations add to."""

import fcntl
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run: whether the checker named an expected rule, every anomaly by rule, the first expected one's words.

    `problem` says why there was nothing to judge; such a run is not red.
    """

    seed: int
    is_red: bool
    anomalies: dict[str, int]
    first: str
    problem: str
    seconds: float
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A sabotage with all its runs; `digest` is of the row they were made with."""

    name: str
    breaks: str
    digest: str
    runs: tuple[Outcome, ...]

    @property
    def red_count(self) -> int:
        """How many runs were red."""
        return sum(run.is_red for run in self.runs)

    @property
    def is_proved(self) -> bool:
        """Whether most of three runs were red, whatever a third would have shown."""
        return self.red_count >= 2 and 2 * self.red_count > len(self.runs)

    def decided(self, runs_max: int) -> bool:
        """Whether further runs up to so many could not change the verdict."""
        most = runs_max // 2 + 1
        return self.red_count >= most or len(self.runs) - self.red_count >= most

    def with_run(self, run: Outcome) -> "Verdict":
        """Return the verdict with one run more, in place of an earlier one of the same seed."""
        runs = sorted([*(r for r in self.runs if r.seed != run.seed), run], key=lambda r: r.seed)
        return Verdict(name=self.name, breaks=self.breaks, digest=self.digest, runs=tuple(runs))


def load(path: Path) -> dict[str, Verdict]:
    """Return the verdicts of a file by name; none where there is no file."""
    if not path.exists():
        return {}
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8") or "[]")
    return {row["name"]: _verdict(row) for row in rows}


def put(path: Path, verdict: Verdict, order: Sequence[str]) -> None:
    """Put a verdict into the file in place of an earlier one, rows in the order of the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = load(path) | {verdict.name: verdict}
        write(path, [known[name] for name in order if name in known])


def write(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts as JSON, with the figures that people look for first."""
    rows = [
        {"name": v.name, "is_proved": v.is_proved, "red": v.red_count, "of": len(v.runs), **asdict(v)} for v in verdicts
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _verdict(row: dict[str, Any]) -> Verdict:
    runs = tuple(Outcome(**run) for run in row["runs"])
    return Verdict(name=row["name"], breaks=row["breaks"], digest=row["digest"], runs=runs)
