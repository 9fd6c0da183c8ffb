"""The canonical form: what must be equal when two servers hold the same item (design §11), and nothing else.

Two servers never render an item alike, so raw MIME, boundaries, folding, header order, sizes, ids and modification
times are not in it. Everything a user could miss is. The same dirt becomes the same value on both sides, and no
input raises: times that are no times stay as their text, characters XML cannot hold become U+FFFD (servers replace
them differently, so what stands for them is compared as that one character).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final

CANONICAL_VERSION: Final = 1

VOLATILE_ELEMENTS: Final = frozenset(
    {
        "ItemId", "ParentFolderId", "MimeContent", "Size", "DateTimeCreated", "LastModifiedName", "LastModifiedTime",
        "ConversationId", "ConversationIndex", "StoreEntryId", "InstanceKey", "EffectiveRights", "UniqueBody",
        "NormalizedBody", "TextBody", "Preview", "WebClientReadFormQueryString", "WebClientEditFormQueryString",
        "AdjacentMeetingCount", "ConflictingMeetingCount", "ReminderNextTime", "DateTimeStamp", "Attachments",
        "ExtendedProperty", "InternetMessageHeaders", "ChangeCount", "AssociatedCalendarItemId", "PolicyTag",
        "ArchiveTag", "RetentionDate", "IsFromMe", "IsUnmodified", "IsResend", "IsSubmitted", "HasAttachments",
    }
)  # fmt: skip
"""Elements a server computes, numbers anew, or repeats from content that is compared by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalAttachment:
    """An attachment: name and content-id as text, content as the hex SHA-256 of its decoded bytes."""

    name: str
    content_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFlag:
    """A follow-up flag as EWS shows it; times in any xs:dateTime form, empty where there are none."""

    status: str = "NotFlagged"
    start: str = ""
    due: str = ""
    completed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """What a server shows of an item beside its MIME: MS-OXWSCORE elements, times in any xs:dateTime form."""

    item_class: str
    subject: str = ""
    body: str = ""
    sent: str = ""
    received: str = ""
    is_draft: bool = False
    is_read: bool = True
    flag: ShownFlag = ShownFlag()
    categories: tuple[str, ...] = ()
    importance: str = "Normal"
    sensitivity: str = "Normal"
    elements: tuple[tuple[str, str], ...] = ()
    attachments: tuple[CanonicalAttachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalItem:
    """One item in canonical form, version 1; times are UTC to the second, `body` is a hex SHA-256 of its text."""

    item_class: str
    message_id: str
    subject: str
    recipients: tuple[tuple[str, str, str], ...]
    sent: str
    received: str
    body: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[CanonicalAttachment, ...]
    is_draft: bool
    is_read: bool
    flag: tuple[str, str, str, str]
    categories: tuple[str, ...]
    importance: str
    sensitivity: str
    elements: tuple[tuple[str, str], ...]
    version: int = CANONICAL_VERSION

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal items."""
        return hashlib.sha256(repr(self).encode("utf-8", "surrogatepass")).digest()

    def identity(self) -> bytes:
        """Return 32 bytes by which two different states of one item are paired: its Message-ID where it has one."""
        parts = (self.message_id,) if self.message_id else (self.item_class, self.subject, self.received)
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()


def from_elements(shown: ShownItem) -> CanonicalItem:
    """Return the canonical form of an item that is no message: appointment, contact, task, note, list, unknown."""
    return canonical_item(shown, body=text_digest(xml_text(shown.body)), sent=shown.sent, received="")


def canonical_item(  # noqa: PLR0913 - what only a message has, by name
    shown: ShownItem,
    *,
    body: str,
    sent: str,
    received: str,
    message_id: str = "",
    subject: str | None = None,
    recipients: tuple[tuple[str, str, str], ...] = (),
    headers: Iterable[tuple[str, str]] = (),
    attachments: Iterable[CanonicalAttachment] = (),
) -> CanonicalItem:
    """Return a canonical item: multisets sorted, times to the second; what `shown` holds fills the rest."""
    flag = shown.flag
    return CanonicalItem(
        item_class=shown.item_class.upper(),
        message_id=message_id,
        subject=xml_text(shown.subject if subject is None else subject),
        recipients=recipients,
        sent=instant(sent),
        received=instant(received),
        body=body,
        headers=tuple(sorted(headers)),
        attachments=tuple(sorted((*attachments, *shown.attachments), key=repr)),
        is_draft=shown.is_draft,
        is_read=shown.is_read,
        flag=(flag.status, instant(flag.start), instant(flag.due), instant(flag.completed)),
        categories=tuple(sorted(map(xml_text, shown.categories))),
        importance=shown.importance,
        sensitivity=shown.sensitivity,
        elements=tuple(sorted((name, xml_text(value)) for name, value in shown.elements)),
    )


def differences(one: CanonicalItem, other: CanonicalItem) -> list[str]:
    """Return the names of the fields that differ, without their content."""
    return [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]


def instant(written: str) -> str:
    """Return an xs:dateTime as `2026-01-31T10:00:00Z`, fractions cut; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(written.strip())
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return written
    return f"{aware:%Y-%m-%dT%H:%M:%S}Z"


def xml_text(value: str) -> str:
    """Return text with line ends as LF and every character XML 1.0 cannot hold as U+FFFD."""
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    return plain if plain.isprintable() else plain.translate(_UNWRITABLE)


def text_digest(text: str) -> str:
    """Return the hex SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _unwritable() -> dict[int, str]:
    codes = [*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
    return dict.fromkeys(codes, "\N{REPLACEMENT CHARACTER}")


_UNWRITABLE: Final = _unwritable()
