"""What a rehearsal says of itself: good only if every mailbox was led and is equal, and what would have been lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.promotion.picture import Seen
from deploy.promotion.report import LossReportError
from deploy.rehearsal.excerpt import Excerpt, Taken
from deploy.rehearsal.left_over import Cleared
from deploy.rehearsal.rehearsal import Outcome, is_level
from deploy.rehearsal.report import text_of, values_of, write
from deploy.rehearsal.scratch import Thrown
from deploy.verification.result import MailboxResult
from schemas.change import Change, SeedBegin, Version
from schemas.ports import Incoming
from schemas.state import MailboxRecord, TargetMailbox

MAILBOX, OTHER = "a" * 20, "b" * 20


def taken(mailbox: str) -> Taken:
    found = Taken(MailboxRecord(mailbox=mailbox, generation=1, certain_up_to=5_000))
    change = Change(
        mailbox=mailbox, generation=1, sequence=1, captured_at=0, source_version="",
        operation=SeedBegin(previous=None, reason=""),
    )  # fmt: skip
    found.take(change, Incoming(0, 0, mailbox, b"x"))
    return found


def outcome(**values: object) -> Outcome:
    row = {
        "mailbox": MAILBOX, "state": "CONFIRMED", "left_out": False, "nothing_lost": False, "tail_read": False,
        "certain_up_to_ms": 5_000, "captured_not_applied": [], "owed": [1], "wanted": [], "pending": [], "parked": [],
        "unsettled": [], "tail": [], "missing_items": 1, "lost_from_log": 0,
    }  # fmt: skip
    found = Outcome(
        excerpt=Excerpt({MAILBOX: taken(MAILBOX)}, records=9, size_bytes=90),
        copied_at=7_500,
        seconds={"copy": 1.0, "fill": 2.0, "failover": 3.0, "compare": 0.5},
        stages={"FENCE": 1.25},
        first_client_seconds=2.5,
        served={MAILBOX: 4},
        statement={"stage": "DONE", "mailboxes": [row]},
        doubts={MAILBOX: ["2 parked items"]},
        compared={MAILBOX: MailboxResult(mailbox=MAILBOX, target="t", folders=2, folders_equal=2)},
        placed={MAILBOX: 5},
    )
    return replace(found, **values)  # type: ignore[arg-type] # names are the class's own


CLEARED = Cleared(rehearsal="lab-rehearsal-0", thrown=Thrown(items=5, folders=1), topics=8, groups=2)


def test_a_page_says_how_long_it_took_what_would_be_lost_and_what_needs_a_word() -> None:
    values = values_of("lab-rehearsal-0", 1, outcome(), CLEARED)
    assert (values["good"], values["items"], values["items_per_second"]) == (True, 5, 2.5)
    assert values["mailboxes"][0]["loss_seconds"] == 2.5
    assert values["thrown_away"]["clean"]
    page = text_of(values)
    assert page.startswith("Rehearsal lab-rehearsal-0: GOOD\n")
    for words in (
        "first client that was served: 2.500 s",
        "fence            1.250 s",
        "9 records, 90 bytes in 1.000 s",
        "would have asked for your word: 2 parked items",
        "in the last 2.5 s was not read",
        "1 items known to be missing",
        "2 of 2 folders, equal to the log",
        "thrown away: 5 items, 1 folders, 8 topics, 2 groups\n",
    ):
        assert words in page


@pytest.mark.parametrize(
    "values",
    [
        {"failure": "stopped"},
        {"statement": {"stage": "UNDONE", "mailboxes": []}},
        {"statement": {}},
        {"compared": {MAILBOX: MailboxResult(mailbox=MAILBOX, target="t", behind={"parked": 1})}},
        {"compared": {MAILBOX: MailboxResult(mailbox=MAILBOX, target="t", failure="x")}},
        {"excerpt": Excerpt({MAILBOX: taken(MAILBOX), OTHER: Taken(MailboxRecord(mailbox=OTHER))})},
    ],
    ids=["stopped", "undone", "never-begun", "parked", "unread", "left-out"],
)
def test_it_is_not_good_unless_every_mailbox_was_led_and_is_equal(values: dict[str, object]) -> None:
    found = values_of("lab-rehearsal-0", 1, outcome(**values), None)
    assert not found["good"]
    page = text_of(found)
    assert page.startswith("Rehearsal lab-rehearsal-0: NOT GOOD\n")
    assert page.endswith("kept: `mailshadow rehearse --clean-up` takes it away\n")


def test_a_mailbox_that_was_left_out_is_told_with_its_reason() -> None:
    excerpt = Excerpt({MAILBOX: taken(MAILBOX), OTHER: Taken(MailboxRecord(mailbox=OTHER))})
    page = text_of(values_of("lab-rehearsal-0", 1, outcome(excerpt=excerpt), CLEARED))
    assert f"{OTHER}  not rehearsed: never captured: wait for its first copy" in page


def test_what_others_left_in_our_folders_is_not_clean_and_is_told() -> None:
    left = replace(CLEARED, thrown=Thrown(items=5, folders_left=2, foreign_items=3))
    values = values_of("lab-rehearsal-0", 1, outcome(), left)
    assert not values["thrown_away"]["clean"]
    assert "2 folders stay: others put something there" in text_of(values)


def test_files_are_for_programs_and_people_and_a_wrong_place_is_named(tmp_path: Path) -> None:
    values = values_of("lab-rehearsal-0", 1, outcome(), CLEARED)
    page = write(tmp_path / "new", values)
    assert page.read_text() == text_of(values)
    assert json.loads(page.with_suffix(".json").read_text()) == values
    (tmp_path / "file").touch()
    with pytest.raises(LossReportError, match="--report"):
        write(tmp_path / "file", values)


@pytest.mark.parametrize(("generation", "applied", "is_so"), [(1, 4, True), (1, 5, True), (1, 3, False), (0, 4, False)])
def test_a_mailbox_is_level_once_all_that_was_copied_is_applied_and_its_feed_record_is_seen(
    generation: int,
    applied: int,
    is_so: bool,  # noqa: FBT001 - pytest's
) -> None:
    source = MailboxRecord(mailbox=MAILBOX, generation=generation)
    target = TargetMailbox(mailbox=MAILBOX, generation=1, applied_sequence=applied)
    assert is_level(Seen(source, target), Version(generation=1, sequence=4)) is is_so
