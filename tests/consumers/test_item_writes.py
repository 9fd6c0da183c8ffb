from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.item_writes import message, properties_of
from consumers.target import PortableItem
from schemas.change import Content, Form, ItemRef, ItemSaved, Marks, Summary

SUMMARY = Summary(
    item_class="IPM.Note", subject="Report ", sender="a@x.test", message_id="<1@x.test>",
    sent_at="2026-01-31T10:00:00Z", received_at="2026-01-31T10:00:05Z", size_bytes=3, has_attachments=False,
    is_draft=False,
)  # fmt: skip
REF = ItemRef(item="i", item_id="s", folder_id="f", change_key="k", search_key="", fingerprint="")


def saved(properties: dict[str, str], summary: Summary = SUMMARY) -> ItemSaved:
    content = Content(form=Form.PORTABLE, size_bytes=1, sha256="", chunk_count=0, body=b"x", properties=properties)
    return ItemSaved(ref=REF, summary=summary, marks=Marks(is_read=True), contents=(content,), targets=())


def test_times_that_a_source_shows_and_has_no_property_for_are_written() -> None:
    assert properties_of(saved({"0x0e07": "1"})) == {
        "0x0e07": "1",
        "0x0e06": "2026-01-31T10:00:05Z",
        "0x0039": "2026-01-31T10:00:00Z",
    }


def test_the_property_of_the_source_wins_over_what_it_shows() -> None:
    assert properties_of(saved({"0x0e06": "2025-01-01T00:00:00Z"}))["0x0e06"] == "2025-01-01T00:00:00Z"


def test_a_draft_is_given_no_time_of_sending() -> None:
    assert "0x0039" not in properties_of(saved({}, replace(SUMMARY, is_draft=True)))


@pytest.mark.parametrize(
    ("subject", "element"),
    [("Report ", "<t:Subject>Report </t:Subject>"), ("a<b&c", "<t:Subject>a&lt;b&amp;c</t:Subject>"), ("", "")],
)
def test_a_subject_is_written_beside_the_mime_that_may_not_carry_it(subject: str, element: str) -> None:
    item = PortableItem(
        mime=b"x", item_class="IPM.Note", properties={}, marks=Marks(is_read=True), stamp="s", subject=subject
    )
    assert f"</t:ItemClass>{element}<t:" in message(item, with_flags=True)
