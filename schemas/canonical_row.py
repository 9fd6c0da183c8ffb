"""The canonical row of an item: what a listing shows on every version alike, and the digest of a folder made of rows.

A listing is cheap and shows no content, so a row is less than the canonical form (`canonical`): what it shows equal
may still differ in a body. What two servers show differently without anybody having changed anything is left out:
times of drafts and of what is no message, text beyond what every FindItem answers, and flags where one can't say.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.canonical import instant, xml_text
from schemas.change import Marks

ROW_VERSION: Final = 1
TEXT_CHARACTERS_MAX: Final = 200
"""FindItem cuts text after 255 characters (MS-OXWSSRCH); counted otherwise by some servers, so well below that."""

_MODULUS: Final = 1 << 128
_MESSAGE_CLASSES: Final = ("IPM.NOTE", "IPM.POST", "IPM.SCHEDULE.", "REPORT.")
_NO_FLAG: Final = ("", "", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalRow:
    """One item as a listing shows it; times are UTC to the second, `flag` is four empty texts where it is unknown."""

    item_class: str
    message_id: str
    subject: str
    sent: str
    received: str
    is_draft: bool
    is_read: bool
    flag: tuple[str, str, str, str]
    categories: tuple[str, ...]
    importance: str
    sensitivity: str

    def without_flag(self) -> "CanonicalRow":
        """Return the row as a server shows it that knows no flags."""
        return CanonicalRow(**{name: getattr(self, name) for name in self.__slots__} | {"flag": _NO_FLAG})


def canonical_row(  # noqa: PLR0913 - the properties of a listing, by name
    *,
    item_class: str,
    message_id: str,
    subject: str,
    sent: str,
    received: str,
    is_draft: bool,
    marks: Marks,
    sensitivity: str,
    with_flag: bool,
) -> CanonicalRow:
    """Return the row of an item from what a server shows: times in any xs:dateTime form, text as it is."""
    kind = item_class.upper()
    is_dated = kind.startswith(_MESSAGE_CLASSES) and not is_draft
    flag = (marks.flag_status, *(instant(t or "") for t in (marks.flag_start, marks.flag_due, marks.flag_completed)))
    return CanonicalRow(
        item_class=kind,
        message_id=xml_text(message_id)[:TEXT_CHARACTERS_MAX],
        subject=xml_text(subject)[:TEXT_CHARACTERS_MAX],
        sent=instant(sent) if is_dated else "",
        received=instant(received) if is_dated else "",
        is_draft=is_draft,
        is_read=marks.is_read,
        flag=(flag[0], flag[1], flag[2], flag[3]) if with_flag else _NO_FLAG,
        categories=tuple(sorted(map(xml_text, marks.categories))),
        importance=marks.importance,
        sensitivity=sensitivity,
    )


def row_digest(item: str, row: CanonicalRow) -> int:
    """Return what an item (by its key) adds to the digest of its folder: 128 bits."""
    written = repr((item, *(getattr(row, name) for name in row.__slots__)))
    return int.from_bytes(hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()[:16])


@dataclass(frozen=True, slots=True)
class FolderDigest:
    """How many items a folder holds, and the sum of their row digests modulo 2^128: the order does not matter."""

    items: int = 0
    total: int = 0

    def plus(self, item: str, row: CanonicalRow) -> "FolderDigest":
        """Return the digest with one item more."""
        return FolderDigest(self.items + 1, (self.total + row_digest(item, row)) % _MODULUS)

    @property
    def hex(self) -> str:
        """The sum as 32 hex digits."""
        return f"{self.total:032x}"


def folder_digest(rows: Iterable[tuple[str, CanonicalRow]]) -> FolderDigest:
    """Return the digest of a folder from (item key, row) pairs in any order."""
    found = FolderDigest()
    for item, row in rows:
        found = found.plus(item, row)
    return found


def differing_fields(one: CanonicalRow, other: CanonicalRow) -> list[str]:
    """Return the names of the properties that differ, without what they hold."""
    return [name for name in one.__slots__ if getattr(one, name) != getattr(other, name)]
