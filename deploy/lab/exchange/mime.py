"""MIME to parts: what Exchange does on CreateItem, with the tolerance of Python's own e-mail parser.

The reading of dirt (where headers end, which boundary counts, when base64 is taken as text) follows RFC 5322 and
RFC 2046 as CPython's `email` package reads them, so that a client which compares by that package sees equal content.
"""

import binascii
import re
from collections.abc import Iterator
from email.message import Message
from typing import Final

from deploy.lab.exchange.content import Content, Headers, Part

_LINE: Final = rb"[^\r\n]*(?:\r\n?|\n|\Z)"
_HEADER_BLOCK: Final = re.compile(rb"(?:(?:[!-9;-~]*:|[ \t]|From )" + _LINE + rb")*")
_FIELD: Final = re.compile(rb"([!-9;-~]+):[ \t]*([^\r\n]*(?:(?:\r\n?|\n)[ \t][^\r\n]*)*)(?:\r\n?|\n|\Z)")
_NEXT_LINE: Final = re.compile(_LINE)
_BREAK: Final = re.compile(r"\r\n?|\n")
_BREAK_BYTES: Final = re.compile(rb"\r\n?|\n")
# What stays whole: a signature covers its bytes, an encrypted part is nobody's business.
WHOLE: Final = frozenset({"multipart/signed", "multipart/encrypted"})
_BOUNDARY_END: Final = re.compile(rb"(--)?[ \t]*(?:\r\n|\r|\n|\Z)")
_DEPTH_MAX: Final = 60


def parse_mime(data: bytes) -> Content:
    """Read a message of any dirt; never raises."""
    return Content(_part(data, "text/plain", 0))


def parse_headers(data: bytes) -> tuple[Headers, bytes]:
    """Return the header fields at the start of `data`, unfolded, and the body."""
    block = _HEADER_BLOCK.match(data)
    end = block.end() if block is not None else 0
    separator = _BREAK_BYTES.match(data, end)
    start = separator.end() if separator is not None else end
    fields: Headers = []
    at = 0
    while at < end:
        found = _FIELD.match(data, at, end)
        if found is not None:
            value = found.group(2).decode("ascii", "surrogateescape")
            if "\n" in value or "\r" in value:
                value = _BREAK.sub("", value)
            fields.append((found.group(1).decode("ascii"), value))
            at = found.end()
            continue
        line = _NEXT_LINE.match(data, at, end)
        stop = line.end() if line is not None else end
        if data.startswith(b"From ", at) and at > 0 and stop == end:
            # Such a line at the end of the headers is read as the first one of the body.
            return fields, data[at:end] + data[start:]
        at = stop
    return fields, data[start:]


def media_type(value: str, default: str) -> str:
    """Return the lower-case type of a Content-Type value; what cannot be read is text/plain."""
    if not value:
        return default
    found = value.partition(";")[0].strip().lower()
    return found if found.count("/") == 1 else "text/plain"


def content_type_parameter(value: str, name: str) -> str:
    """Return a parameter of a Content-Type or Content-Disposition value (RFC 2231 forms too), or an empty text."""
    message = Message()
    try:
        message["Content-Type"] = value
        parameter = message.get_param(name)
    except Exception:  # noqa: BLE001 - which errors the parser raises on RFC 2231 forms grows with its versions
        return ""
    if isinstance(parameter, tuple):
        try:
            return str(parameter[2] or "").encode("latin-1").decode(parameter[0] or "ascii")
        except (LookupError, ValueError):
            return str(parameter[2] or "")
    return str(parameter or "")


def _boundary(value: str) -> str | None:
    message = Message()
    try:
        message["Content-Type"] = value
        return message.get_boundary()
    except Exception:  # noqa: BLE001 - as above: a server takes what a client sends
        return None


def _part(data: bytes, default: str, depth: int) -> Part:
    headers, body = parse_headers(data)
    kind, transfer = default, ""
    seen_type = seen_transfer = False
    content_type = ""
    for name, value in headers:
        lowered = name.lower()
        if lowered == "content-type" and not seen_type:
            seen_type, content_type, kind = True, value, media_type(value, default)
        elif lowered == "content-transfer-encoding" and not seen_transfer:
            seen_transfer, transfer = True, value.lower()
    if kind.startswith("multipart/") and kind not in WHOLE and depth < _DEPTH_MAX:
        boundary = _boundary(content_type)
        pieces = _split(body, boundary) if boundary is not None else None
        if pieces is not None:
            below = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            children = [_part(piece, below, depth + 1) for piece in pieces]
            return Part(headers, kind, children=children)
    if kind.startswith(("multipart/", "message/")):
        return Part(headers, kind, "", body)
    if depth > 0:
        # The last line break belongs to the boundary after it, even where that boundary is missing.
        body = without_last_break(body)
    return _decoded(headers, kind, transfer, body) if transfer else Part(headers, kind, "", body)


def _split(body: bytes, boundary: str) -> list[bytes] | None:
    """Return the parts between boundary lines; None where there is no first boundary."""
    mark = b"--" + boundary.encode("utf-8", "surrogateescape")
    if mark not in body:
        return None
    pieces: list[bytes] = []
    start = -1
    for at, end, closing in _boundary_lines(body, mark):
        if start < 0 and closing:
            return None
        if at > start >= 0:
            pieces.append(body[start:at])
            if closing:
                return pieces
        start = end
    if start < 0:
        return None
    pieces.append(body[start:])
    return pieces


def _boundary_lines(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Every boundary line: where it begins, where the next line begins, and whether it closes the multipart."""
    at = body.find(mark)
    while at >= 0:
        after = at + len(mark)
        found = _BOUNDARY_END.match(body, after) if at == 0 or body[at - 1] in b"\r\n" else None
        if found is not None:
            yield at, found.end(), found.group(1) is not None
            after = found.end()
        at = body.find(mark, after)


def without_last_break(piece: bytes) -> bytes:
    """Return the bytes without one line break at their end."""
    if piece.endswith(b"\r\n"):
        return piece[:-2]
    return piece[:-1] if piece.endswith((b"\n", b"\r")) else piece


def _decoded(headers: Headers, kind: str, transfer: str, body: bytes) -> Part:
    """Return a leaf without its transfer encoding, unless taking it off and on again would lose something."""
    if transfer == "base64":
        try:
            return Part(
                headers,
                kind,
                transfer,
                binascii.a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True),
            )
        except binascii.Error:
            return Part(headers, kind, "", body)
    if transfer == "quoted-printable":
        data = binascii.a2b_qp(body)
        if binascii.a2b_qp(encode_quoted_printable(data, 76)) == data:
            return Part(headers, kind, transfer, data)
    return Part(headers, kind, "", body)


def encode_quoted_printable(data: bytes, width: int) -> bytes:
    """Quoted-printable (RFC 2045 section 6.7) that keeps every line break as it is, lines at most `width` long."""
    lines = []
    at = 0
    for found in _BREAK_BYTES.finditer(data):
        lines.append(_quoted_line(data[at : found.start()], width) + found.group())
        at = found.end()
    lines.append(_quoted_line(data[at:], width))
    return b"".join(lines)


def _quoted_line(line: bytes, width: int) -> bytes:
    quoted = binascii.b2a_qp(line, istext=True).replace(b"=\n", b"")
    if len(quoted) < width:
        return quoted
    pieces = []
    at = 0
    while len(quoted) - at >= width:
        cut = at + width - 1
        if quoted[cut - 1 : cut] == b"=":
            cut -= 1
        elif quoted[cut - 2 : cut - 1] == b"=":
            cut -= 2
        pieces.append(quoted[at:cut])
        at = cut
    pieces.append(quoted[at:])
    return b"=\r\n".join(pieces)
