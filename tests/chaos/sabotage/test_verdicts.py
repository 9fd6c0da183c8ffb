"""A sabotage is proved by most of its runs, and a table is made in several sittings."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("sabotage_verdicts", HERE / "verdicts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


VERDICTS = _load()


def _verdict(colours: str) -> Any:
    """Runs by their colour: R for red, g for green."""
    runs = [
        VERDICTS.Outcome(seed=n, is_red=colour == "R", anomalies={}, first="", problem="", seconds=1.0, command="")
        for n, colour in enumerate(colours, 1)
    ]
    return VERDICTS.Verdict(name="x", breaks="", digest="d", runs=tuple(runs))


@pytest.mark.parametrize(
    ("colours", "is_proved"), [("R", False), ("RR", True), ("RgR", True), ("Rgg", False), ("", False)]
)
def test_proved_is_what_most_of_three_runs_show(colours: str, *, is_proved: bool) -> None:
    assert _verdict(colours).is_proved is is_proved


@pytest.mark.parametrize(
    ("colours", "is_decided"), [("", False), ("R", False), ("RR", True), ("gg", True), ("Rg", False)]
)
def test_a_run_that_can_change_nothing_is_not_made(colours: str, *, is_decided: bool) -> None:
    assert _verdict(colours).decided(3) is is_decided


def test_a_run_takes_the_place_of_an_earlier_one_of_its_seed() -> None:
    again = _verdict("R").runs[0]
    assert [run.is_red for run in _verdict("gR").with_run(again).runs] == [True, True]


def test_a_report_holds_the_newest_verdict_of_each_row(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for verdict in (_verdict("g"), _verdict("gR")):
        VERDICTS.put(report, verdict, ["x"])
    assert VERDICTS.load(report) == {"x": _verdict("gR")}
