import dataclasses

import pytest

from schemas import state as module
from schemas.change import Version
from schemas.state import ItemRecord, ItemState, MailboxRecord, SourceFolder, TargetFolder, TargetMailbox

VERSIONED = [
    TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=True,
        generation=2, sequence=3,
    ),
    ItemRecord(
        item="i", state=ItemState.PRESENT, generation=2, sequence=3, source_change_key="", folder_id="f", marks=None,
        target_id="t", target_change_key="", nonce="",
    ),
]  # fmt: skip


@pytest.mark.parametrize("record", VERSIONED, ids=lambda r: type(r).__name__)
def test_what_a_target_holds_knows_the_version_that_wrote_it(record: TargetFolder | ItemRecord) -> None:
    assert record.version == Version(generation=2, sequence=3)


def test_a_target_mailbox_knows_how_far_it_is_and_a_new_one_is_before_everything() -> None:
    assert TargetMailbox(mailbox="m", generation=2, applied_sequence=3).applied == Version(generation=2, sequence=3)
    assert TargetMailbox(mailbox="m").applied < Version(generation=1, sequence=1)


def test_a_new_mailbox_has_said_nothing_and_a_new_folder_was_never_read() -> None:
    record = MailboxRecord(mailbox="m")
    folder = SourceFolder(folder_id="f", parent_id="", name="", folder_class="", distinguished="")
    assert (record.generation, record.next_sequence, record.certain_up_to, record.paused) == (0, 1, 0, "")
    assert (folder.cursor, folder.complete, folder.probe, folder.gone) == ("", False, "", False)


def test_staging_folders_of_two_mailboxes_are_not_shared() -> None:
    assert TargetMailbox(mailbox="m").staging is not TargetMailbox(mailbox="n").staging


def test_every_record_is_a_frozen_value() -> None:
    for record in vars(module).values():
        if isinstance(record, type) and dataclasses.is_dataclass(record):
            assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
            assert hasattr(record, "__slots__")
