"""What a folder's listing, its ledger and its checksum say together; each kind of divergence by itself."""

from dataclasses import replace
from typing import Any

import pytest

from consumers import folder_verdict as verdict
from schemas.canonical_row import canonical_row, folder_digest
from schemas.change import Checksum, Marks
from schemas.identity import Stamp
from schemas.listing import ListedItem
from schemas.state import ItemRecord, ItemState

UNREAD, READ = Marks(is_read=False), Marks(is_read=True)
KEYS = ("a" * 32, "b" * 32, "c" * 32)
TARGET = "12345678"


def record(item: str, **values: Any) -> ItemRecord:
    made = ItemRecord(
        item=item, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="", folder_id="f",
        marks=UNREAD, target_id=f"id-{item}", target_change_key="", nonce="9",
    )  # fmt: skip
    return replace(made, **values)


def listed(item: str, marks: Marks = UNREAD, subject: str = "letter", item_id: str = "", target: str = TARGET) -> Any:
    row = canonical_row(
        item_class="IPM.Note", message_id="", subject=subject, sent="", received="", is_draft=False, marks=marks,
        sensitivity="Normal", with_flag=True,
    )  # fmt: skip
    return ListedItem(item_id or f"id-{item}", "", str(Stamp(target, item, "9")), 1, row)


def checksum(*shown: ListedItem) -> Checksum:
    found = folder_digest((str(i.stamp).split(":")[1], i.row) for i in shown)
    return Checksum(folder_id="f", items=found.items, digest=found.hex, form=1, has_flags=True)


def judged(shown: list[ListedItem], records: list[ItemRecord], expected: Checksum) -> dict[str, int] | None:
    """None: as expected; otherwise the kinds."""
    known = {r.item: r for r in records}
    seen = verdict.see(shown, known, "f", TARGET)
    if verdict.is_as_expected(seen, known, expected):
        return None
    in_folder = [r for r in records if r.folder_id == "f"]
    strays = {r.item for r in seen.strays}
    return verdict.divergence(seen, in_folder, expected, set(), strays)


ALL = [listed(k) for k in KEYS]
RECORDS = [record(k) for k in KEYS]


def test_a_folder_that_holds_what_the_checksum_says_is_as_expected() -> None:
    assert judged(ALL, RECORDS, checksum(*ALL)) is None


def test_foreign_items_and_those_of_other_targets_are_counted_apart() -> None:
    foreign = [replace(listed("d" * 32), stamp=""), listed("d" * 32, target="87654321")]
    assert judged([*ALL, *foreign], RECORDS, checksum(*ALL)) is None
    assert verdict.see(foreign, {}, "f", TARGET).foreign == 2


@pytest.mark.parametrize(
    ("shown", "kinds"),
    [
        (ALL[:2], {"missing": 1}),
        ([*ALL, listed("d" * 32)], {"extra": 1}),
        ([*ALL, listed(KEYS[0], item_id="copy")], {"duplicate": 1}),
        ([*ALL[:2], listed(KEYS[2], READ)], {"differing": 1}),
        ([*ALL[:2], listed(KEYS[2], subject="altered")], {"differing": 1}),
        ([ALL[0], listed(KEYS[1], READ)], {"missing": 1, "differing": 1}),
    ],
    ids=["missing", "extra", "duplicate", "marks", "subject", "two kinds"],
)
def test_each_kind_is_told_by_its_name(shown: list[ListedItem], kinds: dict[str, int]) -> None:
    assert judged(shown, RECORDS, checksum(*ALL)) == kinds


def test_a_copy_in_another_folder_is_a_duplicate_there() -> None:
    records = [*RECORDS[:2], record(KEYS[2], folder_id="g")]
    assert judged(ALL, records, checksum(*ALL[:2])) == {"duplicate": 1}


@pytest.mark.parametrize("state", [ItemState.PARKED, ItemState.WANTED])
def test_what_is_parked_or_wanted_is_no_divergence_whether_it_shows_or_not(state: ItemState) -> None:
    records = [*RECORDS[:2], record(KEYS[2], state=state)]
    assert judged([*ALL[:2], listed(KEYS[2], subject="old")], records, checksum(*ALL)) == {}
    assert judged(ALL[:2], records, checksum(*ALL)) == {}


def test_beside_a_parked_item_a_missing_one_and_other_marks_still_show() -> None:
    records = [record(KEYS[0]), record(KEYS[1]), record(KEYS[2], state=ItemState.PARKED)]
    assert judged([listed(KEYS[0], READ)], records, checksum(*ALL)) == {"missing": 1, "differing": 1}


def test_beside_an_item_that_the_ledger_still_leaves_out_altered_content_shows() -> None:
    records = [*RECORDS[:2], record(KEYS[2], state=ItemState.LEFT_OUT)]
    assert judged([*ALL[:2], listed(KEYS[2], subject="altered")], records, checksum(*ALL)) == {"differing": 1}


def test_what_the_ledger_itself_lacks_is_missing() -> None:
    assert judged(ALL[:2], RECORDS[:2], checksum(*ALL)) == {"missing": 1}


def test_where_the_source_shows_no_flags_a_flag_at_the_target_does_not_count() -> None:
    flagged = replace(UNREAD, flag_status="Flagged")
    without = [replace(i, row=i.row.without_flag()) for i in ALL]
    expected = replace(checksum(*without), has_flags=False)
    assert judged([*ALL[:2], listed(KEYS[2], flagged)], RECORDS, expected) is None
