"""The report of a wave: losses by kind, grades, files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumers.verifier import Divergence, Kind
from deploy.migration import report
from deploy.migration.outlook import WaveView
from deploy.migration.report import Grade
from deploy.migration.stages import Stage, Standing
from deploy.promotion.picture import Picture
from deploy.promotion.report import LossReportError
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.result import MailboxResult
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    Registration,
    TargetFolder,
    TargetMailbox,
    Wave,
)

M = "0" * 20
MEMBER = Registration(mailbox=M, source="anna@old.test", targets={"standby": "anna@new.test"}, wave="w")


def entry(item: str, **values: Any) -> IndexEntry:
    base = IndexEntry(
        item=item, item_id=item, folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None
    )
    return replace(base, **values)


def record(item: str, **values: Any) -> ItemRecord:
    base = ItemRecord(
        item=item, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="", folder_id="f", marks=None,
        target_id=item, target_change_key="", nonce="n",
    )  # fmt: skip
    return replace(base, **values)


def folder(**values: Any) -> TargetFolder:
    base = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=False,
        generation=1, sequence=1, compared_at=1,
    )  # fmt: skip
    return replace(base, **values)


@pytest.fixture
def known() -> MailboxKnowledge:
    """A mailbox of two items that is level."""
    found = MailboxKnowledge(
        MailboxRecord(mailbox=M, generation=1, next_sequence=5),
        TargetMailbox(mailbox=M, generation=1, applied_sequence=4),
    )
    for part in (entry("a"), entry("b"), record("a"), record("b"), folder()):
        found.put(part)
    return found


def view(stage: Stage = Stage.STRAY_WATCH, *, promoted: bool = True, why: str = "", accepted: bool = False) -> WaveView:
    standing = Standing(mailbox=M, is_copied=True, why_not=(why,) if why else (), is_promoted=promoted)
    wave = Wave(wave="w", target="standby", accepted=(M,) if accepted else ())
    return WaveView(wave=wave, members=(MEMBER,), standings=(standing,), stage=stage, picture=Picture())


def test_a_mailbox_without_any_loss_is_identical(known: MailboxKnowledge) -> None:
    found = report.row(view(), 0, known, None, is_portable=False)
    assert (found["grade"], found["losses"]) == ("identical", {})
    assert (found["items_source"], found["items_target"], found["folders_verified"]) == (2, 2, 1)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (entry("c", owed=Owed(since=1, attempts=9, retry_at=1, reason="x")), "not handed out by the source"),
        (entry("c", pending=True), "deleted at the source or moved, unclear"),
        (record("c", state=ItemState.PARKED, reason="ErrorCorruptData"), "parked: ErrorCorruptData"),
        (record("c", state=ItemState.PARKED, reason="big", dropped_at=4), "given up: big"),
        (record("c", state=ItemState.LEFT_OUT), "left out by the target's scope"),
        (record("c", state=ItemState.WANTED), "awaited from the source"),
        (folder(divergence={"missing": 1}), "differs: missing"),
        (folder(folder_id="g", compared_at=0), "folders not found equal by a checksum"),
        (folder(folder_id="g", left_out=True), "folders left out by the target's scope"),
        (TargetMailbox(mailbox=M, generation=1, applied_sequence=4, unsettled=("c",)), "unsettled at the target"),
        (TargetMailbox(mailbox=M, generation=1, applied_sequence=3), "captured and not applied"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_as_at_the_source_is_a_loss_of_its_kind(known: MailboxKnowledge, part: object, kind: str) -> None:
    known.put(part)
    found = report.row(view(), 0, known, None, is_portable=False)
    assert (found["losses"], found["grade"]) == ({kind: 1}, "identical but listed losses")


def test_what_mime_does_not_hold_and_an_archive_that_stays_are_losses(known: MailboxKnowledge) -> None:
    found = report.losses(replace(MEMBER, archive="leave"), known, is_portable=True)
    assert found == {report.ARCHIVE: 1, report.PORTABLE: 2}


def test_what_a_comparison_of_both_servers_finds_is_a_loss(known: MailboxKnowledge) -> None:
    differing = (Divergence(kind=Kind.MISSING, item="a", folder_id="f"),)
    compared = MailboxResult(mailbox=M, target="standby", divergences=differing, behind={"parked": 2}, failure="E")
    found = report.row(view(), 0, known, compared, is_portable=False)
    assert found["losses"] == {"compared: missing": 1, "compared: parked": 2, "compared: failed with E": 1}


def test_a_folder_without_a_checksum_is_no_loss_where_all_its_items_were_compared(known: MailboxKnowledge) -> None:
    known.put(folder(folder_id="g", compared_at=0))
    compared = MailboxResult(mailbox=M, target="standby")
    assert report.row(view(), 0, known, compared, is_portable=False)["losses"] == {}
    differing = (Divergence(kind=Kind.MISSING, item="a", folder_id="f"),)
    found = report.row(view(), 0, known, replace(compared, divergences=differing), is_portable=False)
    assert set(found["losses"]) == {report.UNPROVED, "compared: missing"}


@pytest.mark.parametrize(
    ("seen", "grade"),
    [
        (view(), Grade.IDENTICAL),
        (view(promoted=False), Grade.REFUSED),  # its wave went without it
        (view(Stage.CLOSED, promoted=False), Grade.REFUSED),
        (view(Stage.READY, promoted=False), Grade.IDENTICAL),
        (view(Stage.DELTA, promoted=False, why="late"), Grade.REFUSED),
        (view(Stage.APPROVED, promoted=False, why="late", accepted=True), Grade.IDENTICAL),
        (view(Stage.ROLLED_BACK, promoted=False), Grade.IDENTICAL),
    ],
)
def test_who_did_not_go_or_could_not_go_is_refused(known: MailboxKnowledge, seen: WaveView, grade: Grade) -> None:
    assert report.row(seen, 0, known, None, is_portable=False)["grade"] == grade


def test_the_pages_say_grades_losses_and_no_address(known: MailboxKnowledge, tmp_path: Path) -> None:
    known.put(record("b", state=ItemState.PARKED, reason="big"))
    rows = [report.row(view(), 0, known, None, is_portable=False)]
    found = report.whole(view(), rows, "2026-11-27T20:00:00Z")
    page = report.write(tmp_path / "new", found).read_text()
    assert "0 identical, 1 identical but listed losses, 0 refused" in page
    assert "    1  parked: big" in page
    assert "anna" not in page
    assert json.loads((tmp_path / "new" / "wave.json").read_text()) == found


def test_a_directory_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LossReportError, match="name another"):
        report.write(tmp_path / "file" / "below", report.whole(view(), [], ""))
