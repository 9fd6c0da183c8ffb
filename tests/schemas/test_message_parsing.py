from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.fingerprint import digest
from schemas import message_parsing as parsing
from schemas.canonical import CanonicalItem, ShownItem
from schemas.canonical_message import from_message

MAIL = sorted((Path(__file__).parent / "mail").glob("*.eml"))
"""Messages that Python's email package raises on, and one whose attachment's name servers fold."""
SHOWN = ShownItem(item_class="IPM.Note")
KINDS = (b"text/plain", b"multipart/mixed; boundary=b", b"message/rfc822", b"multipart/signed; boundary=b")
DIRTY_PARAMETERS = (
    b"; charset*=undefined''x", b"; charset*=idna''%ff", b'; charset="a\0b"', b"; charset*0=utf-8; charset*=idna''y",
    b"; name*0=a; name*=b", b"; name*=undefined''%41", b"; name*1=x; name*5*=''y", b"; boundary*0=b; boundary*=b",
    b'; boundary=""', b"; =", b"; name=\xff\xfe", b'; name="unended', b"; charset=utf-7", b"; charset=punycode",
)  # fmt: skip
DIRTY_FIELDS = (
    b"To: " + b"a:" * 2000, b"To: " + b"(" * 2000, b"From: =?undefined?q?x?= <a@x.test>", b"Cc: =?utf-8?b?!?= <<@@>>",
    b"Date: \0", b"Date: Mon, 99 Feb 99999 99:99:99 +9999", b"Subject: =?idna?q?=ff?=", b"Content-ID: <\xff>",
    b"Content-Disposition: attachment; filename*0=a; filename*=b", b"Content-Transfer-Encoding: x-uuencode",
    b"Content-Transfer-Encoding: =?utf-8?q?base64?=", b"Message-ID: =?undefined?b?eA==?=", b": no name",
)  # fmt: skip


def nested(levels: int) -> bytes:
    heads = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return b"Subject: deep\r\nTo: Anna <anna@x.test>\r\n" + b"".join(heads) + b"\r\ninnermost"


def deeper(levels: int, read: Callable[[], CanonicalItem]) -> CanonicalItem:
    return read() if levels == 0 else deeper(levels - 1, read)


def read_everything(mime: bytes) -> tuple[str, bytes]:
    return digest(mime, {}, is_draft=False), from_message(mime, SHOWN).digest()


@pytest.mark.parametrize("path", MAIL, ids=lambda path: path.stem)
def test_a_message_that_the_email_package_raises_on_is_read(path: Path) -> None:
    mime = path.read_bytes()
    assert read_everything(mime) == read_everything(mime)
    assert read_everything(mime) != read_everything(mime.replace(b"example.com", b"example.net"))


@given(
    st.lists(st.sampled_from(DIRTY_PARAMETERS), max_size=3),
    st.lists(st.sampled_from(DIRTY_FIELDS), max_size=4),
    st.sampled_from(
        [b"text/plain", b"multipart/mixed; boundary=b", b"message/rfc822", b"multipart/signed; boundary=b"]
    ),
    st.binary(max_size=40),
)
def test_no_combination_of_dirt_raises(parameters: list[bytes], fields: list[bytes], kind: bytes, body: bytes) -> None:
    header = b"\r\n".join([b"Content-Type: " + kind + b"".join(parameters), *fields])
    inner = header + b"\r\n\r\n" + body
    outer = header + b"\r\n\r\n--b\r\n" + inner + b"\r\n--b--\r\n"
    for mime in (inner, outer):
        assert read_everything(mime) == read_everything(mime)


@pytest.mark.parametrize("levels", [1, parsing.NESTING_MAX - 1, parsing.NESTING_MAX + 1, 400, 3000])
def test_how_deep_a_message_may_nest_does_not_depend_on_the_stack_of_the_caller(levels: int) -> None:
    mime = nested(levels)
    spare = sys.getrecursionlimit() // 2
    shallow = from_message(mime, SHOWN)
    assert deeper(spare, lambda: from_message(mime, SHOWN)) == shallow
    assert shallow.subject == "deep"
    assert shallow.recipients == (("to", "anna@x.test", "Anna"),)


@pytest.mark.parametrize("value", ["a:" * 200, "(" * 200 + "a@x.test", "a:" * 20_000])
def test_an_address_header_that_nests_has_no_addresses(value: str) -> None:
    assert parsing.addresses(value) == []


def test_a_message_that_nests_too_deep_counts_every_byte_of_its_body() -> None:
    mime = nested(parsing.NESTING_MAX + 1)
    assert read_everything(mime) != read_everything(mime.replace(b"innermost", b"innermosu"))


def test_a_folded_attachment_name_is_the_name_on_one_line() -> None:
    part = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=%b\r\n\r\nx"
    folded = part % b'"Minutes of the\r\n quarterly meeting.txt"'
    assert from_message(folded, SHOWN) == from_message(part % b'"Minutes of the quarterly meeting.txt"', SHOWN)
    assert from_message(folded, SHOWN).attachments[0].name == "Minutes of the quarterly meeting.txt"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("Mon, 2 Feb 2026 10:00:00 +0100", datetime(2026, 2, 2, 9, tzinfo=UTC)),
        ("2 Feb 2026 10:00", datetime(2026, 2, 2, 10, tzinfo=UTC)),
        ("Mon, 2 Feb 2026 10:00:00 +99999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
        ("yesterday", None),
        ("", None),
        ("\0", None),
    ],
)
def test_a_date_header_is_a_time_in_utc_or_none(written: str, moment: datetime | None) -> None:
    assert parsing.moment(written) == moment


@given(st.text())
def test_every_header_value_can_be_read_as_text_addresses_and_date(value: str) -> None:
    assert isinstance(parsing.decoded_header(value), str)
    assert all("@" in address for _, address in parsing.addresses(value))
    assert parsing.moment(value) == parsing.moment(value)


@given(st.binary(max_size=80), st.text(max_size=12))
def test_every_charset_gives_a_text(data: bytes, charset: str) -> None:
    assert isinstance(parsing.decoded_text(data, charset), str)
