"""Decisions of a round: answers of the source and the index in, changes out. No I/O, clock or randomness.

Every function leaves the index and the returned operations consistent: whatever is in one is in the other,
so a transaction may be cut after any of them (design §4: no cursor before its changes, no change without
its index entry).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from producers.index import MailboxIndex
from producers.source import Described, FolderSeen, HierarchyPage
from schemas import folder_probe
from schemas.change import (
    FolderDeleted,
    FolderSaved,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemRef,
    ItemUnreadable,
    Marks,
)
from schemas.faults import ReplicationFault, is_final
from schemas.folder_probe import UNCERTAIN
from schemas.identity import Stamp, item_key
from schemas.ports import CallRefused
from schemas.state import IndexEntry, Owed, SourceFolder

UNREADABLE_ATTEMPTS = 8
"""An item that was asked for so often, or whose fault is final, is said to be unreadable, and nobody waits for it."""
RETRY_SECONDS_MAX = 3600
_Folder = TypeVar("_Folder", FolderSeen, SourceFolder)


class Content(Enum):
    """What an update means for content."""

    SAME = "same"
    COMPARE = "compare decoded content first"
    CHANGED = "changed, or not known to be the same"


def see_hierarchy(index: MailboxIndex, page: HierarchyPage) -> list[FolderSaved]:
    """Take over one page of the hierarchy: folders saved, parents first; folders gone wait for their items."""
    saved = see_folders(index, parents_first(page.seen))
    see_folders_gone(index, set(page.gone))
    return saved


def see_folders(index: MailboxIndex, folders: Sequence[FolderSeen]) -> list[FolderSaved]:
    """Take over folders of the hierarchy, in this order; return the changes of those that are not as they were."""
    saved = []
    for seen in folders:
        known = index.folders.get(seen.folder_id)
        folder = replace(
            known or SourceFolder(folder_id=seen.folder_id, parent_id="", name="", folder_class="", distinguished=""),
            parent_id=seen.parent_id,
            name=seen.name,
            folder_class=seen.folder_class,
            # the ids of distinguished folders are asked for once; an answer that lacks one does not take it away
            distinguished=seen.distinguished or (known.distinguished if known else ""),
            gone=False,
        )
        if known and known.gone:
            # its items are pending by now, and its cursor would not name them again
            folder = replace(folder, cursor="", probe="")
        if folder != known:
            index.put_folder(folder)
            saved.append(folder_saved(folder))
    return saved


def joined(pages: Sequence[HierarchyPage]) -> HierarchyPage:
    """Return the pages of one reading as one: what a later page says of a folder counts."""
    seen: dict[str, FolderSeen] = {}
    gone: dict[str, None] = {}
    for page in pages:
        for folder in page.seen:
            seen[folder.folder_id] = folder
            gone.pop(folder.folder_id, None)
        for folder_id in page.gone:
            seen.pop(folder_id, None)
            gone[folder_id] = None
    return HierarchyPage(tuple(seen.values()), tuple(gone), pages[-1].cursor, pages[-1].is_last)


def see_folders_gone(index: MailboxIndex, folder_ids: set[str]) -> None:
    """Take over that folders are gone: their items are pending deletions until everything else was read."""
    for _ in each_gone(index, folder_ids):
        pass


def each_gone(index: MailboxIndex, folder_ids: set[str]) -> Iterator[None]:
    """Take over that folders are gone, a record at a time; a transaction may be cut after each.

    A folder comes after its items: one that is known to be gone is not looked at again.
    """
    for folder_id in sorted(folder_ids):
        if (known := index.folders.get(folder_id)) is None or known.gone:
            continue
        for entry in index.in_folder(folder_id):
            if not entry.pending:
                see_gone(index, entry.item_id)
                yield
        index.put_folder(replace(index.folders[folder_id], gone=True))
        yield


def folder_saved(folder: SourceFolder) -> FolderSaved:
    """Return the change that states a folder completely."""
    return FolderSaved(
        folder_id=folder.folder_id,
        parent_id=folder.parent_id,
        name=folder.name,
        folder_class=folder.folder_class,
        distinguished=folder.distinguished,
    )


def parents_first(seen: Iterable[_Folder]) -> list[_Folder]:
    """Return folders, each after the one it is in."""
    by_id = {f.folder_id: f for f in seen}
    ordered: dict[str, _Folder] = {}

    def visit(folder: _Folder, depth: int = 0) -> None:
        parent = by_id.get(folder.parent_id)
        if parent and parent.folder_id not in ordered and depth < len(by_id):
            visit(parent, depth + 1)
        ordered.setdefault(folder.folder_id, folder)

    for folder in by_id.values():
        visit(folder)
    return list(ordered.values())


def is_unchanged(folder: SourceFolder, probe: str) -> bool:
    """Tell whether a probe proves that nothing happened since the folder was read to its end."""
    return folder_probe.is_unchanged(folder.probe, probe)


def refuse_step_back(folder: SourceFolder, probe: str) -> None:
    """Raise CallRefused where a probe is older than the last one: a restored source, not deletions."""
    if folder.probe and probe and probe.rstrip(UNCERTAIN).split("/")[0] < folder.probe.rstrip(UNCERTAIN).split("/")[0]:
        raise CallRefused(
            ReplicationFault.SOURCE_WENT_BACK,
            "a folder is older than when it was last read: was the source restored from a backup? "
            "Look at it, then `mailshadow mailboxes resume`: everything is compared again",
        )


def see_gone(index: MailboxIndex, item_id: str) -> None:
    """Take over that an id is gone: pending if it was ever published, forgotten otherwise."""
    entry = index.by_item_id(item_id)
    if entry is None:
        return
    was_said = entry.change_key or (entry.owed and entry.owed.attempts >= UNREADABLE_ATTEMPTS)
    if was_said:
        index.put(replace(entry, pending=True))
    else:
        index.remove(entry.item)


def see_read_flag(index: MailboxIndex, item_id: str, *, is_read: bool) -> ItemMarked | None:
    """Take over a read flag of a known item; None where nothing is to be said."""
    entry = index.by_item_id(item_id)
    if entry is None or entry.marks is None or entry.marks.is_read == is_read:
        return None
    return mark(index, entry, replace(entry.marks, is_read=is_read))


def mark(index: MailboxIndex, entry: IndexEntry, marks: Marks) -> ItemMarked:
    """Record and return new marks of an item."""
    entry = replace(entry, marks=marks)
    index.put(entry)
    return ItemMarked(ref=ref_of(entry), marks=marks)


def judge(entry: IndexEntry, found: Described) -> Content:
    """Tell what a fresh look at a known item means for its content."""
    if entry.owed or not entry.change_key:
        return Content.CHANGED
    if entry.change_key == found.change_key:
        return Content.SAME
    if entry.fingerprint and entry.fingerprint == found.fingerprint:
        return Content.SAME
    return Content.COMPARE if entry.digest else Content.CHANGED


def candidates(index: MailboxIndex, found: Described) -> list[IndexEntry]:
    """Return the entries a new id may be the moved form of: pending ones first, alike ones before others.

    Where a replay made the item, its stamp names the entry: after the roles were turned no search key is known yet.
    """
    alike = {e.item: e for e in index.by_search_key(found.search_key) if e.item_id != found.item_id}
    stamp = Stamp.parse(found.stamp)
    stamped = index.entries.get(stamp.item) if stamp else None
    if stamped and stamped.item_id != found.item_id:
        alike[stamped.item] = stamped
    return sorted(
        alike.values(),
        key=lambda e: (
            not e.pending,
            not e.fingerprint or e.fingerprint != found.fingerprint,
            e.marks != found.marks,
        ),
    )


def move(index: MailboxIndex, entry: IndexEntry, found: Described) -> ItemMoved:
    """Record and return that a known item has a new id in another folder; content and marks stay to judge."""
    moved = replace(entry, item_id=found.item_id, folder_id=found.folder_id, pending=False)
    if judge(entry, found) is Content.SAME:
        moved = replace(moved, change_key=found.change_key)
    index.put(moved)
    return ItemMoved(ref=ref_of(moved), from_folder_id=entry.folder_id)


def newcomer(mailbox: str, item_id: str, folder_id: str, search_key: str = "") -> IndexEntry:
    """Return the entry of an id never seen before, with nothing fetched yet."""
    return IndexEntry(
        item=item_key(mailbox, item_id),
        item_id=item_id,
        folder_id=folder_id,
        change_key="",
        search_key=search_key,
        fingerprint="",
        digest="",
        marks=None,
    )


def retry_due_at(owed: Owed, now: int) -> int:
    """Return when an owed item is to be fetched again; at once where a clock that jumped had said it."""
    return owed.retry_at if owed.retry_at <= now + RETRY_SECONDS_MAX * 1000 else now


def owe(
    index: MailboxIndex, entry: IndexEntry, reason: str, now: int, *, is_news: bool = True
) -> ItemUnreadable | None:
    """Record that an item could not be fetched; after the last quick retry that is said, once.

    A fault that is final is said at once, as if the quick retries had been made: it is only looked at rarely.
    `is_news`: there may be newer content than was fetched last, so no target's content is current, whoever asked.
    """
    before = entry.owed
    is_news = is_news or (before is not None and before.is_news)
    attempts_before = before.attempts if before else 0
    attempts = max(attempts_before + 1, UNREADABLE_ATTEMPTS if is_final(reason) else 1)
    targets = before.targets if before else ()
    wait_seconds = min(2**attempts, RETRY_SECONDS_MAX)
    owed = Owed(
        since=before.since if before else now,
        attempts=attempts,
        retry_at=now + wait_seconds * 1000,
        reason=reason,
        targets=targets,
        is_news=is_news,
    )
    index.put(replace(entry, owed=owed))
    if attempts_before < UNREADABLE_ATTEMPTS <= attempts:
        ref = replace(ref_of(entry), change_key="") if is_news else ref_of(entry)
        return ItemUnreadable(ref=ref, reason=reason, targets=targets)
    return None


def is_last_quick_retry(entry: IndexEntry, reason: str) -> bool:
    """Tell whether a refusal now ends the quick retries of an item, or follows them, all for the same reason."""
    owed = entry.owed
    return owed is not None and owed.reason == reason and owed.attempts + 1 >= UNREADABLE_ATTEMPTS


def want(index: MailboxIndex, entry: IndexEntry, now: int, target: str, reason: str) -> None:
    """Mark an item owed at once, for one target or (no target) for everybody."""
    targets = {target} if target else set()
    if entry.owed:
        targets |= set(entry.owed.targets)
    is_news = entry.owed is not None and entry.owed.is_news
    owed = Owed(since=now, attempts=0, retry_at=0, reason=reason, targets=tuple(sorted(targets)), is_news=is_news)
    index.put(replace(entry, owed=owed))


@dataclass(frozen=True, slots=True)
class Reading:
    """When, in ticks of this capture, each folder was last known to be read to its end."""

    hierarchy: int
    folders: dict[str, int]


def releasable(index: MailboxIndex, reading: Reading, pending_since: dict[str, int]) -> list[IndexEntry]:
    """Return pending deletions after which every folder was read, or probed unchanged (design §4).

    One restored from an earlier owner counts from tick 0: everything read since acquiring is after it.
    """
    live = [f.folder_id for f in index.folders.values() if not f.gone]
    oldest = min([reading.hierarchy, *(reading.folders.get(f, -1) for f in live)])
    return [index.entries[i] for i in sorted(index.pending) if pending_since.get(i, 0) < oldest]


def delete(index: MailboxIndex, entry: IndexEntry) -> ItemDeleted:
    """Forget an item and return its deletion."""
    index.remove(entry.item)
    return ItemDeleted(ref=ref_of(entry))


def delete_folders(index: MailboxIndex) -> list[FolderDeleted]:
    """Forget the folders that are gone and empty, children first, and return their deletions."""
    return list(each_deleted_folder(index))


def each_deleted_folder(index: MailboxIndex) -> Iterator[FolderDeleted]:
    """Forget the folders that are gone and empty, children first; a transaction may be cut after each.

    A child that is not known to be gone keeps its parents: the hierarchy has yet to say what became of it.
    """
    gone = {f.folder_id: f for f in index.folders.values() if f.gone}
    occupied = {e.folder_id for e in index.entries.values() if e.folder_id in gone} if gone else set()
    while empty := sorted(gone.keys() - occupied - {f.parent_id for f in index.folders.values()}):
        for folder_id in empty:
            del gone[folder_id]
            index.remove_folder(folder_id)
            yield FolderDeleted(folder_id=folder_id)


def ref_of(entry: IndexEntry) -> ItemRef:
    """Return how the log names an item."""
    return ItemRef(
        item=entry.item,
        item_id=entry.item_id,
        folder_id=entry.folder_id,
        change_key=entry.change_key,
        search_key=entry.search_key,
        fingerprint=entry.fingerprint,
    )
