"""What is taken of the real log: from where a new target would begin, whole or not at all, owed as of then."""

from collections.abc import Iterator

import pytest

from deploy.rehearsal.excerpt import Taken, _taken
from schemas.change import (
    Barrier,
    Change,
    Chunk,
    Content,
    FolderSaved,
    Form,
    ItemDeleted,
    ItemMarked,
    ItemRef,
    ItemSaved,
    Marks,
    Operation,
    SeedBegin,
    SeedEnd,
    Summary,
)
from schemas.codec import encode
from schemas.ports import Incoming
from schemas.state import IndexEntry, MailboxRecord, Owed, SourceFolder, SourceRole

MAILBOX = "a" * 20
FOLDER = FolderSaved(folder_id="f", parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox")
BEGIN = SeedBegin(previous=None, reason="first copy")


def ref(item: str) -> ItemRef:
    return ItemRef(item=item, item_id=item, folder_id="f", change_key="", search_key="", fingerprint="")


def saved(item: str) -> ItemSaved:
    summary = Summary(
        item_class="IPM.Note", subject="", sender="", message_id="", sent_at="", received_at="", size_bytes=1,
        has_attachments=False, is_draft=False,
    )  # fmt: skip
    content = Content(form=Form.STREAM, size_bytes=1, sha256="", chunk_count=0, body=b"x")
    return ItemSaved(ref=ref(item), summary=summary, marks=Marks(is_read=False), contents=(content,))


def change(sequence: int, operation: Operation, generation: int = 1) -> Change:
    return Change(
        mailbox=MAILBOX, generation=generation, sequence=sequence, captured_at=0, source_version="",
        operation=operation,
    )  # fmt: skip


def fed(record: MailboxRecord, changes: list[Change | Chunk]) -> tuple[Taken, list[Incoming]]:
    """Return what came of a mailbox's log, and which records of it are copied."""
    taken = Taken(record)

    def records() -> Iterator[Incoming]:
        for offset, one in enumerate(changes):
            yield Incoming(offset, 0, f"{MAILBOX}/x", encode(one))

    return taken, list(_taken(records(), {MAILBOX: taken}))


def record(next_sequence: int = 5, generation: int = 1, **values: object) -> MailboxRecord:
    return MailboxRecord(mailbox=MAILBOX, generation=generation, next_sequence=next_sequence, **values)  # type: ignore[arg-type]


WHOLE: list[Change | Chunk] = [
    change(1, BEGIN),
    change(2, FOLDER),
    change(3, saved("i")),
    change(4, SeedEnd(begun=1, items=1)),
]


def test_a_log_from_its_first_change_is_taken_whole_and_the_record_goes_on_after_it() -> None:
    taken, copied = fed(record(next_sequence=3, certain_up_to=7), [*WHOLE, change(5, saved("j"))])
    assert (taken.refusal, len(copied)) == ("", 5)
    assert set(taken.folded.items) == set(taken.summaries) == {"i", "j"}
    found = taken.source_record()
    assert (found.generation, found.next_sequence, found.certain_up_to) == (1, 6, 7)
    assert taken.size_bytes == sum(len(r.value or b"") for r in copied)


def test_a_log_whose_beginning_is_gone_is_taken_from_its_first_seed() -> None:
    piece = Chunk(mailbox=MAILBOX, item="old", sha256="", index=0, count=1, body=b"x")
    later = [change(8, BEGIN), change(9, FOLDER), change(10, saved("i")), change(11, SeedEnd(begun=8, items=1))]
    taken, copied = fed(record(next_sequence=12), [piece, change(6, saved("old")), change(7, saved("o")), *later])
    assert (taken.refusal, len(copied)) == ("", 4)
    assert set(taken.folded.items) == {"i"}


@pytest.mark.parametrize(
    ("known", "changes", "words"),
    [
        (MailboxRecord(mailbox=MAILBOX), [], "never captured"),
        (record(), [], "does not say all of it"),
        (record(), [change(3, saved("i"))], "does not say all of it"),
        (record(), [change(3, BEGIN), change(4, FOLDER)], "does not say all of it"),
        (record(), [*WHOLE, change(7, saved("j"))], "does not say all of it"),
        (record(generation=2), WHOLE, "does not say all of it"),
        (record(role=SourceRole.FENCED), WHOLE, "not mirrored any more (fenced)"),
        (
            record(),
            [*WHOLE, change(5, Barrier(
                promotion="p", role="", target="t", reason="", at=0, planned=False, complete=False, certain_up_to=0,
                owed=0, pending=0,
            ))],
            "not mirrored any more",
        ),
    ],
    ids=["never", "empty", "no-seed", "seed-not-ended", "gap", "older-generation", "fenced", "barrier"],
)  # fmt: skip
def test_a_mailbox_whose_log_does_not_say_all_of_it_is_refused_with_the_reason(
    known: MailboxRecord, changes: list[Change | Chunk], words: str
) -> None:
    taken, _ = fed(known, changes)
    assert words in taken.refusal


def entry(item: str, *, pending: bool = False) -> IndexEntry:
    owed = None if pending else Owed(since=1, attempts=1, retry_at=1, reason="throttled")
    return IndexEntry(
        item=item, item_id=item, folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None,
        pending=pending, owed=owed,
    )  # fmt: skip


def test_what_the_log_says_after_the_record_was_read_is_owed_and_pending_no_more() -> None:
    taken = Taken(record(next_sequence=5))
    folder = SourceFolder(folder_id="f", parent_id="", name="", folder_class="", distinguished="")
    taken.state = {"f": folder, "i": entry("i"), "j": entry("j"), "k": entry("k", pending=True)}
    later = [change(5, saved("j")), change(6, ItemDeleted(ref=ref("k")))]
    for offset, one in enumerate([*WHOLE, *later]):
        assert isinstance(one, Change)
        taken.take(one, Incoming(offset, 0, MAILBOX, b"x"))
    assert [key for key, _ in taken.source_state()] == [f"{MAILBOX}/folder/f", f"{MAILBOX}/item/i"]


def test_marks_and_deletions_are_folded_into_what_scratch_has_to_hold() -> None:
    marks = Marks(is_read=True)
    taken, _ = fed(
        record(), [*WHOLE, change(5, ItemMarked(ref=ref("i"), marks=marks)), change(6, saved("j")),
                   change(7, ItemDeleted(ref=ref("j")))],
    )  # fmt: skip
    assert taken.folded.items["i"].marks == marks
    assert set(taken.summaries) == set(taken.folded.items) == {"i"}
