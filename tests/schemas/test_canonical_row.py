from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical_row import CanonicalRow, canonical_row, differing_fields, folder_digest, row_digest
from schemas.change import Marks

KEYS = st.text("0123456789abcdef", min_size=32, max_size=32)


def row(**values: object) -> CanonicalRow:
    given_values: dict[str, object] = {
        "item_class": "IPM.Note", "message_id": "<1@a.test>", "subject": "letter", "sent": "2026-01-31T10:00:00Z",
        "received": "2026-01-31T10:00:05Z", "is_draft": False, "marks": Marks(is_read=False), "sensitivity": "Normal",
        "with_flag": True,
    }  # fmt: skip
    return canonical_row(**(given_values | values))  # type: ignore[arg-type] # names are the function's own


@given(st.lists(st.tuples(KEYS, st.text(max_size=20)), unique_by=lambda p: p[0]), st.randoms())
def test_the_digest_of_a_folder_does_not_depend_on_the_order(items: list[tuple[str, str]], random: object) -> None:
    rows = [(key, row(subject=subject)) for key, subject in items]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis types it as object
    assert folder_digest(shuffled) == folder_digest(rows)
    assert folder_digest(rows).items == len(rows)


@pytest.mark.parametrize(
    "values",
    [
        {"item_class": "IPM.Post"}, {"message_id": "<2@a.test>"}, {"subject": "other"},
        {"sent": "2026-01-31T10:00:01Z"}, {"received": "2026-01-31T10:00:06Z"}, {"is_draft": True},
        {"marks": Marks(is_read=True)}, {"marks": Marks(is_read=False, flag_status="Flagged")},
        {"marks": Marks(is_read=False, categories=("red",))}, {"marks": Marks(is_read=False, importance="High")},
        {"sensitivity": "Private"},
    ],
    ids=str,
)  # fmt: skip
def test_every_property_of_a_listing_counts(values: dict[str, object]) -> None:
    assert folder_digest([("a", row(**values))]) != folder_digest([("a", row())])
    assert differing_fields(row(**values), row()) != []


def test_the_same_row_under_another_key_is_another_item() -> None:
    assert row_digest("a", row()) != row_digest("b", row())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"sent": "2026-01-31T10:00:00.7Z"}, {"sent": "2026-01-31T11:00:00+01:00"}),
        ({"item_class": "ipm.note"}, {"item_class": "IPM.Note"}),
        ({"subject": "x" * 255}, {"subject": "x" * 700}),
        ({"subject": "a\x0bb"}, {"subject": "a\N{REPLACEMENT CHARACTER}b"}),
        (
            {"marks": Marks(is_read=True, categories=("a", "b"))},
            {"marks": Marks(is_read=True, categories=("b", "a"))},
        ),
        ({"is_draft": True, "sent": "2026-01-01T00:00:00Z"}, {"is_draft": True, "sent": ""}),
        ({"item_class": "IPM.Contact", "received": ""}, {"item_class": "IPM.Contact"}),
    ],
    ids=["fractions and zone", "case of the class", "cut by FindItem", "forbidden character", "order of categories",
         "times of a draft", "times of a contact"],
)  # fmt: skip
def test_what_servers_show_differently_does_not_count(one: dict[str, object], other: dict[str, object]) -> None:
    assert row(**one) == row(**other)


def test_without_its_flag_a_row_is_as_a_server_shows_it_that_knows_none() -> None:
    flagged = row(marks=Marks(is_read=False, flag_status="Flagged"))
    assert flagged.without_flag() == row(with_flag=False)
    assert replace(flagged).without_flag() != flagged
