"""The simplest reader of the log there can be: applies changes in order and refuses what no replay could apply."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from schemas.canonical_row import FolderDigest, folder_digest
from schemas.change import (
    Change,
    Checksum,
    Chunk,
    FolderDeleted,
    FolderSaved,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemSaved,
    Marks,
    SeedEnd,
    Version,
)
from schemas.codec import decode

from .memory_source import row_of

if TYPE_CHECKING:
    from .conftest import Rig


NOTHING = Version(generation=0, sequence=0)


@dataclass(frozen=True, slots=True)
class Held:
    """An item as the log told it."""

    item_id: str
    folder_id: str
    content: bytes
    marks: Marks
    told_at: Version
    change_key: str = ""


@dataclass(slots=True)
class Replica:
    """Folders (id to parent and name) and items (by key)."""

    folders: dict[str, tuple[str, str]] = field(default_factory=dict)
    items: dict[str, Held] = field(default_factory=dict)
    bodies: dict[str, dict[int, bytes]] = field(default_factory=dict)
    applied: Version = NOTHING
    proved: dict[str, Checksum] = field(default_factory=dict)

    def take(self, record: Change | Chunk) -> None:
        if isinstance(record, Chunk):
            self.bodies.setdefault(record.sha256, {})[record.index] = record.body
            return
        is_next = record.version == replace(self.applied, sequence=self.applied.sequence + 1)
        is_new_life = record.generation > self.applied.generation and record.sequence == 1
        assert is_next or is_new_life, f"{record.version} after {self.applied}"
        self.applied = record.version
        self._apply(record)

    def _apply(self, change: Change) -> None:
        match change.operation:
            case FolderSaved() as folder:
                assert not folder.parent_id or folder.parent_id in self.folders, "a folder before its parent"
                self.folders[folder.folder_id] = (folder.parent_id, folder.name)
            case FolderDeleted(folder_id=folder_id):
                assert all(i.folder_id != folder_id for i in self.items.values()), "a folder deleted with content"
                assert all(parent != folder_id for parent, _ in self.folders.values()), "a parent before its child"
                del self.folders[folder_id]
            case ItemSaved(ref=ref) as saved:
                assert ref.folder_id in self.folders, "an item before its folder"
                held = self.items.get(ref.item)
                is_known = held and ref.change_key and held.change_key == ref.change_key
                # content under a known ChangeKey is not written again (design §5)
                body = held.content if held and is_known else self._body(saved)
                self.items[ref.item] = Held(
                    ref.item_id, ref.folder_id, body, saved.marks, change.version, ref.change_key
                )
            case ItemMoved(ref=ref) if held := self.items.get(ref.item):
                assert ref.folder_id in self.folders, "an item before its folder"
                self.items[ref.item] = replace(
                    held, item_id=ref.item_id, folder_id=ref.folder_id, change_key=ref.change_key or held.change_key
                )
            case ItemMarked(ref=ref, marks=marks) if held := self.items.get(ref.item):
                self.items[ref.item] = replace(held, marks=marks, change_key=ref.change_key or held.change_key)
            case ItemDeleted(ref=ref):
                self.items.pop(ref.item, None)
            case Checksum() as checksum:
                found = self.digest(checksum.folder_id)
                assert (checksum.items, checksum.digest) == (found.items, found.hex), "not what the log says so far"
                self.proved[checksum.folder_id] = checksum
            case SeedEnd(begun=begun):
                first = Version(generation=change.generation, sequence=begun)
                self.items = {k: h for k, h in self.items.items() if h.told_at > first}

    def digest(self, folder_id: str) -> FolderDigest:
        """Return the digest of a folder as the log tells it, of rows as the source in memory lists them."""
        held = {k: h for k, h in self.items.items() if h.folder_id == folder_id}
        return folder_digest((k, row_of("IPM.Note", h.content, h.marks)) for k, h in held.items())

    def _body(self, saved: ItemSaved) -> bytes:
        content = saved.contents[0]
        pieces = self.bodies.get(content.sha256, {})
        return b"".join(pieces[n] for n in range(content.chunk_count)) if content.chunk_count else content.body


def replica_of(rig: Rig) -> Replica:
    """Read the whole log of a rig."""
    replica = Replica()
    for record in rig.owned.log[rig.topics.changes]:
        replica.take(decode(record.value or b""))
    return replica


def assert_equal(rig: Rig) -> None:
    """Compare what the log tells with what the source holds: ids, folders, content, marks."""
    replica = replica_of(rig)
    held = {h.item_id: (h.folder_id, h.content, h.marks) for h in replica.items.values()}
    assert held == {i.item_id: (i.folder_id, i.content, i.marks) for i in rig.source.items_by_id.values()}
    folders = {f: (s.seen.parent_id, s.seen.name) for f, s in rig.source.folders.items()}
    assert replica.folders == folders


def assert_proved(rig: Rig) -> None:
    """Every folder was said with a checksum that still holds."""
    replica = replica_of(rig)
    said = {f: c.digest for f, c in replica.proved.items() if f in replica.folders}
    assert said == {f: replica.digest(f).hex for f in replica.folders}
