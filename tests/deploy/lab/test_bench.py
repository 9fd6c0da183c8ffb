"""The figures of a benchmark, from what was read off."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.lab.bench import Measurements, bench, summarise
from deploy.lab.comparison.comparison import Comparison
from deploy.lab.report import FirstCopy, RunResult


def _counts(calls: int, bytes_in: int, bytes_out: int) -> dict[str, int]:
    return {"calls": calls, "bytes_in": bytes_in, "bytes_out": bytes_out}


def test_figures_are_differences_between_the_stages() -> None:
    result = RunResult(
        kafka_version="4.4.0",
        source_version="2013",
        target_version="2019",
        comparison=Comparison(),
        parked=0,
        first_copy=FirstCopy(items=100, bytes=1000, seconds=4.0),
        live_changes=0,
        lags_seconds=(0.1, 0.2, 0.3),
        log_bytes=500,
        mail_bytes=1000,
        server_calls={"source": 1, "target": 1},
        seed=1,
        commit="",
    )
    taken = Measurements(idle_seconds=30.0)
    taken.cpu = {"filled": {"broker": 2.0}, "copied": {"broker": 5.0, "feed": 1.5}}
    taken.calls = {
        "filled": {"source": _counts(1, 0, 0), "target": _counts(0, 0, 0)},
        "copied": {"source": _counts(11, 0, 0), "target": _counts(10, 1500, 500)},
        "quiet": {"source": _counts(20, 10, 10), "target": _counts(10, 1500, 500)},
        "idle": {"source": _counts(25, 20, 30), "target": _counts(10, 1500, 500)},
    }
    taken.operations = {
        "filled": {"MoveItem": _counts(1, 5, 5) | {"items": 1}},
        "copied": {"MoveItem": _counts(3, 25, 15) | {"items": 3}, "FindItem": _counts(0, 0, 0) | {"items": 0}},
    }
    values = summarise(result, taken)
    assert values["target_operations"] == {"MoveItem": _counts(2, 20, 10) | {"items": 2}}
    assert values["items_per_second"] == 25.0
    assert values["cpu_seconds"] == {"broker": 3.0, "feed": 1.5, "all": 4.5}
    assert values["target_wire_bytes_per_mail_byte"] == 2.0
    assert values["calls_per_item"] == 0.2
    assert values["idle_minute"]["source"] == {"calls": 10, "bytes_in": 20, "bytes_out": 40}
    assert values["idle_minute"]["target"] == {"calls": 0, "bytes_in": 0, "bytes_out": 0}


@pytest.mark.slow
def test_a_small_run_measures_everything(tmp_path: Path) -> None:
    arguments = ["--mailboxes", "1", "--seconds", "2", "--idle", "2", "--report", str(tmp_path / "bench.json")]
    done = CliRunner().invoke(bench, arguments)
    assert done.exit_code == 0, done.output
    assert "CPU seconds" in done.output
    assert (tmp_path / "bench.json").is_file()
