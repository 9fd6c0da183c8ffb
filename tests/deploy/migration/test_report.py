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
from schemas.change import Checksum
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    Registration,
    SourceRole,
    TargetFolder,
    TargetMailbox,
    TargetRole,
    Wave,
)

M = "0" * 20
MEMBER = Registration(mailbox=M, source="anna@old.test", targets={"standby": "anna@new.test"}, wave="w")

SOURCE = MailboxRecord(mailbox=M, generation=1, next_sequence=5, certain_up_to=9)
TARGET = TargetMailbox(mailbox=M, generation=1, applied_sequence=4)


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
        generation=1, sequence=1, checksum=Checksum(folder_id="f", items=0, digest="", form=1, has_flags=True),
        compared_at=1,
    )  # fmt: skip
    return replace(base, **values)


@pytest.fixture
def known() -> MailboxKnowledge:
    """A mailbox of two items that is level."""
    found = MailboxKnowledge(
        SOURCE,
        TARGET,
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
        (replace(TARGET, unsettled=("c",)), "unsettled at the target"),
        (replace(TARGET, applied_sequence=3), "captured and not applied"),
        (entry("c"), "known at the source, not recorded at the target"),
        (replace(SOURCE, paused="by hand"), "paused at the source: by hand"),
        (replace(SOURCE, seed_begun=3), "a first copy or a resync is not complete"),
        (replace(SOURCE, closed_at=10), "the source was not read to its end"),
        (replace(SOURCE, certain_up_to=0), "the source was not read to its end"),
        (replace(TARGET, tripped="breaker", tripped_on="9 of 10"), "held at the target: 9 of 10"),
        (replace(TARGET, role=TargetRole.OPEN, paused="by anna"), "held at the target: by anna"),
        (replace(TARGET, behind="ErrorQuotaExceeded"), "behind at the target: ErrorQuotaExceeded"),
        (replace(TARGET, waiting="lost sequence"), "waits for a seed: lost sequence"),
        (folder(checksum=None), "folders changed since they were found equal by a checksum"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_as_at_the_source_is_a_loss_of_its_kind(known: MailboxKnowledge, part: object, kind: str) -> None:
    known.put(part)
    found = report.row(view(), 0, known, None, is_portable=False)
    assert (found["losses"], found["grade"]) == ({kind: 1}, "identical but listed losses")


def test_a_thousand_items_of_the_source_and_none_at_the_target_are_not_identical(known: MailboxKnowledge) -> None:
    known.ledger.clear()
    for number in range(998):
        known.put(entry(f"i{number}"))
    found = report.row(view(), 0, known, None, is_portable=False)
    assert (found["losses"], found["grade"]) == ({report.NOT_IN_LEDGER: 1000}, "identical but listed losses")


def test_a_mailbox_without_a_folder_at_the_target_is_not_identical(known: MailboxKnowledge) -> None:
    known.target_folders.clear()
    compared = MailboxResult(mailbox=M, target="standby")
    for found in (report.row(view(), 0, known, c, is_portable=False) for c in (None, compared)):
        assert (found["losses"], found["grade"]) == ({report.NO_FOLDER: 1}, "identical but listed losses")


def test_only_a_checksum_that_still_holds_counts_as_found_equal(known: MailboxKnowledge) -> None:
    known.put(folder(checksum=None))
    assert report.row(view(), 0, known, None, is_portable=False)["folders_verified"] == 0


@pytest.mark.parametrize(
    ("source", "target", "stage", "place"),
    [
        ({}, {}, Stage.READY, "at the source, mirrored"),
        ({"generation": 0}, {}, Stage.READY, "at the source, not captured yet"),
        ({"paused": "by hand"}, {}, Stage.STRAY_WATCH, "at the source, paused"),
        ({}, {"role": TargetRole.OPEN, "promotion": "p"}, Stage.STRAY_WATCH, "at the target"),
        (
            {"role": SourceRole.FENCED, "opening": "standby"},
            {"role": TargetRole.OPEN, "promotion": "else"},
            Stage.READY,
            "at the target, by promotion else of no cut-over",
        ),
        (
            {},
            {"role": TargetRole.MERGING, "promotion": "p"},
            Stage.STRAY_WATCH,
            "at the target, its strays are being merged",
        ),
        ({}, {"role": TargetRole.OPEN, "promotion": "p"}, Stage.RETURNING, "on the way back from the target"),
        (
            {"role": SourceRole.FENCED, "opening": "standby"},
            {},
            Stage.WINDOW,
            "in between: closed at the source, not open at standby",
        ),
        (
            {"role": SourceRole.FENCED, "opening": "third"},
            {},
            Stage.READY,
            "closed at the source: its barrier opens third",
        ),
    ],
)
def test_where_users_are_is_said_by_the_roles(
    known: MailboxKnowledge, source: dict[str, Any], target: dict[str, Any], stage: Stage, place: str
) -> None:
    known.put(replace(SOURCE, **source))
    known.put(replace(TARGET, **target))
    seen = view(stage, promoted=False)
    seen = replace(seen, wave=replace(seen.wave, promotions=("p",)))
    assert report.row(seen, 0, known, None, is_portable=False)["place"] == place


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
    known.put(folder(folder_id="h", checksum=None))
    compared = MailboxResult(mailbox=M, target="standby")
    assert report.row(view(), 0, known, compared, is_portable=False)["losses"] == {}
    differing = (Divergence(kind=Kind.MISSING, item="a", folder_id="f"),)
    found = report.row(view(), 0, known, replace(compared, divergences=differing), is_portable=False)
    assert set(found["losses"]) == {report.UNPROVED, report.CHANGED, "compared: missing"}


@pytest.mark.parametrize(
    ("seen", "grade"),
    [
        (view(), Grade.IDENTICAL),
        (view(promoted=False), Grade.REFUSED),  # its wave went without it
        (view(Stage.CLOSED, promoted=False), Grade.REFUSED),
        (view(Stage.READY, promoted=False), Grade.IDENTICAL),
        (view(Stage.DELTA, promoted=False, why="late"), Grade.REFUSED),
        (view(Stage.APPROVED, promoted=False, why="late", accepted=True), Grade.LISTED),
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
