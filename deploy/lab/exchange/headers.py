"""Message headers to item fields and back: what Exchange reads from MIME, and what it writes for its own fields."""

import re
import time
from calendar import timegm
from email.header import Header, decode_header
from email.utils import formatdate, getaddresses, mktime_tz, parsedate_tz
from typing import Any, Final

from deploy.lab.exchange.content import Headers

_SIMPLE: Final = re.compile(r'\s*(?:"([^"\\<>@,;:]*)"|([^"\\<>@,;:()]*?))\s*<([^<>@\s",;:]+@[^<>@\s",;:]+)>\s*$')
_BARE: Final = re.compile(r"\s*([^<>@\s\"',;:()]+@[^<>@\s\"',;:()]+)\s*$")
_WORD: Final = re.compile(r"=\?[^?]*\?[bqBQ]\?[^?]*\?=")
_REPLY: Final = re.compile(r"^(?:\s*(?:re|fw|fwd|aw|wg|sv|antw?)\s*:\s*)+", re.IGNORECASE)
_ADDRESS_FIELDS: Final = {
    "to": "ToRecipients",
    "cc": "CcRecipients",
    "bcc": "BccRecipients",
    "reply-to": "ReplyTo",
}
_SENDERS: Final = {"from": "From", "sender": "Sender"}
_TEXT_FIELDS: Final = {
    "subject": "Subject",
    "message-id": "InternetMessageId",
    "in-reply-to": "InReplyTo",
    "references": "References",
    "thread-index": "ConversationIndex",
}
HEADER_OF_FIELD: Final = {
    "Subject": "Subject",
    "From": "From",
    "Sender": "Sender",
    "ToRecipients": "To",
    "CcRecipients": "Cc",
    "BccRecipients": "Bcc",
    "ReplyTo": "Reply-To",
    "InternetMessageId": "Message-ID",
    "InReplyTo": "In-Reply-To",
    "References": "References",
    "DateTimeSent": "Date",
    "IsReadReceiptRequested": "Disposition-Notification-To",
}
_SENSITIVITY: Final = {
    "personal": "Personal",
    "private": "Private",
    "company-confidential": "Confidential",
    "confidential": "Confidential",
}
_RECIPIENTS_MAX: Final = 5000


def readable(value: str) -> str:
    """Return a header value as text: encoded words decoded, raw bytes as UTF-8 or else Windows-1252; never raises."""
    if not value.isascii():
        raw = value.encode("utf-8", "surrogateescape")
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            value = raw.decode("cp1252", "replace")
    if "=?" not in value or _WORD.search(value) is None:
        return value.strip()
    try:
        pieces = decode_header(value)
    except Exception:  # noqa: BLE001 - which errors the parser raises on encoded words is not documented
        return value.strip()
    return "".join(_word(piece, charset) for piece, charset in pieces).strip()


def _word(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "utf-8")
    except (LookupError, ValueError):
        return piece.decode("latin-1")


def addresses(value: str) -> list[list[str]]:
    """Return the mailboxes of an address header as `[name, address, "SMTP"]`."""
    found = _SIMPLE.match(value)
    if found is not None:
        return [[readable(found.group(1) or found.group(2) or ""), readable(found.group(3)), "SMTP"]]
    bare = _BARE.match(value)
    if bare is not None:
        return [["", readable(bare.group(1)), "SMTP"]]
    try:
        pairs = getaddresses([value])
    except Exception:  # noqa: BLE001 - RecursionError of nested groups, and what else the parser raises
        return []
    return [[readable(name), readable(address), "SMTP"] for name, address in pairs[:_RECIPIENTS_MAX] if address.strip()]


_FIRST_YEAR: Final = 1601
"""Where MAPI's time begins."""


def sent_time(value: str) -> str | None:
    """Return a Date header as EWS text, or None for one that is no date."""
    try:
        parsed = parsedate_tz(value)
        if parsed is None:
            return None
        if parsed[0] in range(100, 1000):
            # a year of three digits counts from 1900 (RFC 5322 §4.3)
            parsed = (parsed[0] + 1900, *parsed[1:])
        if parsed[0] < _FIRST_YEAR:
            return None
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mktime_tz(parsed)))
    except Exception:  # noqa: BLE001 - as above
        return None


def topic_of(subject: str) -> str:
    """Return the conversation topic: a subject without reply and forward prefixes."""
    return _REPLY.sub("", subject)


def fields_of(headers: Headers) -> dict[str, Any]:
    """Return the item fields that a message's headers give; the first of a repeated header counts."""
    fields: dict[str, Any] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in _TEXT_FIELDS:
            fields.setdefault(_TEXT_FIELDS[lowered], readable(value))
        elif lowered in _ADDRESS_FIELDS or lowered in _SENDERS:
            _read_addresses(lowered, value, fields)
        elif lowered == "date" and "DateTimeSent" not in fields:
            sent = sent_time(value)
            if sent is not None:
                fields["DateTimeSent"] = sent
        else:
            _rarer(lowered, value, fields)
    if "Subject" in fields:
        fields.setdefault("ConversationTopic", topic_of(fields["Subject"]))
    if "From" in fields:
        fields.setdefault("Sender", fields["From"])
    return fields


def _read_addresses(name: str, value: str, fields: dict[str, Any]) -> None:
    found = addresses(value)
    if not found:
        return
    if name in _SENDERS:
        fields.setdefault(_SENDERS[name], found[0])
    else:
        fields.setdefault(_ADDRESS_FIELDS[name], []).extend(found)


def _rarer(name: str, value: str, fields: dict[str, Any]) -> None:
    if name == "importance" and value.strip().lower() in {"low", "high"}:
        fields["Importance"] = value.strip().capitalize()
    elif name == "x-priority" and "Importance" not in fields and value.strip()[:1] in {"1", "2", "4", "5"}:
        fields["Importance"] = "High" if value.strip()[0] in "12" else "Low"
    elif name == "sensitivity" and value.strip().lower() in _SENSITIVITY:
        fields["Sensitivity"] = _SENSITIVITY[value.strip().lower()]
    elif name == "disposition-notification-to":
        fields["IsReadReceiptRequested"] = "true"
    elif name == "return-receipt-to":
        fields["IsDeliveryReceiptRequested"] = "true"
    elif name == "thread-topic":
        fields["ConversationTopic"] = readable(value)


def _text_header(value: str) -> str:
    text = " ".join(value.split("\n")).replace("\r", " ")
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=10**6).encode()


def _mailbox_header(mailbox: list[str]) -> str:
    name, address = mailbox[0], mailbox[1]
    if not name:
        return address
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    return f"{_text_header(name)} <{address}>"


def header_of(field: str, value: Any, sender: list[str] | None = None) -> tuple[str, str] | None:
    """Return the header that carries an item field, or None where the field has none or is empty."""
    name = HEADER_OF_FIELD.get(field)
    if name is None or not value:
        return None
    if field in {"From", "Sender"}:
        return name, _mailbox_header(value)
    if field in _ADDRESS_FIELDS.values():
        return name, ", ".join(_mailbox_header(mailbox) for mailbox in value)
    if field == "DateTimeSent":
        return name, date_header(value)
    if field == "IsReadReceiptRequested":
        return (name, _mailbox_header(sender)) if value == "true" and sender else None
    return name, _text_header(str(value))


def date_header(text: str) -> str:
    """Return a Date header (RFC 5322) for a time in EWS text."""
    return formatdate(float(timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))), usegmt=False)
