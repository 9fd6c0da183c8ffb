"""A reader of the log that shares nothing with the feed: folds it, and refuses what is said twice or out of order."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from schemas.change import (
    Change,
    Chunk,
    FolderDeleted,
    FolderSaved,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemRef,
    ItemSaved,
    Marks,
    SeedBegin,
    SeedEnd,
    Version,
)
from schemas.codec import decode
from schemas.ports import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An item as the log tells it."""

    item_id: str
    folder_id: str
    stream: bytes
    marks: Marks
    change_key: str
    told_at: Version


NOTHING = Version(generation=0, sequence=0)


@dataclass(slots=True)
class LogFold:
    """Folders (id to parent and name) and items (by key); every change is held against what was said before."""

    folders: dict[str, tuple[str, str]] = field(default_factory=dict)
    items: dict[str, Told] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)
    seeds: int = 0
    _chunks: list[Chunk] = field(default_factory=list)
    _applied: Version = NOTHING
    _named: set[str] = field(default_factory=set)
    _seed: Version | None = None

    def take(self, record: Change | Chunk) -> None:
        if isinstance(record, Chunk):
            self._chunks.append(record)
            return
        is_next = record.version == replace(self._applied, sequence=self._applied.sequence + 1)
        assert is_next or (record.generation == self._applied.generation + 1 and record.sequence == 1), (
            f"{record.version} after {self._applied}"
        )
        self._applied = record.version
        operation = record.operation
        match operation:
            case SeedBegin():
                self._seed, self._named = record.version, set()
                self.seeds += 1
            case SeedEnd(begun=begun):
                assert self._seed, "the end of a seed that was not begun"
                assert begun == self._seed.sequence
                self.items = {k: t for k, t in self.items.items() if t.told_at > self._seed}
                self._seed = None
            case FolderSaved() | FolderDeleted():
                self._take_folder(operation)
            case ItemSaved():
                self._save(operation, record.version)
            case ItemMarked(ref=ref, marks=marks):
                held = self._known(ref)
                assert held.marks != marks, "marks said twice"
                self.items[ref.item] = replace(held, marks=marks)
            case ItemMoved(ref=ref):
                held = self._known(ref)
                assert held.folder_id != ref.folder_id, "a move said twice"
                assert ref.folder_id in self.folders, "an item before its folder"
                self.items[ref.item] = replace(held, folder_id=ref.folder_id, item_id=ref.item_id)
            case ItemDeleted(ref=ref):
                self._known(ref)
                del self.items[ref.item]
            case other:
                raise AssertionError(f"{type(other).__name__} although nothing is unreadable")

    def _known(self, ref: ItemRef) -> Told:
        assert ref.item in self.items, "a change of an item that is not there: said twice, or before its item"
        return self.items[ref.item]

    def _take_folder(self, operation: FolderSaved | FolderDeleted) -> None:
        folder_id = operation.folder_id
        if isinstance(operation, FolderSaved):
            seen = operation.parent_id, operation.name
            assert not operation.parent_id or operation.parent_id in self.folders, "a folder before its parent"
            is_restated = self._seed is not None and folder_id not in self._named
            assert is_restated or self.folders.get(folder_id) != seen, "a folder said twice"
            self._named.add(folder_id)
            self.folders[folder_id] = seen
        else:
            assert folder_id in self.folders, "the deletion of a folder said twice"
            assert all(t.folder_id != folder_id for t in self.items.values()), "a folder deleted with content"
            assert all(parent != folder_id for parent, _ in self.folders.values()), "a parent deleted before its child"
            del self.folders[folder_id]

    def _save(self, saved: ItemSaved, version: Version) -> None:
        ref = saved.ref
        assert ref.folder_id in self.folders, "an item before its folder"
        if saved.targets:
            self.wanted.append(ref.item)
        else:
            is_restated = self._seed is not None and ref.item not in self._named
            held = self.items.get(ref.item)
            assert is_restated or held is None or held.change_key != ref.change_key, "an item said twice"
        self._named.add(ref.item)
        self.items[ref.item] = Told(
            item_id=ref.item_id, folder_id=ref.folder_id, stream=self._body(saved), marks=saved.marks,
            change_key=ref.change_key, told_at=version,
        )  # fmt: skip

    def _body(self, saved: ItemSaved) -> bytes:
        content = saved.contents[0]
        chunks, self._chunks = self._chunks, []
        assert [c.index for c in chunks] == list(range(content.chunk_count)), "chunks that are not their item's"
        body = b"".join(c.body for c in chunks) or content.body
        assert hashlib.sha256(body).hexdigest() == content.sha256
        return body


def folded(records: Iterable[Incoming]) -> LogFold:
    """Fold a log from its start; AssertionError for what no replay should have to read."""
    fold = LogFold()
    for record in records:
        if record.value:
            fold.take(decode(record.value))
    return fold
