"""A target in memory that behaves as the facts say of Exchange.

Order: every call asks `hook` before it, between two of its items and after it; what the hook raises leaves the call
undone, done in part, or done.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

import pytest

from consumers.target import Done, Edit, Held, HeldFolder, Outcome, PortableItem, Refused, Update
from schemas.canonical_row import CanonicalRow, canonical_row
from schemas.change import Marks
from schemas.listing import ListedItem, ListingPage
from schemas.ports import AnswerUnknown, CallRefused

HIDDEN_ROOT = ":recoverableitemsdeletions"
LATE = "still under way"
"""The detail of an AnswerUnknown whose request arrives later."""
READ = Marks(is_read=True)
Hook = Callable[[str, str], None]
V = TypeVar("V")


def _nothing(_name: str, _when: str) -> None:
    pass


@dataclass(slots=True)
class MemoryFolder:
    """A folder of the target."""

    parent_id: str
    name: str
    is_root: bool = False
    is_hidden: bool = False


@dataclass(slots=True)
class MemoryItem:
    """An item of the target."""

    folder_id: str
    content: bytes
    marks: Marks
    stamp: str
    change_key: str


@dataclass(slots=True)
class MemoryTarget:
    """`consumers.target.Target` in memory: ids die at a move, writes move the ChangeKey, stamps stay.

    `seen` is the story of each stamped item outside staging: (folder, content, marks), or None once it is gone.
    """

    hook: Hook = _nothing
    folders: dict[str, MemoryFolder] = field(default_factory=dict)
    items: dict[str, MemoryItem] = field(default_factory=dict)
    recoverable: list[MemoryItem] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    seen: defaultdict[str, list[tuple[str, bytes, Marks] | None]] = field(default_factory=lambda: defaultdict(list))
    refuse_content: dict[bytes, str] = field(default_factory=dict)
    writing_at: str = ""
    listing_items_max: int = 1000
    late: list[Callable[[], object]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def root(self, address: str, name: str) -> str:
        with self._call("root"):
            return self._root(address, name)

    def find_child(self, address: str, parent_id: str, name: str) -> HeldFolder | None:  # noqa: ARG002 - the port's
        with self._call("find_child"):
            if parent_id not in self.folders:
                raise CallRefused("ErrorFolderNotFound", "no such parent")
            found = (i for i, f in list(self.folders.items()) if f.parent_id == parent_id and _same(f.name, name))
            return next((self._held_folder(i) for i in found), None)

    def folder(self, address: str, folder_id: str) -> HeldFolder | None:  # noqa: ARG002 - the port's
        with self._call("folder"):
            return self._held_folder(folder_id) if folder_id in self.folders else None

    def create_folder(self, address: str, parent_id: str, name: str, folder_class: str, *, hidden: bool) -> Outcome:  # noqa: ARG002 - the port's
        return self._once("create_folder", lambda: self._make_folder(parent_id, name, hidden=hidden))

    def rename_folder(self, address: str, folder_id: str, name: str) -> Outcome:  # noqa: ARG002 - the port's
        return self._once("rename_folder", lambda: self._put_folder(folder_id, name=name))

    def move_folder(self, address: str, folder_id: str, parent_id: str) -> Outcome:  # noqa: ARG002 - the port's
        return self._once("move_folder", lambda: self._put_folder(folder_id, parent_id=parent_id))

    def delete_folder(self, address: str, folder_id: str) -> Outcome:  # noqa: ARG002 - the port's
        return self._once("delete_folder", lambda: self._drop_folder(folder_id))

    def upload(self, address: str, folder_id: str, streams: list[bytes]) -> list[Outcome]:  # noqa: ARG002 - the port's
        return self._each("upload", streams, lambda s: self._make(folder_id, s, READ, ""))

    def create(self, address: str, folder_id: str, items: list[PortableItem]) -> list[Outcome]:  # noqa: ARG002 - the port's
        return self._each("create", items, lambda i: self._make(folder_id, i.mime, i.marks, i.stamp))

    def update(self, address: str, updates: list[Update]) -> list[Outcome]:  # noqa: ARG002 - the port's
        return self._each("update", updates, self._update)

    def edit(self, address: str, edits: list[Edit]) -> list[Outcome]:  # noqa: ARG002 - the port's
        return self._each("edit", edits, self._edit)

    def mimes(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:  # noqa: ARG002 - the port's
        with self._call("look"):
            return [self.items[i].content if i in self.items else Refused("ErrorItemNotFound") for i in item_ids]

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:
        return self.mimes(address, item_ids)

    def move(self, address: str, item_ids: list[str], folder_id: str) -> list[Outcome]:
        self.writing_at = address
        return self._each("move", item_ids, lambda i: self._move(i, folder_id))

    def delete(self, address: str, item_ids: list[str], *, hard: bool) -> list[Outcome]:  # noqa: ARG002 - the port's
        return self._each("delete", item_ids, lambda i: self._delete(i, hard=hard))

    def find(self, address: str, folder_ids: list[str], stamps: list[str]) -> list[Held]:  # noqa: ARG002 - the port's
        with self._call("find"):
            wanted = {s.lower() for s in stamps}
            held = [h for f in folder_ids for h in self._held_in(f)]
            if any(f.endswith(":recoverableitemsdeletions") for f in folder_ids):
                held += [Held("gone", i.change_key, i.stamp, i.marks) for i in list(self.recoverable)]
            return [h for h in held if h.stamp.lower() in wanted]

    def look(self, address: str, item_ids: list[str]) -> list[Held | Refused]:  # noqa: ARG002 - the port's
        with self._call("look"):
            return [self._held(i) if i in self.items else Refused("ErrorItemNotFound") for i in item_ids]

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:  # noqa: ARG002 - the port's
        with self._call("listing"):
            if folder_id not in self.folders:
                raise CallRefused("ErrorFolderNotFound", "no such folder")
            held = [(i, item) for i, item in list(self.items.items()) if item.folder_id == folder_id]
            shown = held[offset : offset + self.listing_items_max]
            end = offset + len(shown)
            items = tuple(ListedItem(i, m.change_key, m.stamp, len(m.content), row_of(m)) for i, m in shown)
            return ListingPage(items, end if end < len(held) else None, has_flags=True)

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:  # noqa: ARG002 - the port's
        with self._call("probe"):
            return {i: self._probe(i) for i in folder_ids if i in self.folders}

    def folder_ids(self, address: str) -> list[str]:
        with self._call("folder_ids"):
            return [i for i, f in list(self.folders.items()) if not f.is_hidden and self._is_of(address, i)]

    def listed(self, address: str, folder_id: str) -> list[Held]:  # noqa: ARG002 - the port's
        with self._call("listed"):
            if folder_id not in self.folders:
                raise CallRefused("ErrorFolderNotFound", "no such folder")
            return self._held_in(folder_id)[:1000]

    # -- what users at the target do and see

    def add_folder(self, parent_id: str, name: str, *, is_hidden: bool = False) -> str:
        folder_id = f"folder-{next(self._numbers)}"
        self.folders[folder_id] = MemoryFolder(parent_id, name, is_hidden=is_hidden)
        return folder_id

    def add_item(self, folder_id: str, content: bytes, stamp: str = "") -> str:
        item_id = f"id-{next(self._numbers)}"
        self.items[item_id] = MemoryItem(folder_id, content, READ, stamp, f"key-{next(self._numbers)}")
        return item_id

    def path(self, folder_id: str) -> str:
        folder = self.folders[folder_id]
        return folder.name if folder.is_root else f"{self.path(folder.parent_id)}/{folder.name}"

    def is_staging(self, folder_id: str) -> bool:
        return self.folders[folder_id].is_hidden

    def visible(self) -> dict[str, list[tuple[str, bytes, Marks]]]:
        """Map the item key of each stamp (or `foreign`) to where and what is seen of it."""
        found: defaultdict[str, list[tuple[str, bytes, Marks]]] = defaultdict(list)
        for item in list(self.items.values()):
            if not self.is_staging(item.folder_id):
                found[_key_of(item.stamp)].append((self.path(item.folder_id), item.content, item.marks))
        return dict(found)

    def staged(self) -> list[MemoryItem]:
        return [i for i in list(self.items.values()) if self.is_staging(i.folder_id)]

    def tree(self) -> set[str]:
        return {self.path(i) for i, f in list(self.folders.items()) if not f.is_hidden and not f.is_root}

    # -- inside

    def _is_of(self, address: str, folder_id: str) -> bool:
        while not self.folders[folder_id].is_root:
            folder_id = self.folders[folder_id].parent_id
        return folder_id.startswith(f"{address}:") and not folder_id.endswith(HIDDEN_ROOT)

    def hide_folder(self, address: str, folder_id: str) -> None:
        """Delete a folder softly, at a server where it stays readable and writable by its id."""
        self.folders[folder_id].parent_id = self._root(address, HIDDEN_ROOT.removeprefix(":"))

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        self.hook(name, "before")
        yield
        self.hook(name, "after")

    def _each(self, name: str, inputs: Sequence[V], do: Callable[[V], Outcome]) -> list[Outcome]:
        try:
            with self._call(name):
                outcomes: list[Outcome] = []
                for value in inputs:
                    if outcomes:
                        self.hook(name, "between")
                    outcomes.append(do(value))
                return outcomes
        except AnswerUnknown as unknown:
            if unknown.detail == LATE:
                self.late.append(lambda: [do(value) for value in inputs])
            raise

    def _once(self, name: str, do: Callable[[], Outcome]) -> Outcome:
        return self._each(name, [None], lambda _: do())[0]

    def deliver_late(self) -> None:
        """Carry out the requests that lay in a buffer somewhere."""
        waiting, self.late = self.late, []
        for request in waiting:
            request()

    def _root(self, address: str, name: str) -> str:
        if name == "nowhere":
            raise CallRefused("ErrorFolderNotFound", "no such folder")
        root_id = f"{address}:{name}"
        if root_id not in self.folders:
            parent_id = "" if name == "root" else self._root(address, "root")
            self.folders[root_id] = MemoryFolder(parent_id, name, is_root=True)
        return root_id

    def _is_taken(self, parent_id: str, name: str, by_other_than: str = "") -> bool:
        among = ((i, f) for i, f in list(self.folders.items()) if f.parent_id == parent_id and i != by_other_than)
        return any(_same(f.name, name) for _, f in among)

    def _make_folder(self, parent_id: str, name: str, *, hidden: bool) -> Outcome:
        if parent_id not in self.folders:
            return Refused("ErrorParentFolderNotFound")
        if self._is_taken(parent_id, name):
            return Refused("ErrorFolderExists")
        return Done(self.add_folder(parent_id, name, is_hidden=hidden), "")

    def _put_folder(self, folder_id: str, *, parent_id: str = "", name: str = "") -> Outcome:
        folder = self.folders.get(folder_id)
        if folder is None:
            return Refused("ErrorFolderNotFound")
        parent_id, name = parent_id or folder.parent_id, name or folder.name
        if self._is_taken(parent_id, name, folder_id):
            return Refused("ErrorFolderExists")
        folder.parent_id, folder.name = parent_id, name
        return Done(folder_id, "")

    def _drop_folder(self, folder_id: str) -> Outcome:
        if folder_id not in self.folders:
            return Refused("ErrorFolderNotFound")
        for item_id in [i for i, item in list(self.items.items()) if item.folder_id == folder_id]:
            self.recoverable.append(self.items.pop(item_id))
        del self.folders[folder_id]
        return Done(folder_id, "")

    def _probe(self, folder_id: str) -> str:
        held = sorted((i, m.change_key, m.stamp) for i, m in list(self.items.items()) if m.folder_id == folder_id)
        return hashlib.sha256(repr(held).encode()).hexdigest()

    def _held_folder(self, folder_id: str) -> HeldFolder:
        folder = self.folders[folder_id]
        total = sum(i.folder_id == folder_id for i in list(self.items.values()))
        children = sum(f.parent_id == folder_id for f in list(self.folders.values()))
        return HeldFolder(folder_id, folder.parent_id, folder.name, total, children)

    def _held(self, item_id: str) -> Held:
        item = self.items[item_id]
        return Held(item_id, item.change_key, item.stamp, item.marks)

    def _held_in(self, folder_id: str) -> list[Held]:
        return [self._held(i) for i, item in list(self.items.items()) if item.folder_id == folder_id]

    def _make(self, folder_id: str, content: bytes, marks: Marks, stamp: str) -> Outcome:
        if folder_id not in self.folders:
            return Refused("ErrorSavedItemFolderNotFound")
        if content in self.refuse_content:
            return Refused(self.refuse_content[content])
        item_id = self.add_item(folder_id, content, stamp)
        self.items[item_id].marks = marks
        return Done(item_id, self.items[item_id].change_key)

    def _edit(self, edit: Edit) -> Outcome:
        item = self.items.get(edit.item_id)
        if edit.elements and item and item.change_key == edit.change_key:
            # a server takes what differs from what it was told to have; from anything else, it becomes something else
            assert edit.present == item.content
        same = Update(item_id=edit.item_id, change_key=edit.change_key, stamp=edit.stamp, marks=edit.marks)
        return self._update(same, edit.mime or edit.elements)

    def _update(self, update: Update, content: bytes = b"") -> Outcome:
        if update.item_id not in self.items:
            return Refused("ErrorItemNotFound")
        item = self.items[update.item_id]
        if item.change_key != update.change_key:
            return Refused("ErrorIrresolvableConflict")
        item.stamp, item.marks, item.change_key = update.stamp, update.marks or item.marks, f"key-{next(self._numbers)}"
        item.content = content or item.content
        self._note(item)
        return Done(update.item_id, item.change_key)

    def _move(self, item_id: str, folder_id: str) -> Outcome:
        if folder_id not in self.folders:
            return Refused("ErrorToFolderNotFound")
        if item_id not in self.items:
            return Refused("ErrorItemNotFound")
        item = self.items.pop(item_id)
        item.folder_id = folder_id
        new_id = f"id-{next(self._numbers)}"
        self.items[new_id] = item
        self._note(item)
        return Done(new_id, item.change_key)

    def _delete(self, item_id: str, *, hard: bool) -> Outcome:
        if item_id not in self.items:
            return Refused("ErrorItemNotFound")
        item = self.items.pop(item_id)
        if not hard:
            self.recoverable.append(item)
        key = _key_of(item.stamp)
        if not self.is_staging(item.folder_id) and key not in self.visible():
            self.seen[key].append(None)
        return Done(item_id, "")

    def _note(self, item: MemoryItem) -> None:
        if not self.is_staging(item.folder_id):
            self.seen[_key_of(item.stamp)].append((self.path(item.folder_id), item.content, item.marks))


def row_of(item: MemoryItem) -> CanonicalRow:
    return canonical_row(
        item_class="IPM.Note", message_id="", subject=item.content.decode(errors="replace"), sent="", received="",
        is_draft=False, marks=item.marks, sensitivity="Normal", with_flag=True,
    )  # fmt: skip


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _key_of(stamp: str) -> str:
    return stamp.split(":")[1] if stamp.count(":") == 2 else "foreign"


@pytest.fixture(scope="session")
def memory_target() -> type[MemoryTarget]:
    return MemoryTarget


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()
