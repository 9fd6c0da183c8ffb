"""Reads messages that somebody else wrote: Python's email package, with an answer for every input.

That package raises on text that looks legal: TypeError for mixed RFC 2231 parameters (cpython issues 125648 and
134156), LookupError and UnicodeError for charsets such as `undefined` and `idna`, ValueError for a NUL in a charset,
RecursionError for parts, groups or comments that nest a thousand deep. A user or a server chooses these texts, so
each reading here is total: what can't be read has a value that says so, and that value is the same at every server.

Nesting is bounded by a number and not by Python's stack, because the depth at which the stack ends depends on who
called.
"""

import re
from collections.abc import Callable, Iterator
from copy import copy
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from functools import partial
from typing import Final, TypeVar

NESTING_MAX: Final = 50
"""Parts below parts. What nests deeper is compared by its bytes."""
GROUPS_MAX: Final = 50
"""Colons and parentheses of one address header: each may nest the reading of the next."""

_T = TypeVar("_T")
_LINE_END: Final = re.compile(r"\r\n?|\n")
_WORD: Final = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")


def parse(mime: bytes) -> Message | None:
    """Return a message, or None where its parts can't be told or nest deeper than `NESTING_MAX`."""
    message = _total(lambda: message_from_bytes(mime), None)
    return None if message is None or _is_too_deep(message) else message


def parse_header(mime: bytes) -> Message:
    """Return a message of which only the header is read; all that follows is one leaf."""
    return BytesHeaderParser().parsebytes(mime)


def children(part: Message) -> list[Message]:
    """Return the parts directly below a multipart or a message/rfc822; none of a leaf."""
    payload = _total(part.get_payload, None) if part.is_multipart() else None
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def fields(part: Message) -> Iterator[tuple[str, str]]:
    """Yield (lower-case name, unfolded value) of each header field in order, raw 8-bit bytes as surrogates."""
    return ((name.lower(), unfolded(str(raw))) for name, raw in part.raw_items())


def header(part: Message, name: str) -> str:
    """Return the first header field of a lower-case name, unfolded and undecoded; an empty text where there is none."""
    return next((value for field, value in fields(part) if field == name), "")


def unfolded(value: str) -> str:
    """Return a header value on one line (RFC 5322 section 2.2.3)."""
    return _LINE_END.sub("", value).strip()


def media_type(part: Message) -> str:
    """Return the lower-case type of a part; text/plain where it can't be read (RFC 2045 section 5.2)."""
    return _total(part.get_content_type, "text/plain")


def charset(part: Message) -> str:
    """Return the lower-case charset that a part names; an empty text for none and for one that can't be read."""
    return _total(part.get_content_charset, None) or ""


def file_name(part: Message) -> str:
    """Return the name of a part as text; the whole Content-Disposition or Content-Type where it can't be read."""
    name = _total(lambda: part.get_filename() or "", None)
    if name is None:
        whole = decoded_header(header(part, "content-disposition") or header(part, "content-type"))
        return " ".join(whole.split())
    return decoded_header(_LINE_END.sub("", name))


def decoded(part: Message) -> bytes:
    """Return a leaf's bytes without transfer encoding, or as they are where that can't be taken off."""
    payload = _payload(part)
    return encoded(part) if payload is None else payload


def encoded(part: Message) -> bytes:
    """Return a leaf's bytes in their transfer encoding; none of a multipart."""
    bare = copy(part)
    del bare["content-transfer-encoding"]  # so that nothing is decoded; the original keeps it
    return _payload(bare) or b""


def text(part: Message) -> str:
    """Return a leaf's text in its charset, else in UTF-8, Windows-1252 or Latin-1."""
    return decoded_text(decoded(part), charset(part) or "utf-8")


def decoded_text(data: bytes, name: str) -> str:
    """Return bytes as text in the named charset, else in UTF-8, Windows-1252 or Latin-1."""
    for choice in (name, "utf-8", "cp1252"):
        read = _total(partial(str, data, choice), None)
        if read is not None:
            return read
    return data.decode("latin-1")


def decoded_header(value: str) -> str:
    """Return an unfolded header value as text: encoded words (RFC 2047) and raw 8-bit bytes decoded."""
    if not value.isascii():
        value = decoded_text(value.encode("utf-8", "surrogateescape"), "utf-8")
    if "=?" not in value or _WORD.search(value) is None:
        return value
    return _total(lambda: _joined_words(value), value)


def addresses(value: str) -> list[tuple[str, str]]:
    """Return (display name, SMTP address) of each mailbox of an address header; none where any can't be read."""
    if value.count(":") > GROUPS_MAX or value.count("(") > GROUPS_MAX:
        return []
    plain = decoded_header(value) if "=?" not in value else value
    nobody: list[tuple[str, str]] = []
    pairs = _total(lambda: getaddresses([plain]), nobody)
    return [(decoded_header(name), address) for name, address in pairs] if all("@" in a for _, a in pairs) else []


def moment(value: str) -> datetime | None:
    """Return the time of a Date header in UTC, or None for one that is no time (RFC 5322 section 3.3)."""
    return _total(lambda: _utc(parsedate_to_datetime(value)), None)


def _payload(part: Message) -> bytes | None:
    payload = _total(lambda: part.get_payload(decode=True), None)
    return payload if isinstance(payload, bytes) else None


def _utc(written: datetime) -> datetime:
    return written.replace(tzinfo=UTC) if written.tzinfo is None else written.astimezone(UTC)


def _joined_words(value: str) -> str:
    pieces = decode_header(value)
    return "".join(p if isinstance(p, str) else decoded_text(p, name or "utf-8") for p, name in pieces).strip()


def _is_too_deep(message: Message) -> bool:
    level = [message]
    for _ in range(NESTING_MAX + 1):
        level = [child for part in level for child in children(part)]
        if not level:
            return False
    return True


def _total(read: Callable[[], _T], otherwise: _T) -> _T:
    """Return a reading of somebody else's text, or the other value where Python's parser fails on it."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - which errors that parser raises is not documented and grows with its versions
        return otherwise
