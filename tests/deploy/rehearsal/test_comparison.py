"""A scratch mailbox against the log: what is missing, too much, misplaced, different, foreign, or no folder at all."""

from dataclasses import replace

import pytest

from consumers.folding import FoldedItem
from deploy.rehearsal.comparison import _judged, expected_row
from deploy.rehearsal.excerpt import Taken
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.listed_folder import Side
from deploy.verification.result import MailboxResult
from schemas.change import FolderSaved, Marks, Summary, Version
from schemas.listing import ListedItem
from schemas.state import ItemRecord, ItemState, MailboxRecord, TargetMailbox

MAILBOX, STAMP = "a" * 20, "01234567"
READ = Marks(is_read=True)
SUMMARY = Summary(
    item_class="IPM.Note", subject="s", sender="", message_id="<1@x>", sent_at="2026-11-22T10:00:00Z",
    received_at="2026-11-22T10:00:00+00:00", size_bytes=1, has_attachments=False, is_draft=False,
)  # fmt: skip


def folded(item: str, folder: str = "inbox", marks: Marks = READ) -> FoldedItem:
    version = Version(generation=1, sequence=1)
    return FoldedItem(item=item, folder_id=folder, marks=marks, content_offset=1, begins_at=1, version=version)


def taken_of(*items: FoldedItem) -> Taken:
    taken = Taken(MailboxRecord(mailbox=MAILBOX))
    for name in ("inbox", "work"):
        saved = FolderSaved(folder_id=name, parent_id="", name=name, folder_class="", distinguished="")
        taken.folded.folders[name] = saved
    taken.folded.items = {i.item: i for i in items}
    taken.summaries = {i.item: SUMMARY for i in items}
    return taken


def listed(item: str, marks: Marks = READ, stamp: str = STAMP) -> ListedItem:
    row = expected_row(folded(item, marks=marks), SUMMARY, None, has_flags=True)
    return ListedItem(f"id-{item}-{stamp}", "", f"{stamp}:{item}:nonce" if stamp else "", 1, row)


def judged(taken: Taken, inbox: list[ListedItem], work: list[ListedItem], *records: ItemRecord) -> MailboxResult:
    known = MailboxKnowledge(MailboxRecord(mailbox=MAILBOX), TargetMailbox(mailbox=MAILBOX))
    for record in records:
        known.put(record)
    sides = {
        name: Side(items={i.item_id: i for i in found}, has_flags=True)
        for name, found in (("inbox", inbox), ("work", work))
    }
    return _judged(taken, known, sides, STAMP)


def test_what_the_log_says_and_scratch_shows_is_equal_whatever_else_lies_there() -> None:
    found = judged(taken_of(folded("i"), folded("j", "work")), [listed("i"), listed("k", stamp="")], [listed("j")])
    assert found.is_equal
    assert (found.items_source, found.items_target, found.foreign) == (2, 2, 1)
    assert (found.folders, found.folders_equal) == (2, 2)


@pytest.mark.parametrize(
    ("inbox", "work", "kind"),
    [
        ([], [], "missing"),
        ([listed("i"), listed("j")], [], "extra"),
        ([], [listed("i")], "misplaced"),
        ([listed("i", Marks(is_read=False))], [], "differing"),
        ([listed("i"), replace(listed("i"), item_id="twin")], [], "duplicate"),
    ],
)
def test_what_differs_is_named(inbox: list[ListedItem], work: list[ListedItem], kind: str) -> None:
    found = judged(taken_of(folded("i")), inbox, work)
    assert not found.is_equal
    assert found.by_kind == {kind: 1}


def test_a_folder_that_is_not_there_is_one_difference_and_not_one_an_item() -> None:
    taken = taken_of(folded("i"))
    known = MailboxKnowledge(MailboxRecord(mailbox=MAILBOX), TargetMailbox(mailbox=MAILBOX))
    found = _judged(taken, known, {"work": Side(items={}, has_flags=True)}, STAMP)
    assert found.by_kind == {"folder missing": 1}
    assert found.folders_equal == 1


def test_what_was_parked_is_told_as_behind_and_is_not_equal() -> None:
    parked = ItemRecord(
        item="i", state=ItemState.PARKED, generation=1, sequence=1, source_change_key="", folder_id="inbox",
        marks=None, target_id="", target_change_key="", nonce="", reason="x",
    )  # fmt: skip
    found = judged(taken_of(folded("i")), [], [], parked)
    assert (found.behind, found.by_kind, found.is_equal) == ({"parked": 1}, {}, False)
