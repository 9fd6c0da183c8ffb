"""What the feed needs of a source server, as values and one port."""

from dataclasses import dataclass
from typing import Protocol

from schemas.change import Marks, Summary
from schemas.listing import ListingPage


class CursorLostError(Exception):
    """The server does not accept the sync state any more: an empty one has to be used."""


@dataclass(frozen=True, slots=True)
class FolderSeen:
    """A folder as the hierarchy shows it; `distinguished` is empty where it has no such id."""

    folder_id: str
    parent_id: str
    name: str
    folder_class: str
    distinguished: str


@dataclass(frozen=True, slots=True)
class HierarchyPage:
    """One answer of SyncFolderHierarchy (MS-OXWSSYNC): ids of folders gone, and the next cursor."""

    seen: tuple[FolderSeen, ...]
    gone: tuple[str, ...]
    cursor: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One answer of SyncFolderItems (MS-OXWSSYNC): ids created or updated, read flags, ids gone."""

    saved: tuple[str, ...]
    read_flags: tuple[tuple[str, bool], ...]
    gone: tuple[str, ...]
    cursor: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class Described:
    """The small properties of an item; an empty fingerprint means unknown, an empty stamp that no replay made it."""

    item_id: str
    change_key: str
    folder_id: str
    search_key: str
    fingerprint: str
    marks: Marks
    summary: Summary
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Portable:
    """An item as MIME with the extended properties beside it (tag to value)."""

    mime: bytes
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """The server did not hand out an item; `code` is a response code or one of the fault table's own."""

    code: str


class Source(Protocol):
    """A mailbox server that is read; every method raises CallFailed, none re-sends or sleeps."""

    @property
    def version(self) -> str:
        """Version of the server, as it says itself."""
        ...

    def hierarchy(self, address: str, cursor: str) -> HierarchyPage:
        """Read one page of folder changes; CursorLostError if the cursor is refused."""
        ...

    def items(self, address: str, folder_id: str, cursor: str) -> ItemPage:
        """Read one page (at most 512) of item changes; CursorLostError if the cursor is refused."""
        ...

    def describe(self, address: str, item_ids: list[str]) -> list[Described | Failed]:
        """Return small properties, one answer an id."""
        ...

    def change_keys(self, address: str, item_ids: list[str]) -> list[str | Failed]:
        """Return the present ChangeKeys, one answer an id: only if it is the described one, what was read is, too."""
        ...

    def export(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Return export streams, one answer an id; a truncated one is Failed."""
        ...

    def portable(self, address: str, item_ids: list[str]) -> list[Portable | Failed]:
        """Return MIME and properties, one answer an id."""
        ...

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Return the settable elements of items (`schemas.element_values`), one answer an id."""
        ...

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:
        """List one page of a folder's items from an offset on, without content."""
        ...

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Return a value for each folder that differs after any change; empty where that is not certain."""
        ...
