"""Mail and other items that are put into a mailbox, as values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

from deploy.lab.mail_files import MailFile

FolderPath = tuple[str, ...]
INBOX = ("/inbox",)
UNDATED = datetime(2025, 1, 1, tzinfo=UTC)
_YEAR_MIN, _YEAR_MAX = 1971, 2100
_HEADER_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A message to put into mailbox number `owner`; a folder path begins with `/inbox` or another such id."""

    owner: int
    folder: FolderPath
    mime: bytes
    received: datetime
    is_read: bool = True
    is_draft: bool = False
    is_flagged: bool = False
    categories: tuple[str, ...] = ()
    importance: str = "Normal"
    origin: str = ""
    """The user's file that holds it, for messages about it; empty for generated mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An item that is no mail, as the EWS element that creates it in a distinguished folder."""

    owner: int
    folder: FolderPath
    element: str


def from_files(files: Iterable[MailFile], mailbox_count: int) -> Iterator[NewMail]:
    """Yield the user's own mail, dealt out to the mailboxes in turn; messages without a folder go to the inbox."""
    for number, file in enumerate(files):
        yield NewMail(
            owner=number % mailbox_count,
            folder=file.folder or INBOX,
            mime=file.content,
            received=_received(file.content),
            is_read=file.is_read,
            is_draft=file.is_draft,
            is_flagged=file.is_flagged,
            origin=file.origin,
        )


def _received(content: bytes) -> datetime:
    """Return when a message arrived by its newest Received header, else its Date, else a fixed day."""
    header = BytesHeaderParser().parsebytes(content[:_HEADER_BYTES_MAX])
    for written in (str(header.get("Received", "")).rpartition(";")[2], str(header.get("Date", ""))):
        try:
            moment = parsedate_to_datetime(written.strip())
            aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except Exception:  # noqa: BLE001, S112 - which errors the parser raises on a date is not documented
            continue
        if _YEAR_MIN <= aware.year <= _YEAR_MAX:
            return aware.replace(microsecond=0)
    return UNDATED
