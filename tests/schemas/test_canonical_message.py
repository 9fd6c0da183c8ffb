import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import CanonicalItem, ShownItem, differences
from schemas.canonical_message import from_message
from schemas.message_parsing import decoded_header

SHOWN = ShownItem(item_class="IPM.Note", sent="2026-01-31T10:00:00Z", received="2026-01-31T10:00:05Z")
DATA = bytes(range(256))


def mime(
    subject: str = "Hello",
    extra: str = "X-One: 1\r\n",
    plain: str = "plain text",
    page: str = "<p>Hello</p>",
    data: bytes = DATA,
    file_name: str = "a.bin",
    boundary: str = "b1",
) -> bytes:
    return (
        "From: Anna <anna@source.test>\r\nTo: Bob <bob@x.test>, carl@x.test\r\n"
        f"Subject: {subject}\r\nDate: Sat, 31 Jan 2026 11:00:00 +0100\r\nMessage-ID: <1@x.test>\r\n{extra}"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
        f'--{boundary}\r\nContent-Type: multipart/alternative; boundary="in{boundary}"\r\n\r\n'
        f"--in{boundary}\r\nContent-Type: text/plain\r\n\r\n{plain}\r\n"
        f"--in{boundary}\r\nContent-Type: text/html\r\n\r\n{page}\r\n--in{boundary}--\r\n"
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{file_name}"\r\nContent-ID: <c1>\r\n\r\n'
    ).encode() + base64.encodebytes(data) + f"--{boundary}--\r\n".encode()  # fmt: skip


def form(content: bytes, shown: ShownItem = SHOWN) -> CanonicalItem:
    return from_message(content, shown)


def test_a_message_is_taken_apart() -> None:
    found = form(mime())
    assert (found.message_id, found.subject) == ("<1@x.test>", "Hello")
    assert found.recipients == (
        ("from", "anna@source.test", "Anna"),
        ("to", "bob@x.test", "Bob"),
        ("to", "carl@x.test", ""),
    )
    assert ("date", "2026-01-31T10:00:00Z") in found.headers
    assert ("x-one", "1") in found.headers
    assert [(a.name, a.content_id) for a in found.attachments] == [("a.bin", "c1")]


@pytest.mark.parametrize(
    ("altered", "field"),
    [
        (mime(subject="Hellp"), "subject"),
        (mime(extra="X-One: 2\r\n"), "headers"),
        (mime(extra="X-One: 1\r\nX-One: 1\r\n"), "headers"),
        (mime(extra=""), "headers"),
        (mime(page="<p>Hellp</p>"), "body"),
        (mime(data=DATA[:-1] + b"\0"), "attachments"),
        (mime(file_name="b.bin"), "attachments"),
        (mime().replace(b"<c1>", b"<c2>"), "attachments"),
        (mime().replace(b"Bob", b"Rob"), "recipients"),
        (mime().replace(b"carl@", b"karl@"), "recipients"),
        (mime().replace(b"<1@x", b"<2@x"), "message_id"),
        (mime().replace(b"11:00:00", b"11:00:01"), "headers"),
    ],
)
def test_one_altered_character_is_a_difference(altered: bytes, field: str) -> None:
    assert differences(form(mime()), form(altered)) == [field]


@pytest.mark.parametrize(
    "rendered",
    [
        mime(boundary="another"),
        mime().replace(b"Subject: Hello", b"Subject:\r\n Hello"),
        mime().replace(b"Subject: Hello", b"subject: =?utf-8?b?SGVsbG8=?="),
        mime().replace(b", carl@x.test", b",\r\n\tcarl@x.test"),
        mime().replace(b"X-One: 1\r\nMIME", b"MIME").replace(b"From:", b"X-One: 1\r\nFrom:", 1),
        mime().replace(b"11:00:00 +0100", b"10:00:00 +0000"),
        mime().replace(b'"bb1"', b"bb1"),
        mime(plain="another plain text"),
    ],
)
def test_what_servers_render_differently_does_not_count(rendered: bytes) -> None:
    assert differences(form(mime()), form(rendered)) == []


def test_the_date_of_a_draft_does_not_count_but_that_of_sent_mail_does() -> None:
    later = mime().replace(b"11:00:00", b"12:00:00")
    draft = replace(SHOWN, is_draft=True)
    assert form(mime(), draft) == form(later, replace(draft, sent="2026-01-31T11:00:00Z"))
    assert form(mime()) != form(later)


def test_a_second_text_outside_the_alternative_counts() -> None:
    footer = b"--b1\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--b1--\r\n"
    one = mime().replace(b"--b1--\r\n", footer)
    assert differences(form(one), form(one.replace(b"footer", b"foofer"))) == ["attachments"]


def test_every_byte_of_a_signed_part_counts() -> None:
    signed = (
        b'Subject: s\r\nContent-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\ntext =3D \xe9\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature\r\n\r\nAAAA\r\n--b--\r\n"
    )
    rewritten = signed.replace(b"=3D", b"=3d")
    for other in (rewritten, signed.replace(b"\xe9", b"\xe8"), signed.replace(b"AAAA", b"AAAB")):
        assert form(signed) != form(other)


def test_a_message_inside_a_message_is_compared_by_content() -> None:
    inner = b"Subject: in\r\nX-In: 1\r\n\r\ninner text"
    outer = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n%b\r\n--b--'
    folded = inner.replace(b"Subject: in", b"Subject:\r\n in")
    assert form(outer % inner) == form(outer % folded)
    assert form(outer % inner) != form(outer % inner.replace(b"inner text", b"inner test"))


def test_raw_bytes_of_a_header_count_and_are_read_as_utf_8_or_windows_1252() -> None:
    one = b"Subject: Gr\xfc\xdfe\r\n\r\nx"
    assert form(one).subject == form(one.decode("latin-1").encode()).subject
    assert form(one) != form(one.replace(b"\xfc", b"\xe4"))


def test_an_address_header_that_cannot_be_read_stays_among_the_headers() -> None:
    one = b"To: undisclosed-recipients:;\r\n\r\nx"
    assert ("to", "undisclosed-recipients:;") in form(one).headers
    assert form(one) != form(one.replace(b"undis", b"Undis"))


@given(st.binary(max_size=400))
def test_no_bytes_raise_and_the_same_bytes_are_the_same(content: bytes) -> None:
    assert form(content).digest() == form(bytes(content)).digest()


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
                b"Content-Type: text/plain; charset=\xff\r\n", b"Content-Type: text/html; charset=x-none\r\n",
                b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n",
                b"Content-Disposition: attachment; filename*=x''%ff\r\n", b"Date: \x00\r\n", b"To: <<\r\n",
                b"Subject: =?x-none?q?=ff?= =?utf-8?b?!?=\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n", b"\x00\xff=3",
            ]
        ),
        max_size=25,
    )
)  # fmt: skip
def test_no_heap_of_dirt_raises(pieces: list[bytes]) -> None:
    form(b"".join(pieces)).digest()


def test_nesting_beyond_the_parser_counts_as_bytes() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert form(deep) != form(deep.replace(b"b2999", b"x2999"))


@given(st.text())
def test_a_header_value_is_decoded_without_raising(value: str) -> None:
    decoded_header(value)
