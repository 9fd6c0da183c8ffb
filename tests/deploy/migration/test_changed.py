"""What changed at a target since a cut-over, and what of it an older source takes only in part."""

from deploy.migration.changed import FLATTENED, IN_PART, index_of, losses, row
from deploy.promotion.tail import Left
from deploy.verification.knowledge import MailboxKnowledge
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    SourceFolder,
    TargetFolder,
    TargetMailbox,
)

M = "0" * 20
LETTER = Left(kind="ItemSaved", item="a", subject="secret", sender="ben@x.test", item_class="IPM.Note.SMIME")
MEETING = Left(kind="ItemSaved", item="b", item_class="IPM.Appointment")
MOVED = Left(kind="ItemMoved", item="c")


def test_an_older_source_takes_letters_and_other_items_in_part_and_moves_whole() -> None:
    assert losses([LETTER, MEETING, MOVED], is_older=True) == {FLATTENED: 1, IN_PART: 1}
    assert losses([LETTER, MEETING, MOVED], is_older=False) == {}


def test_subjects_and_senders_are_said_only_where_they_are_asked_for() -> None:
    assert "secret" not in str(row(M, [LETTER], is_older=True, with_subjects=False))
    said = row(M, [LETTER, MOVED], is_older=True, with_subjects=True)
    assert said["changes"] == {"ItemMoved": 1, "ItemSaved": 1}
    assert "secret" in str(said["items"])


def test_a_target_that_can_not_be_read_is_said_so_and_not_as_unchanged() -> None:
    assert row(M, None, is_older=True, with_subjects=False)["read"] is False
    assert row(M, [], is_older=True, with_subjects=False)["read"] is True


def test_the_index_holds_what_the_ledger_knows_of_the_target() -> None:
    known = MailboxKnowledge(MailboxRecord(mailbox=M), TargetMailbox(mailbox=M))
    known.put(SourceFolder(folder_id="f", parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox"))
    known.put(
        TargetFolder(
            folder_id="f", target_id="F", parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox",
            created=False, generation=1, sequence=1,
        )
    )  # fmt: skip
    for item in ("both", "target-only"):
        known.put(
            ItemRecord(
                item=item, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="s", folder_id="f",
                marks=None, target_id=f"T-{item}", target_change_key="t", nonce="n",
            )
        )  # fmt: skip
    known.put(
        IndexEntry(
            item="both", item_id="S", folder_id="f", change_key="s", search_key="", fingerprint="", digest="",
            marks=None,
        )
    )  # fmt: skip
    index = index_of(M, known, "source", 1)
    assert {e.item: (e.item_id, e.folder_id, e.change_key) for e in index.entries.values()} == {
        "both": ("T-both", "F", "t"), "target-only": ("T-target-only", "F", "t")
    }  # fmt: skip
    assert index.owed == {"target-only"}, "the old source lacks it: the way back brings it"
    assert set(index.folders) == {"F"}
