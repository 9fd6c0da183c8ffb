"""What a failover would lose, and what one lost: from what stands in the log, pure."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion import report
from deploy.promotion.loss import LossNow, Unapplied, UnappliedLog, loss_now, loss_of, statement
from deploy.promotion.picture import Picture
from deploy.promotion.tail import Left
from schemas.change import Version
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    Promoted,
    Promotion,
    TargetFolder,
    TargetMailbox,
)

M = "0" * 20


def entry(item: str, *, pending: bool = False, owed: bool = False) -> IndexEntry:
    return IndexEntry(
        item=item, item_id=f"id-{item}", folder_id="f", change_key="", search_key="", fingerprint="", digest="",
        marks=None, pending=pending,
        owed=Owed(since=1, attempts=1, retry_at=2, reason="ErrorServerBusy") if owed else None,
    )  # fmt: skip


def record(item: str, state: ItemState) -> ItemRecord:
    return ItemRecord(
        item=item, state=state, generation=1, sequence=1, source_change_key="", folder_id="f", marks=None, target_id="",
        target_change_key="", nonce="", reason="ErrorCorruptData" if state is ItemState.PARKED else "",
    )  # fmt: skip


def promotion(**values: Any) -> Promotion:
    one = Promoted(mailbox=M, state="OPEN")
    base = Promotion(
        promotion="p1", target="standby", planned=True, reason="", stage="DONE", failure="", operator="anna",
        since=1, began_at=1, beat=1, mailboxes=(one,),
    )  # fmt: skip
    return replace(base, **values)


@pytest.fixture
def picture() -> Picture:
    """One mailbox that is open and of which nothing is missing."""
    found = Picture()
    barrier = Version(generation=1, sequence=4)
    found.take_source(M, MailboxRecord(mailbox=M, generation=1, next_sequence=5, certain_up_to=60_000, barrier=barrier))
    opened = TargetMailbox(mailbox=M, generation=1, applied_sequence=4, role="OPEN", promotion="p1", opening="standby")
    found.take_target(M, replace(opened, barrier=barrier, confirmed=1))
    inbox = TargetFolder(
        folder_id="inbox", target_id="t", parent_id="", name="", folder_class="", distinguished="inbox", created=False,
        generation=1, sequence=1,
    )  # fmt: skip
    found.take_target(f"{M}/folder/inbox", inbox)
    return found


def row(found: Picture, tails: dict[str, list[Left]] | None = None, **values: Any) -> dict[str, Any]:
    told = statement(promotion(**values), found, {}, {M: []} if tails is None else tails)
    (only,) = told["mailboxes"]
    assert told["nothing_lost"] == only["nothing_lost"]
    return dict(only)


def test_nothing_lost_is_said_only_after_an_empty_tail(picture: Picture) -> None:
    assert row(picture)["nothing_lost"]
    assert report.sentence_of(row(picture)) == "nothing lost"
    unread = row(picture, tails={})
    assert not unread["nothing_lost"]
    assert report.sentence_of(unread) == (
        "nothing lost up to 1970-01-01T00:01:00Z, 0 items known to be missing; the source was not read since"
    )


def test_a_tail_is_told_item_by_item_and_names_nobody_unless_asked(picture: Picture) -> None:
    left = Left(
        kind="ItemSaved", item="a", item_id="id-a", folder_id="f", subject="secret", sender="ben@x.test",
        item_class="IPM.Note",
    )  # fmt: skip
    found = row(picture, tails={M: [left]})
    assert not found["nothing_lost"]
    named = {"kind": "ItemSaved", "item": "a", "item_id": "id-a", "folder_id": "f", "item_class": "IPM.Note"}
    assert found["tail"] == [named]
    told = statement(promotion(), picture, {}, {M: [left]}, with_subjects=True)
    assert "secret" in report.text_of(told)
    assert "secret" not in report.text_of(statement(promotion(), picture, {}, {M: [left]}))


@pytest.mark.parametrize("name", ["owed", "pending", "parked", "wanted", "unsettled", "captured_not_applied"])
def test_whatever_is_known_to_be_missing_is_listed_and_forbids_the_word(picture: Picture, name: str) -> None:
    unapplied: dict[str, UnappliedLog] = {}
    match name:
        case "owed":
            picture.take_source(f"{M}/item/x", entry("x", owed=True))
        case "pending":
            picture.take_source(f"{M}/item/x", entry("x", pending=True))
        case "parked":
            picture.take_target(f"{M}/item/x", record("x", ItemState.PARKED))
        case "wanted":
            picture.take_target(f"{M}/item/x", record("x", ItemState.WANTED))
        case "unsettled":
            picture.take_target(M, replace(picture.of(M).target, unsettled=("x",)))
        case _:
            change = Unapplied(generation=1, sequence=5, captured_at=7, kind="ItemSaved", item="x")
            unapplied = {M: UnappliedLog(changes=(change,))}
    told = statement(promotion(), picture, unapplied, {M: []})
    (found,) = told["mailboxes"]
    assert not found["nothing_lost"]
    assert len(found[name]) == 1
    assert sum(len(found[n]) for n in ("owed", "pending", "parked", "wanted", "unsettled", "captured_not_applied")) == 1
    assert "1 items known to be missing" in report.sentence_of(found)
    assert "x" in report.text_of(told)


@pytest.mark.parametrize("barrier", [None, Version(generation=1, sequence=3)])
def test_a_target_that_did_not_come_to_the_barrier_is_never_said_to_be_whole(
    picture: Picture, barrier: Version | None
) -> None:
    picture.take_target(M, replace(picture.of(M).target, barrier=barrier))
    assert not row(picture)["nothing_lost"]


@pytest.mark.parametrize("confirmed", [-1, 0])
def test_nothing_lost_is_never_said_beside_folders_nobody_looked_at_since(picture: Picture, confirmed: int) -> None:
    picture.take_target(M, replace(picture.of(M).target, confirmed=confirmed))
    assert not row(picture)["nothing_lost"]
    assert "NOTHING LOST" not in report.text_of(statement(promotion(), picture, {}, {M: []}))


def test_a_target_that_is_known_to_differ_is_never_said_to_be_whole(picture: Picture) -> None:
    folder = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="f", folder_class="IPF.Note", distinguished="", created=True,
        generation=1, sequence=1, divergence={"missing": 1},
    )  # fmt: skip
    picture.take_target(f"{M}/folder/f", folder)
    assert not row(picture)["nothing_lost"]


@pytest.mark.parametrize("state", ["MIRRORING", "FENCED", "DRAINED", "VERIFIED"])
def test_a_mailbox_that_is_not_open_is_never_said_to_be_whole(picture: Picture, state: str) -> None:
    assert not row(picture, mailboxes=(Promoted(mailbox=M, state=state),))["nothing_lost"]


def test_a_promotion_that_left_everything_out_lost_nothing_that_could_be_said(picture: Picture) -> None:
    assert not row(picture, mailboxes=(Promoted(mailbox=M, state="MIRRORING", left_out=True),))["nothing_lost"]


def test_what_was_missing_and_came_is_missing_no_more(picture: Picture) -> None:
    picture.take_source(f"{M}/item/x", entry("x", owed=True))
    picture.take_source(f"{M}/item/x", entry("x"))
    picture.take_target(f"{M}/item/x", record("x", ItemState.PARKED))
    picture.take_target(f"{M}/item/x", None)
    assert row(picture)["nothing_lost"]


def test_the_loss_now_is_the_time_since_everything_was_captured_and_what_is_missing_by_name(picture: Picture) -> None:
    assert loss_of(picture.of(M), 90_000) == LossNow(seconds=30.0, items=0)
    picture.take_source(f"{M}/item/x", entry("x", owed=True))
    picture.take_target(f"{M}/item/y", record("y", ItemState.PARKED))
    assert loss_of(picture.of(M), 90_000) == LossNow(seconds=30.0, items=2)


def test_changes_on_their_way_are_no_loss_and_stuck_ones_are(picture: Picture) -> None:
    picture.take_source(M, replace(picture.of(M).source, next_sequence=15))
    assert loss_of(picture.of(M), 60_000) == LossNow(seconds=0.0, items=0)
    picture.take_target(M, replace(picture.of(M).target, behind="ErrorQuotaExceeded"))
    assert loss_of(picture.of(M), 60_000) == LossNow(seconds=0.0, items=0, changes=10)


def test_an_item_is_counted_once_whoever_says_that_it_is_missing(picture: Picture) -> None:
    picture.take_source(f"{M}/item/x", entry("x", owed=True, pending=True))
    picture.take_target(f"{M}/item/x", record("x", ItemState.PARKED))
    picture.take_target(M, replace(picture.of(M).target, unsettled=("x",)))
    change = Unapplied(generation=1, sequence=5, captured_at=7, kind="ItemSaved", item="x")
    tails = {M: [Left(kind="unclear", item="x"), Left(kind="ItemSaved", item="x"), Left(kind="ItemSaved", item="y")]}
    assert loss_of(picture.of(M), 60_000).items == 1
    told = statement(promotion(), picture, {M: UnappliedLog(changes=(change, change))}, tails)
    assert told["missing_items"] == told["mailboxes"][0]["missing_items"] == 2


def test_a_change_that_the_log_lost_leaves_no_time_up_to_which_nothing_is_lost(picture: Picture) -> None:
    told = statement(promotion(), picture, {M: UnappliedLog(lost=6)}, {M: []})
    (found,) = told["mailboxes"]
    assert not told["nothing_lost"]
    assert told["lost_from_log"] == 6
    assert report.sentence_of(found) == (
        "6 captured changes are lost from the log, no time up to which nothing is lost, 0 items known to be missing"
    )
    assert "nothing lost up to" not in report.text_of(told)


def test_what_was_never_read_is_lost_whole() -> None:
    assert loss_now(certain_up_to=0, missing_items=0, stuck_changes=0, now=5).seconds == -1.0


def test_folders_that_equal_the_checksum_are_counted(picture: Picture) -> None:
    folder = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=False,
        generation=1, sequence=1, divergence={"missing": 2},
    )  # fmt: skip
    picture.take_target(f"{M}/folder/f", folder)
    assert (picture.of(M).divergent, picture.of(M).folders_proved) == (2, 0)
    picture.take_target(f"{M}/folder/f", None)
    assert set(picture.of(M).folders) == {"inbox"}
    picture.take_target("owner", None)
    assert set(picture.mailboxes) == {M}
