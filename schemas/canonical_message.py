"""The canonical form of a message from its MIME and what the server shows beside it.

Dirt becomes, on every side alike: raw 8-bit bytes of a header are read as UTF-8, else as Windows-1252, else as
Latin-1; unknown or wrong charsets of a body likewise; a Date that is none stays as text; an address header that
cannot be read stays whole among the headers; repeated headers all count; parts of a damaged multipart count as far
as Python's parser reads them, and what nests deeper than it can follow counts as bytes. Nothing raises.

Left out is only what a server writes itself: MIME-Version, Content-Transfer-Encoding, the parameters of the
message's Content-Type, the Date of a draft, and the alternative that is not the best body.
"""

import hashlib
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from schemas.canonical import CanonicalAttachment, CanonicalItem, ShownItem, canonical_item, text_digest

_ADDRESS_HEADERS: Final = ("from", "sender", "reply-to", "to", "cc", "bcc")
_RENDERED_HEADERS: Final = frozenset({"mime-version", "content-transfer-encoding", "content-type"})
_BODY_TYPES: Final = ("text/html", "text/plain")
_WHOLE_TYPES: Final = ("multipart/signed", "multipart/encrypted")
_LINE_END: Final = re.compile(r"\r\n?|\n")
_WORD: Final = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n|\r\r")
_DIRT: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    HeaderParseError,
    OverflowError,
    AssertionError,
)


@dataclass(slots=True)
class _Parts:
    """The leaves of a message: candidates for the body with the alternative they stand in, and attachments."""

    bodies: list[tuple[Message, int]] = field(default_factory=list)
    attachments: list[CanonicalAttachment] = field(default_factory=list)


def from_message(mime: bytes, shown: ShownItem) -> CanonicalItem:
    """Return the canonical form of a message; never raises, whatever the MIME holds."""
    try:
        message = message_from_bytes(mime)
        body, attachments = _content(message)
    except RecursionError:
        head, _, rest = _split(mime)
        message = message_from_bytes(head)
        body, attachments = hashlib.sha256(rest).hexdigest(), []
    found = _Headers(message, is_draft=shown.is_draft)
    return canonical_item(
        shown,
        body=body,
        sent="" if shown.is_draft else shown.sent,
        received=shown.received,
        message_id=found.message_id,
        subject=found.subject,
        recipients=tuple(sorted(found.recipients, key=_header_of)),
        headers=found.rest,
        attachments=attachments,
    )


def _split(mime: bytes) -> tuple[bytes, bytes, bytes]:
    end = _HEADER_END.search(mime)
    return (mime, b"", b"") if end is None else (mime[: end.end()], b"", mime[end.end() :])


class _Headers:
    """The message's own headers, taken apart."""

    __slots__ = ("message_id", "recipients", "rest", "subject")

    def __init__(self, message: Message, *, is_draft: bool) -> None:
        self.message_id = ""
        self.subject: str | None = None
        self.recipients: list[tuple[str, str, str]] = []
        self.rest: list[tuple[str, str]] = [("content-type", _media_type(message))]
        for name, raw in message.raw_items():
            self._take(name.lower(), _LINE_END.sub("", str(raw)).strip(), is_draft=is_draft)
        if self.subject is None:
            self.subject = ""

    def _take(self, name: str, value: str, *, is_draft: bool) -> None:
        if name in _RENDERED_HEADERS or (name == "date" and is_draft):
            return
        if name == "message-id" and not self.message_id:
            self.message_id = decoded_header(value)
        elif name == "subject" and self.subject is None:
            self.subject = decoded_header(value)
        elif name == "date":
            self.rest.append((name, _date(value)))
        elif name in _ADDRESS_HEADERS and (people := _people(name, value)):
            self.recipients += people
        else:
            self.rest.append((name, decoded_header(value)))


def decoded_header(value: str) -> str:
    """Return an unfolded header value as text: encoded words (RFC 2047) and raw 8-bit bytes decoded."""
    if not value.isascii():
        value = _read(value.encode("utf-8", "surrogateescape"), "utf-8")
    if "=?" not in value or _WORD.search(value) is None:
        return value
    try:
        pieces = decode_header(value)
    except _DIRT:
        return value
    return "".join(p if isinstance(p, str) else _read(p, charset or "utf-8") for p, charset in pieces).strip()


def _read(data: bytes, charset: str) -> str:
    for name in (charset, "utf-8", "cp1252"):
        try:
            return data.decode(name)
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1")


def _people(name: str, value: str) -> list[tuple[str, str, str]]:
    """Return (header, SMTP address, display name) of each mailbox, or nothing if one cannot be read."""
    try:
        pairs = getaddresses([decoded_header(value) if "=?" not in value else value])
    except _DIRT:
        return []
    if not pairs or not all("@" in address for _, address in pairs):
        return []
    return [(name, address, decoded_header(shown)) for shown, address in pairs]


def _date(value: str) -> str:
    try:
        moment = parsedate_to_datetime(value)
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except _DIRT:
        return decoded_header(value)
    return f"{aware:%Y-%m-%dT%H:%M:%S}Z" if isinstance(moment, datetime) else value


def _content(message: Message) -> tuple[str, list[CanonicalAttachment]]:
    """Return the digest of the best body and the attachments; a second body outside its alternative is one."""
    parts = _Parts()
    _collect(message, parts, alternative=0)
    best = next((b for kind in _BODY_TYPES for b in parts.bodies if _media_type(b[0]) == kind), None)
    if best is None:
        return "", parts.attachments
    others = (part for part, group in parts.bodies if part is not best[0] and not (group and group == best[1]))
    body = text_digest(f"{_media_type(best[0])}\n{_LINE_END.sub(chr(10), _text(best[0]))}")
    return body, [*parts.attachments, *map(_attachment, others)]


def _collect(part: Message, parts: _Parts, alternative: int) -> None:
    kind = _media_type(part)
    if kind in _WHOLE_TYPES:
        parts.attachments.append(CanonicalAttachment(name=kind, content_id="", sha256=_whole_digest(part)))
    elif kind.startswith("message/"):
        parts.attachments.append(_attachment(part))
    elif part.is_multipart():
        for child in _children(part):
            _collect(child, parts, id(part) if kind == "multipart/alternative" else alternative)
    elif kind in _BODY_TYPES and not _is_attached(part):
        parts.bodies.append((part, alternative))
    else:
        parts.attachments.append(_attachment(part))


def _children(part: Message) -> list[Message]:
    found = part.get_payload()
    return [child for child in found if isinstance(child, Message)] if isinstance(found, list) else []


def _is_attached(part: Message) -> bool:
    disposition = _raw_header(part, "content-disposition").lower()
    return disposition.startswith("attachment") or bool(_file_name(part))


def _attachment(part: Message) -> CanonicalAttachment:
    inner = _children(part)
    content = "\n".join(map(_embedded_digest, inner)).encode() if inner else _bytes(part)
    return CanonicalAttachment(
        name=_file_name(part),
        content_id=decoded_header(_raw_header(part, "content-id")).strip("<>"),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _embedded_digest(message: Message) -> str:
    """Return the digest of a message inside a message, which servers store as an item and render anew."""
    body, attachments = _content(message)
    found = _Headers(message, is_draft=False)
    headers = sorted(found.rest)
    people = sorted(found.recipients, key=_header_of)
    facts = (found.message_id, found.subject, people, headers, body, sorted(map(repr, attachments)))
    return text_digest(repr(facts))


def _whole_digest(part: Message) -> str:
    """Return the digest of a signed or encrypted part: every header line and every encoded byte below it counts."""
    found = hashlib.sha256()
    for piece in part.walk():
        if piece is not part:
            found.update(repr([(n, str(v)) for n, v in piece.raw_items()]).encode("utf-8", "surrogatepass"))
        if not piece.is_multipart():
            found.update(_encoded_bytes(piece))
    return found.hexdigest()


def _encoded_bytes(part: Message) -> bytes:
    bare = copy(part)
    del bare["content-transfer-encoding"]  # so that nothing is decoded; the original keeps it
    payload = bare.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _bytes(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except _DIRT:
        payload = None
    return payload if isinstance(payload, bytes) else _encoded_bytes(part)


def _text(part: Message) -> str:
    try:
        charset = part.get_content_charset() or "utf-8"
    except _DIRT:
        charset = "utf-8"
    return _read(_bytes(part), charset)


def _media_type(part: Message) -> str:
    try:
        return part.get_content_type()
    except _DIRT:
        return "text/plain"


def _file_name(part: Message) -> str:
    try:
        return decoded_header(part.get_filename() or "")
    except _DIRT:
        return decoded_header(_raw_header(part, "content-disposition"))


def _raw_header(part: Message, wanted: str) -> str:
    return next(_named(part, wanted), "")


def _named(part: Message, wanted: str) -> Iterator[str]:
    return (_LINE_END.sub("", str(raw)).strip() for name, raw in part.raw_items() if name.lower() == wanted)


def _header_of(person: tuple[str, str, str]) -> str:
    """Return the header a recipient stands in: headers change places, the people of one header do not."""
    return person[0]
