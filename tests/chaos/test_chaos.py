"""The short form of `make chaos`: everything at random for half a minute, then the independent checker's verdict.

`MAILSHADOW_SEED` draws another run; `make chaos SEED=… MINUTES=…` is the long form.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

SEED = os.environ.get("MAILSHADOW_SEED", "1")
MINUTES = "0.5"
SECONDS_MAX = 400


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_under_random_faults_nothing_is_lost_or_doubled_or_turned_back(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = tmp_path / "chaos.json"
    run = tmp_path / "run"
    command = [sys.executable, "-m", "deploy", "lab", "chaos", "--seed", SEED, "--minutes", MINUTES]
    command += ["--keep", str(run), "--report", str(report)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-3_000:]
    values = json.loads(report.read_text(encoding="utf-8"))
    assert values["anomalies"] == {}
    assert values["recovery_seconds"] is not None
    for name in ("faults", "source_writes", "changes", "recovery_seconds"):
        record_property(name, values[name])

    journal = lines(run / "faults.jsonl")
    phases = Counter(entry["phase"] for entry in journal if entry["fault"])
    assert phases["begin"] == phases["heal"] >= 5
    acts = Counter(entry["phase"] for entry in lines(run / "truth.jsonl"))
    assert acts["acknowledged"] >= 100
    assert acts["intended"] == acts["acknowledged"] + acts["unknown"] + acts["refused"]
