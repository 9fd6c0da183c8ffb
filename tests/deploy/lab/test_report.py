import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from deploy.lab import report
from deploy.lab.comparison.comparison import Comparison, Problem
from deploy.lab.report import FirstCopy, ReportPathError, RunResult


def result(comparison: Comparison | None = None, parked: int = 0) -> RunResult:
    return RunResult(
        kafka_version="4.4.0",
        source_version="2013",
        target_version="2019",
        comparison=comparison or Comparison(mailboxes=1, folders=2, items_source=3, items_target=3, identical=3),
        parked=parked,
        first_copy=FirstCopy(items=3, bytes=1000, seconds=1.5),
        live_changes=4,
        lags_seconds=(0.1, 0.2, 0.9),
        log_bytes=900,
        mail_bytes=1000,
        server_calls={"source": 5, "target": 6},
        seed=1,
        commit="",
    )


def test_the_report_has_exactly_the_keys_it_is_known_for() -> None:
    found = result().as_json()
    assert list(found) == [
        "kafka_version", "source_version", "target_version", "mailboxes", "folders", "items_source", "items_target",
        "identical", "missing", "extra", "differing", "parked", "first_copy", "live", "log_bytes", "mail_bytes",
        "server_calls", "disaster", "seed", "commit",
    ]  # fmt: skip
    assert set(found["first_copy"]) == {"items", "bytes", "seconds"}
    assert found["live"] == {"changes": 4, "lag_seconds": {"p50": 0.2, "p90": 0.9, "max": 0.9}}
    assert set(found["server_calls"]) == {"source", "target"}


def test_a_result_is_clean_only_if_nothing_differs_and_nothing_is_parked() -> None:
    assert result().is_clean
    assert not result(parked=1).is_clean
    assert not result(Comparison(items_source=3, identical=2, missing=1)).is_clean
    assert not result(Comparison(items_source=3, identical=3, extra=1)).is_clean


def test_the_report_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "demo.json"
    report.require_writable(path)
    assert not path.exists()
    report.write(path, result().as_json())
    assert json.loads(path.read_text()) == result().as_json()
    assert [p.name for p in path.parent.iterdir()] == ["demo.json"]


def test_a_report_that_cannot_be_written_is_refused_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "demo.json", tmp_path):
        with pytest.raises(ReportPathError, match="cannot be written"):
            report.require_writable(path)
    with pytest.raises(ReportPathError):
        report.write(tmp_path / "file" / "demo.json", result().as_json())


def test_the_table_says_what_is_wrong_by_number_and_field() -> None:
    out = io.StringIO()
    problem = Problem("0123abcd", 4, "differing", ("flag",))
    wrong = Comparison(items_source=3, identical=2, differing=1, problems=(problem,))
    report.show(Console(file=out, width=120), result(wrong))
    assert "mailbox 0123abcd, folder 4: differing: flag" in out.getvalue()
    assert "differs" in out.getvalue()


def test_a_clean_result_says_so() -> None:
    out = io.StringIO()
    report.show(Console(file=out, width=120), result())
    assert "Everything arrived." in out.getvalue()


def test_the_commit_is_hexadecimal_or_empty() -> None:
    assert set(report.commit()) <= set("0123456789abcdef")
