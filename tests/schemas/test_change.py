import dataclasses
from typing import get_args

import pytest

from schemas import change as module
from schemas.change import (
    Barrier,
    Change,
    Checksum,
    FolderDeleted,
    FolderSaved,
    Handover,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemOperation,
    ItemRef,
    ItemSaved,
    ItemUnreadable,
    Marks,
    Operation,
    SeedBegin,
    SeedEnd,
    Summary,
    Version,
    folders_of,
    subject_of,
)

REF = ItemRef(item="key", item_id="id", folder_id="f", change_key="", search_key="", fingerprint="")
MARKS = Marks(is_read=True)
SUMMARY = Summary(
    item_class="IPM.Note", subject="", sender="", message_id="", sent_at="", received_at="", size_bytes=0,
    has_attachments=False, is_draft=False,
)  # fmt: skip
FOLDER = FolderSaved(folder_id="f", parent_id="", name="", folder_class="", distinguished="")
SUBJECTS: list[tuple[Operation, str]] = [
    (Handover(previous=None, promotion="p", reason=""), "handover"),
    (SeedBegin(previous=None, reason=""), "seed"),
    (SeedEnd(begun=1, items=0), "seed"),
    (
        Barrier(
            promotion="p",
            role="MIRRORING",
            target="t",
            reason="",
            at=1,
            planned=True,
            complete=True,
            certain_up_to=1,
            owed=0,
            pending=0,
        ),
        "barrier",
    ),
    (FOLDER, "f"),
    (FolderDeleted(folder_id="f"), "f"),
    (ItemSaved(ref=REF, summary=SUMMARY, marks=MARKS, contents=()), "key"),
    (ItemMarked(ref=REF, marks=MARKS), "key"),
    (ItemMoved(ref=REF, from_folder_id="g"), "key"),
    (ItemDeleted(ref=REF), "key"),
    (ItemUnreadable(ref=REF, reason=""), "key"),
    (Checksum(folder_id="f", items=0, digest="0" * 32, form=1, has_flags=True), "f"),
]


@pytest.mark.parametrize(("operation", "subject"), SUBJECTS, ids=[type(o).__name__ for o, _ in SUBJECTS])
def test_an_operation_is_about_its_item_its_folder_or_the_seed(operation: Operation, subject: str) -> None:
    assert subject_of(operation) == subject


@pytest.mark.parametrize(
    ("operation", "folders"),
    [
        (FOLDER, ("f",)),
        (ItemMoved(ref=REF, from_folder_id="g"), (REF.folder_id, "g")),
        (ItemMarked(ref=REF, marks=MARKS), (REF.folder_id,)),
        (Checksum(folder_id="f", items=0, digest="0" * 32, form=1, has_flags=True), ()),
    ],
    ids=["folder saved", "moved", "marked", "checksum"],
)
def test_what_touches_a_folder_makes_its_checksum_stale(operation: Operation, folders: tuple[str, ...]) -> None:
    assert folders_of(operation) == folders


def test_every_operation_has_a_subject() -> None:
    assert {type(o) for o, _ in SUBJECTS} == set(get_args(Operation))
    assert set(get_args(ItemOperation)) < set(get_args(Operation))


def test_versions_order_by_generation_and_then_by_sequence() -> None:
    versions = [Version(generation=g, sequence=s) for g, s in ((2, 1), (10, 1), (1, 2), (1, 1))]
    assert [(v.generation, v.sequence) for v in sorted(versions)] == [(1, 1), (1, 2), (2, 1), (10, 1)]


def test_a_change_knows_its_version() -> None:
    change = Change(mailbox="m", generation=2, sequence=3, captured_at=0, source_version="", operation=FOLDER)
    assert change.version == Version(generation=2, sequence=3)


def test_every_record_is_a_frozen_value() -> None:
    records = [v for v in vars(module).values() if isinstance(v, type) and dataclasses.is_dataclass(v)]
    assert len(records) > len(get_args(Operation))
    for record in records:
        assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert hasattr(record, "__slots__")
