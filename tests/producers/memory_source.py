"""A source of mail in memory: ids change with a move, times are whole seconds, sync tells the newest state only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from producers import fingerprint
from producers.source import CursorLostError, Described, Failed, FolderSeen, HierarchyPage, ItemPage, Portable
from schemas.canonical_row import CanonicalRow, canonical_row
from schemas.change import Marks, Summary
from schemas.folder_probe import REST_SECONDS, UNCERTAIN
from schemas.listing import ListedItem, ListingPage
from schemas.ports import CallRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ADDRESS = "anna@source.test"
READ = Marks(is_read=True)
UNREAD = Marks(is_read=False)


@dataclass(slots=True)
class StoredFolder:
    """A folder with the journal of what happened in it: (kind, item id), kind one of saved, flag, gone."""

    seen: FolderSeen
    journal: list[tuple[str, str]] = field(default_factory=list)
    committed_seconds: int = 0
    deleted: int = 0


@dataclass(slots=True)
class StoredItem:
    """An item as the server holds it; `refusals` makes a method answer a code for it."""

    item_id: str
    folder_id: str
    content: bytes
    marks: Marks
    search_key: str
    change_key: str
    modified_seconds: int
    item_class: str = "IPM.Note"
    refusals: dict[str, str] = field(default_factory=dict)
    stamp: str = ""


class MemorySource:
    """One server in memory: ids change with a move, times are whole seconds, sync tells the newest state only."""

    version = "15.0.1"

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._ids = count(1)
        self._epoch = 0
        self.folders: dict[str, StoredFolder] = {}
        self.items_by_id: dict[str, StoredItem] = {}
        self.tree: list[str] = []
        self.calls: list[tuple[str, tuple[str, object]]] = []
        self.hooks: defaultdict[str, list[Callable[[], object]]] = defaultdict(list)
        self.page_items_max = 512
        self.listing_items_max = 1000
        self.moves_touch_time = False
        self.tells_unseen_deletions = False
        self.closed_folders: set[str] = set()
        self.inbox = self.add_folder("Inbox", distinguished="inbox")

    # -- what users do ---------------------------------------------------------------------------------------

    def add_folder(self, name: str, parent_id: str = "", distinguished: str = "") -> str:
        folder_id = f"folder-{next(self._ids)}"
        self.folders[folder_id] = StoredFolder(FolderSeen(folder_id, parent_id, name, "IPF.Note", distinguished))
        self.tree.append(folder_id)
        return folder_id

    def change_folder(self, folder_id: str, **values: str) -> None:
        self.folders[folder_id].seen = replace(self.folders[folder_id].seen, **values)
        self.tree.append(folder_id)

    def delete_folder(self, folder_id: str) -> None:
        for child in [f for f, s in self.folders.items() if s.seen.parent_id == folder_id]:
            self.delete_folder(child)
        for item in [i for i in self.items_by_id.values() if i.folder_id == folder_id]:
            del self.items_by_id[item.item_id]
        del self.folders[folder_id]
        self.tree.append(folder_id)

    def add(self, folder_id: str, content: bytes = b"", marks: Marks = UNREAD, item_class: str = "IPM.Note") -> str:
        number = next(self._ids)
        body = content or b"Subject: letter\r\n\r\nbody %d\r\n" % number
        return self._store(folder_id, body, marks, f"search-{number}", item_class)

    def edit(self, item_id: str, content: bytes = b"") -> None:
        item = self.items_by_id[item_id]
        item.content = content or item.content + b"edited\r\n"
        self._touch(item)

    def mark(self, item_id: str, marks: Marks) -> None:
        """Set marks; only a read flag is told as such by sync, the rest is an update like any other."""
        item = self.items_by_id[item_id]
        is_flag_only = replace(item.marks, is_read=marks.is_read) == marks
        item.marks = marks
        self._touch(item, "flag" if is_flag_only else "saved")

    def move(self, item_id: str, folder_id: str) -> str:
        item = self.items_by_id[item_id]
        new_id = self._store(folder_id, item.content, item.marks, item.search_key, item.item_class)
        if not self.moves_touch_time:
            self.items_by_id[new_id].modified_seconds = item.modified_seconds
        self.items_by_id[new_id].refusals = item.refusals
        self.items_by_id[new_id].stamp = item.stamp
        self.delete(item_id)
        return new_id

    def copy(self, item_id: str, folder_id: str) -> str:
        item = self.items_by_id[item_id]
        return self._store(folder_id, item.content, item.marks, item.search_key, item.item_class)

    def delete(self, item_id: str) -> None:
        item = self.items_by_id.pop(item_id)
        self.folders[item.folder_id].deleted += 1
        self._note(item.folder_id, "gone", item_id)

    def lose_cursors(self) -> None:
        self._epoch += 1

    def _store(self, folder_id: str, content: bytes, marks: Marks, search_key: str, item_class: str) -> str:
        number = next(self._ids)
        seconds = self._clock() // 1000
        item = StoredItem(
            f"item-{number}", folder_id, content, marks, search_key, f"change-{number}", seconds, item_class
        )
        self.items_by_id[item.item_id] = item
        self._note(folder_id, "saved", item.item_id)
        return item.item_id

    def _touch(self, item: StoredItem, kind: str = "saved") -> None:
        item.change_key = f"change-{next(self._ids)}"
        item.modified_seconds = self._clock() // 1000
        self._note(item.folder_id, kind, item.item_id)

    def _note(self, folder_id: str, kind: str, item_id: str) -> None:
        self.folders[folder_id].journal.append((kind, item_id))
        self.folders[folder_id].committed_seconds = self._clock() // 1000

    # -- what the feed asks ------------------------------------------------------------------------------------

    def before(self, method: str, act: Callable[[], object]) -> None:
        """Do something right before the next call of a method is answered; it may raise."""
        self.hooks[method].append(act)

    def _called(self, method: str, about: tuple[str, object]) -> None:
        self.calls.append((method, about))
        if self.hooks[method]:
            self.hooks[method].pop(0)()

    def hierarchy(self, address: str, cursor: str) -> HierarchyPage:
        self._called("hierarchy", (address, cursor))
        _, start = self._positions(cursor)
        changed = list(dict.fromkeys(self.tree[start:]))
        return HierarchyPage(
            seen=tuple(self.folders[f].seen for f in changed if f in self.folders),
            gone=tuple(f for f in changed if f not in self.folders),
            cursor=f"{self._epoch}:0:{len(self.tree)}",
            is_last=True,
        )

    def items(self, address: str, folder_id: str, cursor: str) -> ItemPage:
        self._called("items", (address, folder_id))
        base, start = self._positions(cursor)
        if folder_id not in self.folders:
            raise CallRefused("ErrorItemNotFound", "no such folder")
        if folder_id in self.closed_folders:
            raise CallRefused("ErrorAccessDenied", "closed")
        journal = self.folders[folder_id].journal
        existed = self._alive(journal[:base]) | self._alive(journal[:start])
        if self.tells_unseen_deletions:
            existed |= {i for _, i in journal}
        last = {item_id: number for number, (_, item_id) in enumerate(journal) if number >= start}
        told = sorted(last, key=lambda i: last[i])[: self.page_items_max]
        is_last = len(told) == len(last)
        alive = self._alive(journal)
        saved_since = {i for kind, i in journal[base:] if kind == "saved"}
        saved = tuple(i for i in told if i in alive and (i in saved_since or not cursor))
        position = len(journal) if is_last else last[told[-1]] + 1
        return ItemPage(
            saved=saved,
            read_flags=tuple((i, self.items_by_id[i].marks.is_read) for i in told if i in alive and i not in saved),
            gone=tuple(i for i in told if i in existed and i not in alive),
            cursor=f"{self._epoch}:{position if is_last else base}:{position}",
            is_last=is_last,
        )

    @staticmethod
    def _alive(journal: Iterable[tuple[str, str]]) -> set[str]:
        found: set[str] = set()
        for kind, item_id in journal:
            (found.discard if kind == "gone" else found.add)(item_id)
        return found

    def _positions(self, cursor: str) -> tuple[int, int]:
        """Return where the last complete reading ended, and what of the journal was told."""
        epoch, base, told = (int(p) for p in (cursor or f"{self._epoch}:0:0").split(":"))
        if epoch != self._epoch:
            raise CursorLostError("the sync state is not known")
        return base, told

    def describe(self, address: str, item_ids: list[str]) -> list[Described | Failed]:
        self._called("describe", (address, tuple(item_ids)))
        return [self._answer("describe", i, self._described) for i in item_ids]

    def change_keys(self, address: str, item_ids: list[str]) -> list[str | Failed]:
        self._called("change_keys", (address, tuple(item_ids)))
        return [self._answer("change_keys", i, lambda item: item.change_key) for i in item_ids]

    def export(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        self._called("export", (address, tuple(item_ids)))
        return [self._answer("export", i, lambda item: item.content) for i in item_ids]

    def portable(self, address: str, item_ids: list[str]) -> list[Portable | Failed]:
        self._called("portable", (address, tuple(item_ids)))
        return [self._answer("portable", i, lambda item: Portable(item.content, {})) for i in item_ids]

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        self._called("elements", (address, tuple(item_ids)))
        return [self._answer("elements", i, lambda item: item.content) for i in item_ids]

    def _answer(self, method: str, item_id: str, make: Callable[[StoredItem], Any]) -> Any:
        item = self.items_by_id.get(item_id)
        if item is None:
            return Failed("ErrorItemNotFound")
        return Failed(item.refusals[method]) if method in item.refusals else make(item)

    def _described(self, item: StoredItem) -> Described:
        summary = summary_of(size_bytes=len(item.content), item_class=item.item_class)
        is_at_rest = item.modified_seconds + REST_SECONDS <= self._clock() // 1000
        cheap = fingerprint.cheap(summary, str(item.modified_seconds), is_at_rest=is_at_rest)
        return Described(
            item.item_id, item.change_key, item.folder_id, item.search_key, cheap, item.marks, summary, item.stamp
        )

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:
        self._called("listing", (address, folder_id))
        if folder_id not in self.folders:
            raise CallRefused("ErrorFolderNotFound", "no such folder")
        held = [i for i in self.items_by_id.values() if i.folder_id == folder_id]
        shown = held[offset : offset + self.listing_items_max]
        end = offset + len(shown)
        items = tuple(
            ListedItem(i.item_id, i.change_key, "", len(i.content), row_of(i.item_class, i.content, i.marks))
            for i in shown
        )
        return ListingPage(items, end if end < len(held) else None, has_flags=True)

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        self._called("probe", (address, tuple(folder_ids)))
        found = {}
        for folder_id in folder_ids:
            if folder := self.folders.get(folder_id):
                total = sum(i.folder_id == folder_id for i in self.items_by_id.values())
                rested = folder.committed_seconds + REST_SECONDS <= self._clock() // 1000
                value = f"{folder.committed_seconds:012d}/{folder.deleted}/{total}"
                found[folder_id] = value + ("" if rested else UNCERTAIN)
        return found


def row_of(item_class: str, content: bytes, marks: Marks) -> CanonicalRow:
    """An item as a listing shows it, its content in place of a subject."""
    return canonical_row(
        item_class=item_class, message_id="", subject=content.decode(errors="replace"), sent="", received="",
        is_draft=False, marks=marks, sensitivity="Normal", with_flag=True,
    )  # fmt: skip


def summary_of(size_bytes: int = 10, item_class: str = "IPM.Note") -> Summary:
    """Small properties that differ in nothing but size and class."""
    return Summary(
        item_class=item_class, subject="letter", sender="", message_id="", sent_at="", received_at="",
        size_bytes=size_bytes, has_attachments=False, is_draft=False,
    )  # fmt: skip
