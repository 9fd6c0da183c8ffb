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
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from schemas import message_parsing as parsing
from schemas.canonical import CanonicalAttachment, CanonicalItem, ShownItem, canonical_item, text_digest

_ADDRESS_HEADERS: Final = ("from", "sender", "reply-to", "to", "cc", "bcc")
_RENDERED_HEADERS: Final = frozenset({"mime-version", "content-transfer-encoding", "content-type"})
_BODY_TYPES: Final = ("text/html", "text/plain")
_WHOLE_TYPES: Final = ("multipart/signed", "multipart/encrypted")
_LINE_END: Final = re.compile(r"\r\n?|\n")


@dataclass(slots=True)
class _Parts:
    """The leaves of a message: candidates for the body with the alternative they stand in, and attachments."""

    bodies: list[tuple[Message, int]] = field(default_factory=list)
    attachments: list[CanonicalAttachment] = field(default_factory=list)


def from_message(mime: bytes, shown: ShownItem) -> CanonicalItem:
    """Return the canonical form of a message; never raises, whatever the MIME holds."""
    message = parsing.parse(mime)
    if message is not None:
        body, attachments = _content(message)
    else:
        message = parsing.parse_header(mime)
        body, attachments = hashlib.sha256(parsing.encoded(message)).hexdigest(), []
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


class _Headers:
    """The message's own headers, taken apart."""

    __slots__ = ("message_id", "recipients", "rest", "subject")

    def __init__(self, message: Message, *, is_draft: bool) -> None:
        self.message_id = ""
        self.subject: str | None = None
        self.recipients: list[tuple[str, str, str]] = []
        self.rest: list[tuple[str, str]] = [("content-type", parsing.media_type(message))]
        for name, value in parsing.fields(message):
            self._take(name, value, is_draft=is_draft)
        if self.subject is None:
            self.subject = ""

    def _take(self, name: str, value: str, *, is_draft: bool) -> None:
        if name in _RENDERED_HEADERS or (name == "date" and is_draft):
            return
        if name == "message-id" and not self.message_id:
            self.message_id = parsing.decoded_header(value)
        elif name == "subject" and self.subject is None:
            self.subject = parsing.decoded_header(value)
        elif name == "date":
            self.rest.append((name, _date(value)))
        elif name in _ADDRESS_HEADERS and (people := _people(name, value)):
            self.recipients += people
        else:
            self.rest.append((name, parsing.decoded_header(value)))


def _people(name: str, value: str) -> list[tuple[str, str, str]]:
    """Return (header, SMTP address, display name) of each mailbox, or nothing if one cannot be read."""
    return [(name, address, shown) for shown, address in parsing.addresses(value)]


def _date(value: str) -> str:
    moment = parsing.moment(value)
    return parsing.decoded_header(value) if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _content(message: Message) -> tuple[str, list[CanonicalAttachment]]:
    """Return the digest of the best body and the attachments; a second body outside its alternative is one."""
    parts = _Parts()
    _collect(message, parts, alternative=0)
    best = next((b for kind in _BODY_TYPES for b in parts.bodies if parsing.media_type(b[0]) == kind), None)
    if best is None:
        return "", parts.attachments
    others = (part for part, group in parts.bodies if part is not best[0] and not (group and group == best[1]))
    body = text_digest(f"{parsing.media_type(best[0])}\n{_LINE_END.sub(chr(10), parsing.text(best[0]))}")
    return body, [*parts.attachments, *map(_attachment, others)]


def _collect(part: Message, parts: _Parts, alternative: int) -> None:
    kind = parsing.media_type(part)
    if kind in _WHOLE_TYPES:
        parts.attachments.append(CanonicalAttachment(name=kind, content_id="", sha256=_whole_digest(part)))
    elif kind.startswith("message/"):
        parts.attachments.append(_attachment(part))
    elif part.is_multipart():
        for child in parsing.children(part):
            _collect(child, parts, id(part) if kind == "multipart/alternative" else alternative)
    elif kind in _BODY_TYPES and not _is_attached(part):
        parts.bodies.append((part, alternative))
    else:
        parts.attachments.append(_attachment(part))


def _is_attached(part: Message) -> bool:
    disposition = parsing.header(part, "content-disposition").lower()
    return disposition.startswith("attachment") or bool(parsing.file_name(part))


def _attachment(part: Message) -> CanonicalAttachment:
    inner = parsing.children(part)
    content = "\n".join(map(_embedded_digest, inner)).encode() if inner else parsing.decoded(part)
    return CanonicalAttachment(
        name=parsing.file_name(part),
        content_id=parsing.decoded_header(parsing.header(part, "content-id")).strip("<>"),
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
            found.update(parsing.encoded(piece))
    return found.hexdigest()


def _header_of(person: tuple[str, str, str]) -> str:
    """Return the header a recipient stands in: headers change places, the people of one header do not."""
    return person[0]
