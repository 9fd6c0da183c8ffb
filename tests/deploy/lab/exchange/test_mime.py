import binascii
import email
import re
import string

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.mime import encode_quoted_printable, parse_headers, parse_mime, without_last_break
from deploy.lab.exchange.rendering import render

BREAK = re.compile(r"\r\n|\r|\n")
GENERATIONS = [(14, 1), (15, 0), (15, 1), (15, 2)]
LINES = st.lists(
    st.sampled_from(
        [
            "", "text", "--b", "--b--", "--c", "--c--", "--b  ", " folded", "\tfolded", "X-A: 1", "Subject: x \t y",
            "From ", "From me", ": none", "Bad Header: 1", "Content-Type: text/html", "Content-Type: message/rfc822",
            'Content-Type: multipart/mixed; boundary="b"', "Content-Type: multipart/alternative; boundary=c",
            'Content-Type: multipart/signed; boundary="b"', "Content-Type: multipart/digest; boundary=b",
            "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable", "aGVsbG8=", "aGVs=bG8",
            "=C3=A9 =", "a=20", "\x00\x7f", "é",
        ]
    ),
    max_size=25,
)  # fmt: skip


def facts(mime: bytes) -> object:
    """What a reader by Python's e-mail package sees."""
    message = email.message_from_bytes(mime)
    headers = sorted(
        (name, BREAK.sub("", str(value)))
        for name, value in message._headers  # type: ignore[attr-defined]
        if not (name.lower() == "content-type" and "boundary" in str(value).lower())
    )
    leaves = [
        (BREAK.sub("", part.get_content_type()), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]
    return headers, leaves


@given(LINES, st.sampled_from(["\r\n", "\n"]), st.sampled_from(GENERATIONS))
def test_any_dirt_is_read_and_rendered_with_the_same_content(
    lines: list[str], end: str, generation: tuple[int, int]
) -> None:
    mime = end.join(lines).encode()
    assert facts(render(parse_mime(mime), generation)) == facts(mime)


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    for generation in GENERATIONS:
        render(parse_mime(data), generation)


@given(st.text(alphabet=string.printable + "é\x00", max_size=200).map(lambda text: text.encode()))
def test_quoted_printable_keeps_every_byte_and_every_line_short(data: bytes) -> None:
    encoded = encode_quoted_printable(data, 76)
    if binascii.a2b_qp(encoded) != data:
        # A carriage return at the end of a line cannot be told from its break: such parts are kept as they came.
        assert b"\r" in data
    assert all(len(line) <= 77 for line in encoded.split(b"\n"))


def test_headers_are_unfolded_with_their_white_space_and_raw_bytes() -> None:
    fields, body = parse_headers(b"A: 1\r\n\t2\r\nB:\r\n 3\r\nC:  \xff \r\n\r\nbody")
    assert fields == [("A", "1\t2"), ("B", " 3"), ("C", "\udcff ")]
    assert body == b"body"


def test_a_line_that_is_no_header_begins_the_body() -> None:
    assert parse_headers(b"A: 1\nno header\nB: 2\n") == ([("A", "1")], b"no header\nB: 2\n")
    assert parse_headers(b"A: 1\nFrom me\n\nb") == ([("A", "1")], b"From me\nb")


def test_signed_and_encrypted_messages_stay_whole() -> None:
    body = b"--x\r\nContent-Type: text/plain\r\n\r\na =20\r\n--x\r\n\r\nsig\r\n--x--\r\n"
    for kind in (b"signed", b"encrypted"):
        mime = b"Subject: s\r\nContent-Type: multipart/" + kind + b'; boundary="x"\r\n\r\n' + body
        for generation in GENERATIONS:
            assert render(parse_mime(mime), generation).endswith(body)


def test_one_line_break_is_taken_off_the_end() -> None:
    for data, expected in ((b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b"a\r", b"a"), (b"a", b"a"), (b"", b"")):
        assert without_last_break(data) == expected
