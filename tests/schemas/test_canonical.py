from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import (
    CanonicalAttachment,
    ShownFlag,
    ShownItem,
    differences,
    from_elements,
    instant,
    text_digest,
    xml_text,
)

SHOWN = ShownItem(
    item_class="IPM.Appointment",
    subject="Lunch",
    body="At noon",
    sent="2026-01-31T10:00:00Z",
    categories=("Blue", "Travel"),
    elements=(("/Location", "Canteen"), ("/Start", "2026-02-01T12:00:00Z")),
    attachments=(CanonicalAttachment(name="menu.pdf", content_id="", sha256=text_digest("menu")),),
)


def test_equal_items_have_equal_digests_and_no_differences() -> None:
    one, other = from_elements(SHOWN), from_elements(replace(SHOWN))
    assert one.digest() == other.digest()
    assert differences(one, other) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "lunch"),
        ("body", "At noon."),
        ("sent", "2026-01-31T10:00:01Z"),
        ("is_draft", True),
        ("is_read", False),
        ("flag", ShownFlag(status="Flagged")),
        ("categories", ("Blue",)),
        ("importance", "High"),
        ("sensitivity", "Private"),
        ("elements", (("/Location", "Canteen"), ("/Start", "2026-02-01T12:00:01Z"))),
        ("attachments", ()),
        ("item_class", "IPM.Task"),
    ],
)
def test_one_altered_field_is_a_difference_by_that_name(field: str, value: Any) -> None:
    one, other = from_elements(SHOWN), from_elements(replace(SHOWN, **{field: value}))
    assert one.digest() != other.digest()
    assert differences(one, other) == [field]


def test_differences_hold_no_content() -> None:
    one, other = from_elements(SHOWN), from_elements(replace(SHOWN, subject="secret"))
    assert set(differences(one, other)) <= {field.name for field in fields(one)}


def test_the_order_of_categories_and_elements_does_not_count() -> None:
    turned = replace(SHOWN, categories=SHOWN.categories[::-1], elements=SHOWN.elements[::-1])
    assert from_elements(SHOWN) == from_elements(turned)


@pytest.mark.parametrize(
    "written", ["2026-01-31T10:00:00Z", "2026-01-31T10:00:00.750Z", "2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00"]
)
def test_one_moment_is_one_text_to_the_second_however_it_is_written(written: str) -> None:
    assert instant(written) == "2026-01-31T10:00:00Z"


@given(st.text())
def test_a_time_that_is_none_stays_or_becomes_a_time_and_never_raises(written: str) -> None:
    assert instant(instant(written)) == instant(written)


@given(st.text(st.characters()))
def test_text_holds_only_what_xml_can_hold_and_is_stable(value: str) -> None:
    text = xml_text(value)
    assert xml_text(text) == text
    assert not any(ord(c) < 32 and c not in "\t\n" for c in text)
    assert not any(0xD800 <= ord(c) < 0xE000 for c in text)


def test_an_item_in_two_states_keeps_its_identity() -> None:
    one, other = from_elements(SHOWN), from_elements(replace(SHOWN, is_read=False, categories=()))
    assert one.identity() == other.identity()
    assert one.identity() != from_elements(replace(SHOWN, subject="Dinner")).identity()
