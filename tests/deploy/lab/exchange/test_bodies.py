from deploy.lab.exchange.bodies import (
    Body,
    attachments_of,
    body_branch,
    body_of,
    body_part,
    decoded,
    describe_all,
    file_part,
    rebuild,
    text_of,
)
from deploy.lab.exchange.content import Content, Part
from deploy.lab.exchange.mime import parse_mime
from deploy.lab.exchange.rendering import render

ALTERNATIVE = b"\r\n".join(
    [
        b'Content-Type: multipart/mixed; boundary="m"',
        b"",
        b"--m",
        b'Content-Type: multipart/alternative; boundary="a"',
        b"",
        b"--a",
        b"Content-Type: text/plain",
        b"",
        b"plain",
        b"--a",
        b"Content-Type: text/html; charset=utf-8",
        b"",
        b"<p>h\xc3\xa9</p>",
        b"--a--",
        b"--m",
        b'Content-Type: application/pdf; name="f.pdf"',
        b"Content-Transfer-Encoding: base64",
        b"",
        b"AAEC",
        b"--m--",
        b"",
    ]
)


def test_html_is_the_best_body() -> None:
    body = body_of(parse_mime(ALTERNATIVE))
    assert body == Body("HTML", "<p>hé</p>")
    assert body.as_kind("Text") == Body("Text", "hé")
    assert body.as_kind("Best") is body
    assert "a &lt; b" in Body("Text", "a < b").as_kind("HTML").text


def test_the_body_of_a_signed_message_is_read() -> None:
    mime = (
        b'Content-Type: multipart/signed; boundary="s"\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\nsigned text\r\n'
        b"--s\r\nContent-Type: application/pkcs7-signature\r\n\r\nxx\r\n--s--\r\n"
    )
    assert body_of(parse_mime(mime)) == Body("Text", "signed text")


def test_unknown_charsets_and_bad_bytes_never_raise() -> None:
    for charset in ("nonsense", "utf-8", "utf-16", "base64", "idna"):
        part = Part([("Content-Type", f"text/plain; charset={charset}")], "text/plain", "", b"\xff\xfex")
        assert isinstance(text_of(part), str)


def test_attachments_are_described_with_name_type_and_size() -> None:
    (entry,) = describe_all(parse_mime(ALTERNATIVE))
    assert entry == {"number": 1, "name": "f.pdf", "type": "application/pdf", "size": 3}


def test_a_message_that_is_an_attachment_alone_has_one() -> None:
    content = parse_mime(
        b'Content-Type: application/pdf; name="f"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n'
    )
    assert [decoded(part) for part in attachments_of(content)] == [b"\x00\x01\x02"]
    assert body_branch(content) is None


def test_rebuilding_keeps_headers_bodies_and_attachments() -> None:
    content = parse_mime(b"Subject: s\r\n" + ALTERNATIVE)
    again = rebuild(content, body_branch(content), [*attachments_of(content), file_part("ü", "", b"\xff")])
    read = parse_mime(render(again, (15, 0)))
    assert read.root.header("subject") == "s"
    assert body_of(read) == Body("HTML", "<p>hé</p>")
    assert [entry["name"] for entry in describe_all(read)] == ["f.pdf", "ü"]
    assert [decoded(part) for part in attachments_of(read)] == [b"\x00\x01\x02", b"\xff"]


def test_a_body_without_attachments_is_a_single_part() -> None:
    assert rebuild(Content(), body_part("HTML", "x"), []).root.media_type == "text/html"
