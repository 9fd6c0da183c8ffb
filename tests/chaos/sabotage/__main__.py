"""`make sabotage`: one deliberate defect after another, each under chaos, each to be named by the independent checker.

    python tests/chaos/sabotage [--only NAME,…] [--minutes 0.6] [--seeds 1,2,3] [--budget-minutes 60] [--report FILE]

The defect is applied to a copy; the evidence of the run is judged by the checker of this checkout.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(Path(__file__).parent)]

from catalogue import Sabotage, SabotageError, catalogue  # type: ignore[import-not-found] # noqa: E402 - beside this file

from deploy.lab.chaos.checker.check import check  # noqa: E402 - of this checkout
from deploy.lab.chaos.evidence import load  # noqa: E402 - of this checkout

RUN_SECONDS_MAX = 420.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one sabotage came to: the seed that showed it, the anomalies by rule, the first one's words."""

    name: str
    breaks: str
    is_red: bool
    seed: int | None
    seeds_tried: int
    anomalies: dict[str, int]
    first: str
    seconds: float
    command: str


def main() -> int:
    """Try the sabotages within the budget; 0 if every one that was tried is red, 1 if not."""
    options = _options()
    wanted = set(filter(None, options.only.split(",")))
    rows = [s for s in catalogue() if not wanted or s.name in wanted]
    rows = [replace(s, edits=()) for s in rows] if options.control else rows
    deadline = time.monotonic() + 60 * options.budget_minutes
    verdicts: list[Verdict] = []
    for sabotage in rows:
        if time.monotonic() > deadline:
            break
        verdicts.append(_try(sabotage, options.minutes, [int(s) for s in options.seeds.split(",")], deadline))
        _say(verdicts[-1])
        _write(options.report, verdicts)
    print(f"{sum(v.is_red for v in verdicts)} of {len(verdicts)} red, {len(rows) - len(verdicts)} not tried")
    is_as_it_should_be = all(v.is_red is not options.control for v in verdicts)
    return 0 if is_as_it_should_be and len(verdicts) == len(rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Deliberate defects that the chaos checker must name.")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--control", action="store_true", help="break nothing: the same runs must not be red")
    parser.add_argument("--minutes", type=float, default=0.6, help="of faults in each run")
    parser.add_argument("--seeds", default="1,2,3", help="tried one after another until one shows the defect")
    parser.add_argument("--budget-minutes", type=float, default=60.0)
    parser.add_argument("--report", type=Path, default=CHECKOUT / "build" / "reports" / "sabotage.json")
    return parser.parse_args()


def _try(sabotage: Sabotage, minutes: float, seeds: Sequence[int], deadline: float) -> Verdict:
    began = time.monotonic()
    seen: Counter[str] = Counter()
    first, seed, command = "", None, ""
    tried = 0
    for seed in seeds:
        tried += 1
        command = f"lab chaos --seed {seed} --minutes {sabotage.minutes or minutes:g} --faults {sabotage.faults}"
        try:
            found = _run(sabotage, command)
        except (SabotageError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            first = f"no run to judge: {error}"
            continue
        seen = Counter(rule for rule, _ in found)
        if named := next((a for a in found if a[0] in sabotage.expects), None):
            return _verdict(sabotage, seed, tried, seen, f"{named[0]}: {named[1]}", began, command)
        first = f"{found[0][0]}: {found[0][1]}" if found else ""
        if time.monotonic() > deadline:
            break
    return _verdict(sabotage, None, tried, seen, first, began, command)


def _verdict(
    sabotage: Sabotage, seed: int | None, tried: int, seen: Counter[str], first: str, began: float, command: str
) -> Verdict:
    return Verdict(
        name=sabotage.name, breaks=sabotage.breaks, is_red=seed is not None, seed=seed, seeds_tried=tried,
        anomalies=dict(seen), first=first, seconds=round(time.monotonic() - began, 1), command=f"mailshadow {command}",
    )  # fmt: skip


def _run(sabotage: Sabotage, command: str) -> list[tuple[str, str]]:
    """Let chaos loose on a sabotaged copy; return what the checker of this checkout finds, as (rule, words)."""
    root = Path(tempfile.mkdtemp(prefix="sabotage-"))
    try:
        sabotage.copy_into(CHECKOUT, root)
        evidence = root / "evidence"
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy", *command.split(), "--keep", str(evidence)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )
        return [(a.rule, a.detail) for a in check(load(evidence))]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _say(verdict: Verdict) -> None:
    colour = "red" if verdict.is_red else "NOT RED"
    where = f"seed {verdict.seed}" if verdict.is_red else f"{verdict.seeds_tried} seeds"
    print(f"{verdict.name}: {colour} ({where}, {verdict.seconds:.0f} s) {verdict.first}", flush=True)


def _write(path: Path, verdicts: Sequence[Verdict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(v) for v in verdicts], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
