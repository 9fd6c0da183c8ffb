from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas import ews
from schemas.change import Marks
from schemas.wire_values import moment_seconds

XMLNS = f'xmlns:t="{ews.TYPES}" xmlns:m="{ews.MESSAGES}"'


def element(inner: str) -> Any:
    return etree.fromstring(f"<t:Message {XMLNS}>{inner}</t:Message>")


@given(st.text())
def test_text_is_always_content_and_loses_only_what_xml_cannot_hold(value: str) -> None:
    found = etree.fromstring(f"<a>{ews.text(value)}</a>").text or ""
    expected = "".join(c if ews.is_xml_character(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in value)
    assert found == expected.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("code", [0, 8, 11, 12, 31, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x110000])
def test_what_xml_forbids_is_known(code: int) -> None:
    assert not ews.is_xml_character(code)


@pytest.mark.parametrize("code", [9, 10, 13, 0x20, 0x7F, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFF])
def test_what_xml_allows_is_known(code: int) -> None:
    assert ews.is_xml_character(code)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF), min_size=1))
def test_ids_are_quoted_whatever_they_hold(item_id: str) -> None:
    (folder, item) = element(ews.folder_ref(item_id) + ews.item_ref(item_id, item_id))
    assert (folder.get("Id"), item.get("Id"), item.get("ChangeKey")) == (item_id, item_id, item_id)


def test_an_item_without_a_change_key_names_none() -> None:
    assert "ChangeKey" not in ews.item_ref("id")


def test_a_distinguished_folder_is_named() -> None:
    assert element(ews.distinguished_ref("inbox"))[0].get("Id") == "inbox"


@pytest.mark.parametrize("written", ["0x300B", "0x300b", "0X300B", "0x0000300B"])
def test_a_tag_is_found_however_a_server_writes_it(written: str) -> None:
    item = element(
        f'<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="{written}" PropertyType="Binary"/>'
        "<t:Value>AAE=</t:Value></t:ExtendedProperty>"
    )
    assert ews.value_of(ews.extended_values(item), ews.SEARCH_KEY) == "AAE="


@pytest.mark.parametrize("written", ["0xE07", "0x0E07", "0xe07"])
def test_a_tag_without_its_padding_is_found(written: str) -> None:
    item = element(
        f'<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="{written}" PropertyType="Integer"/>'
        "<t:Value>1</t:Value></t:ExtendedProperty>"
    )
    assert ews.value_of(ews.extended_values(item), ews.MESSAGE_FLAGS) == "1"


def test_a_named_property_comes_back_from_what_sets_it() -> None:
    item = element(ews.STAMP.with_value("a<b"))
    assert ews.value_of(ews.extended_values(item), ews.STAMP) == "a<b"
    assert ews.value_of({}, ews.STAMP) == ""


def test_text_of_a_missing_element_is_the_default() -> None:
    assert ews.child_text(None, "x", "none") == ews.child_text(element(""), "x", "none") == "none"
    assert ews.child_text(element("<t:A/>"), f"{ews.T}A", "none") == ""


MARKS = Marks(
    is_read=False, flag_status="Complete", flag_start="2026-01-01T00:00:00Z", flag_due="2026-01-02T00:00:00Z",
    flag_completed="2026-01-03T00:00:00Z", categories=("red & blue", "<green>"), importance="High",
)  # fmt: skip


@pytest.mark.parametrize("marks", [MARKS, Marks(is_read=True)], ids=["all", "none"])
def test_marks_come_back_from_the_elements_that_set_them(marks: Marks) -> None:
    inner = ews.flag_element(marks) + ews.categories_element(marks)
    read = f"<t:IsRead>{str(marks.is_read).lower()}</t:IsRead><t:Importance>{marks.importance}</t:Importance>"
    assert ews.marks_of(element(inner + read)) == marks


def test_an_item_that_shows_no_marks_is_read_unflagged_and_normal() -> None:
    assert ews.marks_of(element("")) == Marks(is_read=True)


@pytest.mark.parametrize("path", ["IsRead", "Importance", "Flag/FlagStatus", "Flag/DueDate"])
@given(written=st.text())
def test_marks_hold_only_what_a_server_takes_whatever_is_written(path: str, written: str) -> None:
    outer, _, inner = path.partition("/")
    content = f"<t:{inner}>{ews.text(written)}</t:{inner}>" if inner else ews.text(written)
    marks = ews.marks_of(element(f"<t:{outer}>{content}</t:{outer}>"))
    assert marks.importance in ews.IMPORTANCES
    assert marks.flag_status in ews.FLAG_STATUSES
    assert marks.flag_due is None or moment_seconds(marks.flag_due) is not None
