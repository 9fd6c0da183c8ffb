"""`make sabotage`: one deliberate defect after another, each under chaos, each to be named by the independent checker.

    python tests/chaos/sabotage [--only NAME,…] [--seeds 1,2,3] [--every-seed] [--missing] [--control]
                                [--at-once 1] [--minutes 0.5] [--budget-minutes 60] [--report FILE]

The defect is applied to a copy; the evidence of the run is judged by the checker of this checkout. A sabotage is
proved when most of its runs are red; runs that could not change that any more are left out unless --every-seed.
With --missing the report's runs of the same rows count, so that a table may be made in several sittings.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(Path(__file__).parent)]

from catalogue import Sabotage, SabotageError, catalogue  # type: ignore[import-not-found] # noqa: E402 - beside this file
from verdicts import Outcome, Verdict, load, put  # type: ignore[import-not-found] # noqa: E402 - beside this file

from deploy.lab.chaos.checker.check import check  # noqa: E402 - of this checkout
from deploy.lab.chaos.evidence import load as load_evidence  # noqa: E402 - of this checkout

RUN_SECONDS_MAX = 420.0
_NOTHING_TO_JUDGE = (SabotageError, OSError, ValueError, KeyError, subprocess.TimeoutExpired)


def main() -> int:
    """Try the sabotages within the budget; 0 if every one that was tried is as it should be, 1 if not."""
    options = _options()
    wanted = set(filter(None, options.only.split(",")))
    rows = [s for s in catalogue() if not wanted or s.name in wanted]
    deadline = time.monotonic() + 60 * options.budget_minutes
    with ThreadPoolExecutor(options.at_once) as pool:
        verdicts = list(pool.map(lambda sabotage: _try(sabotage, options, deadline), rows))
    return _sum_up([v for v in verdicts if v.runs], len(rows), is_control=options.control)


def _try(sabotage: Sabotage, options: argparse.Namespace, deadline: float) -> Verdict:
    """Make the runs of a sabotage until they decide, and return what the report holds of it then."""
    verdict = _known(options.report, sabotage) if options.missing else _fresh(sabotage)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for seed in seeds:
        is_known = any(run.seed == seed for run in verdict.runs)
        is_decided = verdict.decided(len(seeds)) and not options.every_seed
        if is_known or is_decided or time.monotonic() > deadline:
            continue
        run = _run(replace(sabotage, edits=()) if options.control else sabotage, seed, options)
        _say(sabotage.name, run)
        verdict = verdict.with_run(run)
        put(options.report, verdict, [s.name for s in catalogue()])
    return verdict


def _sum_up(tried: list[Verdict], row_count: int, *, is_control: bool) -> int:
    if is_control:
        red = [v.name for v in tried if v.red_count]
        print(f"{len(red)} of {len(tried)} red although nothing was broken: {', '.join(red) or 'none'}")
        return 1 if red or len(tried) < row_count else 0
    open_rows = [v.name for v in tried if not v.is_proved]
    print(f"{len(tried) - len(open_rows)} of {row_count} proved; not: {', '.join(open_rows) or 'none'}")
    return 0 if not open_rows and len(tried) == row_count else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Deliberate defects that the chaos checker must name.")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--control", action="store_true", help="break nothing: the same runs must not be red")
    parser.add_argument("--minutes", type=float, default=0.5, help="of faults in each run, where the table says none")
    parser.add_argument("--minutes-max", type=float, default=60.0, help="for every run, whatever the table says")
    parser.add_argument("--seeds", default="1,2,3", help="one run each")
    parser.add_argument("--every-seed", action="store_true", help="go on although the verdict is decided")
    parser.add_argument("--missing", action="store_true", help="only what the report does not hold yet")
    parser.add_argument("--at-once", type=int, default=1, help="sabotages side by side; each takes about one core")
    parser.add_argument("--keep", type=Path, help="keep the evidence of every run below this directory")
    parser.add_argument("--budget-minutes", type=float, default=60.0)
    parser.add_argument("--report", type=Path, default=CHECKOUT / "build" / "reports" / "sabotage.json")
    return parser.parse_args()


def _fresh(sabotage: Sabotage) -> Verdict:
    return Verdict(name=sabotage.name, breaks=sabotage.breaks, digest=sabotage.digest, runs=())


def _known(report: Path, sabotage: Sabotage) -> Verdict:
    found = load(report).get(sabotage.name)
    return found if found and found.digest == sabotage.digest else _fresh(sabotage)


def _run(sabotage: Sabotage, seed: int, options: argparse.Namespace) -> Outcome:
    """Let chaos loose on a sabotaged copy, and have what it left judged by the checker of this checkout."""
    began = time.monotonic()
    minutes = min(sabotage.minutes or options.minutes, options.minutes_max)
    command = f"lab chaos --seed {seed} --minutes {minutes:g} --faults {sabotage.faults}"
    found: list[tuple[str, str]] = []
    problem = ""
    try:
        found = _let_loose(sabotage, command, options.keep)
    except _NOTHING_TO_JUDGE as error:
        problem = f"no run to judge: {error}"[:300]
    named = next((f"{rule}: {words}" for rule, words in found if rule in sabotage.expects), "")
    other = f"{found[0][0]}: {found[0][1]}" if found else ""
    return Outcome(
        seed=seed, is_red=bool(named), anomalies=dict(Counter(rule for rule, _ in found)), first=named or other,
        problem=problem, seconds=round(time.monotonic() - began, 1), command=f"mailshadow {command}",
    )  # fmt: skip


def _let_loose(sabotage: Sabotage, command: str, keep: Path | None) -> list[tuple[str, str]]:
    root = Path(tempfile.mkdtemp(prefix="sabotage-"))
    try:
        sabotage.copy_into(CHECKOUT, root)
        evidence = root / "evidence"
        words = root / "words"
        with words.open("w") as said:
            subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "-m", "deploy", *command.split(), "--keep", str(evidence)],
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=RUN_SECONDS_MAX,
                check=False,
            )
        if not (evidence / "run.json").exists():
            raise ValueError(words.read_text(encoding="utf-8", errors="replace").strip()[-250:])
        return [(a.rule, a.detail) for a in check(load_evidence(evidence))]
    finally:
        if keep and (root / "evidence").exists():
            shutil.copytree(root / "evidence", keep / root.name, ignore_dangling_symlinks=True)
        shutil.rmtree(root, ignore_errors=True)


def _say(name: str, run: Outcome) -> None:
    colour = "red" if run.is_red else "not red"
    print(f"{name} seed {run.seed}: {colour} ({run.seconds:.0f} s) {run.first} {run.problem}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
