"""What two listings, the index and the ledger say together; every kind and every reason by itself."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.verifier import Behind, Kind, Knowledge, SourceItem, TargetItem, judge
from schemas.canonical_row import CanonicalRow, canonical_row
from schemas.change import Marks
from schemas.identity import Stamp
from schemas.state import IndexEntry, ItemRecord, ItemState, Owed

UNREAD = Marks(is_read=False)
OWED = Owed(since=0, attempts=1, retry_at=0, reason="r")


def row(subject: str = "letter") -> CanonicalRow:
    return canonical_row(
        item_class="IPM.Note", message_id="", subject=subject, sent="", received="", is_draft=False, marks=UNREAD,
        sensitivity="Normal", with_flag=True,
    )  # fmt: skip


def one(item: str, folder_id: str = "f", subject: str = "letter") -> SourceItem:
    return SourceItem(item=item, item_id=f"s-{item}", folder_id=folder_id, row=row(subject))


def other(item: str, folder_id: str = "f", subject: str = "letter", item_id: str = "", nonce: str = "9") -> TargetItem:
    stamp = Stamp("12345678", item, nonce)
    return TargetItem(item_id=item_id or f"t-{item}", folder_id=folder_id, stamp=stamp, row=row(subject))


def entry(item: str, **values: Any) -> IndexEntry:
    made = IndexEntry(
        item=item, item_id=f"s-{item}", folder_id="f", change_key="c", search_key="", fingerprint="", digest="",
        marks=UNREAD,
    )  # fmt: skip
    return replace(made, **values)


def record(item: str, **values: Any) -> ItemRecord:
    made = ItemRecord(
        item=item, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="c", folder_id="f",
        marks=UNREAD, target_id=f"t-{item}", target_change_key="", nonce="9",
    )  # fmt: skip
    return replace(made, **values)


def knowledge(*items: str, is_level: bool = True, **values: Any) -> Knowledge:
    return Knowledge(
        index={i: entry(i, **values.get("entry", {})) for i in items},
        ledger={i: record(i, **values.get("record", {})) for i in items},
        is_level=is_level,
    )


def kinds(source: list[SourceItem], target: list[TargetItem], known: Knowledge) -> list[tuple[Kind, str, bool]]:
    return [(d.kind, d.item, d.is_repairable) for d in judge(source, target, known).divergences]


@given(st.sets(st.text("abcdef", min_size=1, max_size=4)))
def test_equal_sides_differ_in_nothing(items: set[str]) -> None:
    verdict = judge(map(one, items), map(other, items), knowledge(*items))
    assert verdict.divergences == []
    assert verdict.behind == []


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ([one("a")], [], (Kind.MISSING, "a", True)),
        ([], [other("b")], (Kind.EXTRA, "b", False)),
        ([one("a")], [other("a", subject="rot")], (Kind.DIFFERING, "a", True)),
        ([one("a")], [other("a", folder_id="g")], (Kind.MISPLACED, "a", True)),
        ([one("a")], [other("a"), other("a", item_id="copy")], (Kind.DUPLICATE, "a", False)),
        ([one("a")], [other("a"), other("a", folder_id="g", item_id="copy")], (Kind.DUPLICATE, "a", False)),
        ([], [other("a", folder_id="g", item_id="copy")], (Kind.DUPLICATE, "a", False)),
    ],
    ids=["missing", "not the ledger's", "differing", "misplaced", "copy", "copy elsewhere", "original elsewhere"],
)
def test_each_kind_is_told_by_its_name(
    source: list[SourceItem], target: list[TargetItem], found: tuple[Kind, str, bool]
) -> None:
    assert kinds(source, target, knowledge("a")) == [found]


def test_what_the_ledger_owns_and_the_source_does_not_have_can_be_deleted() -> None:
    known = Knowledge(index={}, ledger={"b": record("b")}, is_level=True)
    assert kinds([], [other("b")], known) == [(Kind.EXTRA, "b", True)]


def test_of_two_with_one_stamp_the_ledgers_own_is_compared() -> None:
    held = [other("a", subject="rot", item_id="copy"), other("a")]
    assert kinds([one("a")], held, knowledge("a")) == [(Kind.DUPLICATE, "a", False)]


def test_one_that_somebody_moved_is_known_by_its_nonce() -> None:
    held = [other("a", item_id="x", nonce="1", subject="rot"), other("a", folder_id="g", item_id="y")]
    assert (Kind.MISPLACED, "a", True) in kinds([one("a")], held, knowledge("a"))


def test_the_names_of_the_properties_that_differ_are_told_and_not_what_they_hold() -> None:
    (found,) = judge([one("a")], [other("a", subject="secret")], knowledge("a")).divergences
    assert found.fields == ("subject",)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (knowledge("a", record={"state": ItemState.PARKED}), Behind.PARKED),
        (knowledge("a", record={"state": ItemState.WANTED}), Behind.WANTED),
        (knowledge("a", entry={"pending": True}), Behind.PENDING),
        (knowledge("a", entry={"owed": OWED}), Behind.OWED),
        (knowledge("a", is_level=False, entry={"change_key": "d"}), Behind.NOT_APPLIED),
        (Knowledge(index={"a": entry("a")}, ledger={}, is_level=False), Behind.NOT_APPLIED),
    ],
    ids=["parked", "wanted", "pending", "owed", "older", "not there yet"],
)
def test_what_the_pipeline_knows_to_be_behind_is_told_apart(known: Knowledge, reason: Behind) -> None:
    verdict = judge([one("a", subject="new")], [other("a")], known)
    assert verdict.behind == [(reason, "a")]
    assert verdict.divergences == []


def test_while_not_level_an_item_whose_ledger_is_up_to_date_is_still_a_divergence() -> None:
    assert kinds([one("a")], [], knowledge("a", is_level=False)) == [(Kind.MISSING, "a", True)]


def test_what_the_feed_has_not_captured_is_known_to_be_behind() -> None:
    fresh = SourceItem(item="", item_id="s-new", folder_id="f", row=row())
    assert judge([fresh], [], knowledge()).behind == [(Behind.NOT_CAPTURED, "s-new")]


def test_a_parked_item_is_told_also_where_the_listings_look_alike_because_they_show_no_body() -> None:
    verdict = judge([one("a")], [other("a")], knowledge("a", record={"state": ItemState.PARKED}))
    assert (verdict.divergences, verdict.behind) == ([], [(Behind.PARKED, "a")])


def test_what_the_targets_scope_leaves_out_is_no_divergence_unless_it_is_there() -> None:
    left_out = knowledge("a", record={"state": ItemState.LEFT_OUT, "target_id": ""})
    verdict = judge([one("a")], [], left_out)
    assert not verdict.divergences
    assert not verdict.behind
    assert judge([one("a")], [other("a", subject="edited")], left_out).divergences
