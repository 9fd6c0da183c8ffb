"""Composes MIME the same way for the same input: boundaries and encodings are given, nothing is drawn or dated."""

import base64
import quopri
from collections.abc import Sequence
from email.header import Header
from email.utils import format_datetime, formataddr

_LINE_LENGTH = 76

Headers = Sequence[tuple[str, str]]


def header_text(value: str) -> str:
    """Return a header value in ASCII: encoded words where needed."""
    return value if value.isascii() else Header(value, "utf-8", maxlinelen=_LINE_LENGTH).encode(linesep="\r\n")


def mailbox_text(name: str, address: str) -> str:
    """Return `"Name" <address>` in ASCII."""
    return formataddr((name, address), "utf-8")


date_text = format_datetime


def leaf(content_type: str, data: bytes, *, encoding: str = "", file_name: str = "", content_id: str = "") -> bytes:
    """Return a part with its own headers; encoding is base64, quoted-printable or as it is."""
    lines = [f"Content-Type: {content_type}"]
    if encoding:
        lines.append(f"Content-Transfer-Encoding: {encoding}")
    if file_name:
        kind = "inline" if content_id else "attachment"
        lines.append(f'Content-Disposition: {kind}; filename="{header_text(file_name)}"')
    if content_id:
        lines.append(f"Content-ID: <{content_id}>")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + _encoded(data, encoding)


def text_leaf(text: str, *, subtype: str = "plain", charset: str = "utf-8", encoding: str = "8bit") -> bytes:
    """Return a text part in a charset; characters it lacks become question marks."""
    data = text.replace("\n", "\r\n").encode(charset, "replace")
    return leaf(f"text/{subtype}; charset={charset}", data, encoding=encoding)


def multipart(subtype: str, parts: Sequence[bytes], boundary: str, parameters: str = "") -> bytes:
    """Return a multipart part of parts that carry their own headers."""
    mark = boundary.encode()
    body = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts)
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"{parameters}\r\n\r\n'.encode()
    return head + body + b"--" + mark + b"--\r\n"


def message(headers: Headers, part: bytes) -> bytes:
    """Return a whole message: its headers, MIME-Version, and a part with the headers of the content."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return lines.encode("utf-8", "surrogateescape") + b"MIME-Version: 1.0\r\n" + part


def _encoded(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(data).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        lines = data.split(b"\r\n")
        return b"\r\n".join(quopri.encodestring(line).replace(b"\n", b"\r\n") for line in lines)
    return data
