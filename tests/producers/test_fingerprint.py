from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.fingerprint import MESSAGE_FLAGS_TAG, cheap, digest
from schemas.change import Summary

SUMMARY = Summary(
    item_class="IPM.Note", subject="s", sender="a", message_id="<1>", sent_at="1", received_at="2", size_bytes=3,
    has_attachments=False, is_draft=False,
)  # fmt: skip
MAIL = (
    b"From: a@x.test\r\nSubject: a letter\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=one\r\n\r\n"
    b"--one\r\nContent-Type: text/plain\r\n\r\nbody\r\n"
    b"--one\r\nContent-Type: application/octet-stream; name=f.bin\r\n"
    b"Content-Disposition: attachment; filename=f.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--one--\r\n"
)


def test_what_was_not_at_rest_has_no_fingerprint() -> None:
    assert cheap(SUMMARY, "2026-01-01T00:00:00Z", is_at_rest=False) == ""
    assert cheap(SUMMARY, "", is_at_rest=True) == ""


def test_every_small_property_and_the_time_count() -> None:
    base = cheap(SUMMARY, "2026-01-01T00:00:00Z", is_at_rest=True)
    changed = [
        cheap(replace(SUMMARY, size_bytes=4), "2026-01-01T00:00:00Z", is_at_rest=True),
        cheap(replace(SUMMARY, subject="t"), "2026-01-01T00:00:00Z", is_at_rest=True),
        cheap(replace(SUMMARY, is_draft=True), "2026-01-01T00:00:00Z", is_at_rest=True),
        cheap(SUMMARY, "2026-01-01T00:00:01Z", is_at_rest=True),
    ]
    assert base
    assert len({base, *changed}) == 1 + len(changed)


def test_boundaries_folding_and_the_order_of_headers_do_not_count() -> None:
    rendered = MAIL.replace(b"one", b"two").replace(b"a letter", b"a\r\n letter")
    reordered = b"Subject: a\r\n letter\r\nFrom: a@x.test\r\nMIME-Version: 1.0\r\n" + rendered.split(b"1.0\r\n", 1)[1]
    assert digest(rendered, {}, is_draft=False) == digest(MAIL, {}, is_draft=False)
    assert digest(reordered, {}, is_draft=False) == digest(MAIL, {}, is_draft=False)


def test_one_byte_of_an_attachment_counts() -> None:
    assert digest(MAIL.replace(b"AAEC", b"AAED"), {}, is_draft=False) != digest(MAIL, {}, is_draft=False)


def test_a_header_more_a_name_a_body_and_a_property_count() -> None:
    base = digest(MAIL, {}, is_draft=False)
    others = [
        digest(b"X-More: 1\r\n" + MAIL, {}, is_draft=False),
        digest(MAIL.replace(b"f.bin", b"g.bin"), {}, is_draft=False),
        digest(MAIL.replace(b"body", b"Body"), {}, is_draft=False),
        digest(MAIL, {"0x1080": "1"}, is_draft=False),
    ]
    assert len({base, *others}) == 1 + len(others)


def test_the_date_of_a_draft_does_not_count_and_that_of_a_sent_message_does() -> None:
    early, late = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n" + MAIL, b"Date: Fri, 2 Jan 2026 00:00:00 +0000\r\n" + MAIL
    assert digest(early, {}, is_draft=True) == digest(late, {}, is_draft=True)
    assert digest(early, {}, is_draft=False) != digest(late, {}, is_draft=False)


def test_reading_an_item_does_not_count_and_sending_a_draft_does() -> None:
    read, unread, draft = ({MESSAGE_FLAGS_TAG: flags} for flags in ("1", "0", "8"))
    assert digest(MAIL, read, is_draft=False) == digest(MAIL, unread, is_draft=False)
    assert digest(MAIL, read, is_draft=False) != digest(MAIL, draft, is_draft=False)


@pytest.mark.parametrize("flags", ["²", "", "-1", "x", "9" * 40])
def test_message_flags_that_are_no_number_count_as_they_are(flags: str) -> None:
    assert digest(MAIL, {MESSAGE_FLAGS_TAG: flags}, is_draft=False) != digest(
        MAIL, {MESSAGE_FLAGS_TAG: "8"}, is_draft=False
    )


@given(st.binary(max_size=300))
def test_no_message_is_too_dirty(mime: bytes) -> None:
    assert digest(mime, {}, is_draft=False) == digest(mime, {}, is_draft=False)
