"""The report directory: continued after an interruption, begun anew for another run, a page that hides no number."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.verifier import Divergence, Kind
from deploy.verification.report import ReportDirectory, ReportError, Run
from deploy.verification.result import MailboxResult, from_json
from deploy.verification.signature import is_genuine

RUN = Run(pipeline="p", source="s", targets=("t",), is_deep=False, is_repairing=False, began_at="2026-01-31T10:00:00Z")
LATER = replace(RUN, began_at="2026-01-31T11:00:00Z")
KEY = b"k" * 32
WRONG = Divergence(kind=Kind.DIFFERING, item="a" * 32, folder_id="f", fields=("subject",))


def result(mailbox: str, *divergences: Divergence) -> MailboxResult:
    return MailboxResult(
        mailbox=mailbox, target="t", folders=2, folders_equal=2 - bool(divergences), items_source=3, items_target=3,
        behind={"parked": 1}, divergences=divergences,
    )  # fmt: skip


def test_a_result_comes_back_from_json_as_it_was() -> None:
    found = result("m", WRONG)
    assert from_json(json.loads(json.dumps(found.as_json()))) == found


def test_an_interrupted_run_is_continued_where_it_was(tmp_path: Path) -> None:
    first = ReportDirectory(tmp_path, RUN)
    first.add(result("one"))
    first.add(result("two", WRONG))
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"mailbox": "thr')
    second = ReportDirectory(tmp_path, LATER)
    assert second.done == [result("one"), result("two", WRONG)]
    assert second.run == RUN
    second.add(result("three"))
    assert [r.mailbox for r in ReportDirectory(tmp_path, LATER).done] == ["one", "two", "three"]


def test_another_run_is_not_taken_for_a_continuation(tmp_path: Path) -> None:
    ReportDirectory(tmp_path, RUN).add(result("one"))
    assert ReportDirectory(tmp_path, replace(RUN, is_deep=True)).done == []


def test_a_finished_run_leaves_a_signed_report_and_a_page_and_begins_anew(tmp_path: Path) -> None:
    directory = ReportDirectory(tmp_path, RUN)
    directory.add(result("two", WRONG))
    directory.add(result("one"))
    page = directory.finish("2026-01-31T10:05:00Z", KEY).read_text()
    report = json.loads((tmp_path / "report.json").read_text())
    assert is_genuine(report, KEY)
    assert [m["mailbox"] for m in report["mailboxes"]] == ["one", "two"]
    assert not report["equal"]
    assert "not equal" in page
    assert "a" * 32 in page
    assert "1 parked" in page
    assert ReportDirectory(tmp_path, LATER).done == []


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="--report"):
        ReportDirectory(tmp_path / "file" / "below", RUN)
