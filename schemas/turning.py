"""What one direction of a pipeline knows of a mailbox, turned into what the other begins with (design §8). Pure.

The target's ledger becomes the new source's index, the source's index the new target's ledger: item ids and ChangeKeys
change places, and no content is read. What both sides know to be equal stays silent at the first listing, because the
server answers with the id and ChangeKey that the index holds; folder and marks of the index are those of the old
source, so that where the servers differ, the difference is what flows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    SourceFolder,
    TargetFolder,
    TargetMailbox,
)

NOT_THERE = "not at the old source"
CARRIED = "parked in the other direction"
"""The reason of a record whose content is behind at the other server: what the two hold differs, and that is known."""


@dataclass(slots=True)
class Known:
    """One mailbox as a direction left it, at both servers; `overruled` are items whose source content is not to stay.

    Keys: FolderId at the source, item key.
    """

    source: MailboxRecord
    target: TargetMailbox
    folders: dict[str, SourceFolder] = field(default_factory=dict)
    entries: dict[str, IndexEntry] = field(default_factory=dict)
    target_folders: dict[str, TargetFolder] = field(default_factory=dict)
    records: dict[str, ItemRecord] = field(default_factory=dict)
    overruled: set[str] = field(default_factory=set)

    def folder_at_target(self, folder_id: str) -> str:
        """Return the target FolderId that stands for a source folder; nothing where none does."""
        found = self.target_folders.get(folder_id)
        return found.target_id if found and not found.left_out else ""


def index_folders(known: Known) -> list[SourceFolder]:
    """Return the folders that both have, of the new source, unread, with the names and parents of the old one.

    One that is not at the old source is new to the first listing, so it is made there before its items come.
    """
    return [
        SourceFolder(
            folder_id=folder.target_id,
            parent_id=known.folder_at_target(known.folders[folder.folder_id].parent_id),
            name=known.folders[folder.folder_id].name,
            folder_class=folder.folder_class,
            distinguished=folder.distinguished,
        )
        for folder in _mapped(known)
    ]


def index_entries(known: Known, target: str, now: int) -> list[IndexEntry]:
    """Return the items of the new source; what the old one (`target` from now on) does not hold so is owed to it."""
    found = []
    for item, record in sorted(known.records.items()):
        entry = _at_source(known, item)
        folder_id = known.folder_at_target(entry.folder_id if entry else record.folder_id)
        if not record.target_id or not folder_id:
            continue
        is_behind = record.state is ItemState.PARKED and record.reason == CARRIED
        is_owed = entry is None or is_behind or item in known.overruled
        owed = Owed(since=now, attempts=0, retry_at=0, reason=NOT_THERE, targets=(target,)) if is_owed else None
        found.append(
            IndexEntry(
                item=item,
                item_id=record.target_id,
                folder_id=folder_id,
                change_key=record.target_change_key,
                search_key="",
                fingerprint="",
                digest="",
                marks=entry.marks if entry else record.marks,
                owed=owed,
            )
        )
    return found


def ledger_folders(known: Known) -> list[TargetFolder]:
    """Return the folder map of the new target: what was mirrored is ours, and goes when its users delete it."""
    return [
        TargetFolder(
            folder_id=folder.folder_id,
            target_id=old.folder_id,
            parent_id=folder.parent_id,
            name=folder.name,
            folder_class=folder.folder_class,
            distinguished=folder.distinguished,
            created=not folder.distinguished,
            generation=0,
            sequence=0,
        )
        for old, folder in zip(_mapped(known), index_folders(known), strict=True)
    ]


def ledger_records(known: Known, before: Mapping[str, ItemRecord]) -> list[ItemRecord]:
    """Return what the new target holds of the mirrored items; `before` is its ledger of the last time, for stamps.

    An empty nonce means that the item never carried a stamp of ours there: it is an original.
    """
    found = []
    for item, record in sorted(known.records.items()):
        entry = _at_source(known, item)
        folder_id = known.folder_at_target(entry.folder_id) if entry else ""
        if entry is None or not record.target_id or not folder_id or _holds_newer(entry):
            continue
        stamped = before.get(item)
        is_behind = record.state is ItemState.PARKED and record.reason != CARRIED
        found.append(
            ItemRecord(
                item=item,
                state=ItemState.PARKED if is_behind else ItemState.PRESENT,
                generation=0,
                sequence=0,
                source_change_key=record.target_change_key,
                folder_id=folder_id,
                marks=entry.marks,
                target_id=entry.item_id,
                target_change_key=entry.change_key,
                nonce=stamped.nonce if stamped else "",
                reason=CARRIED if is_behind else "",
            )
        )
    return found


def _holds_newer(entry: IndexEntry) -> bool:
    """Tell whether the old source may hold content that was never read: it is not ours to replace by an older one."""
    return entry.owed is not None and entry.owed.is_news


def _mapped(known: Known) -> list[TargetFolder]:
    """Return the folders that both servers have, for all that is known."""
    at_source = {f.folder_id for f in known.folders.values() if not f.gone}
    folders = [f for f in known.target_folders.values() if f.target_id and not f.left_out and f.folder_id in at_source]
    return sorted(folders, key=lambda f: f.folder_id)


def _at_source(known: Known, item: str) -> IndexEntry | None:
    """Return an item the source holds for all that is known; one that is gone and waits for its partner is not."""
    entry = known.entries.get(item)
    return entry if entry and entry.item_id and not entry.pending else None
