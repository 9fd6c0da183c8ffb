"""What the feed knows of one mailbox: folders, items, and what of it is not committed yet.

State: the mailbox record, folders by FolderId, entries by item key, with look-ups by ItemId and search key, and
which folders no checksum holds of (`unproved`).
Order: changed in place while a round runs; `drain` hands out what the next transaction must write.
Failure: after a failed transaction the whole index is dropped and read again from the restored state.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from producers.large_cursors import HIERARCHY, LargeCursors
from schemas.codec import decode, encode
from schemas.ports import Outgoing, OwnedPartition
from schemas.state import IndexEntry, MailboxRecord, SourceFolder
from schemas.topics import Topics, cursors_prefix, folder_key, item_record_key, mailbox_key


class MailboxIndex:
    """The index of one mailbox, in memory."""

    def __init__(self, record: MailboxRecord) -> None:
        self.record = record
        self.folders: dict[str, SourceFolder] = {}
        self.entries: dict[str, IndexEntry] = {}
        self.unproved: set[str] = set()
        self.pending: set[str] = set()
        self.owed: set[str] = set()
        self._by_item_id: dict[str, str] = {}
        self._by_search_key: defaultdict[str, set[str]] = defaultdict(set)
        self._touched_items: dict[str, None] = {}
        self._touched_folders: dict[str, None] = {}
        self._cursors = LargeCursors(record.mailbox)

    @classmethod
    def restore(cls, mailbox: str, topics: Topics, owned: OwnedPartition) -> "MailboxIndex":
        """Read the index of a mailbox from the restored state."""
        stored = owned.get(topics.mailboxes, mailbox_key(mailbox))
        index = cls(decode(stored) if stored else MailboxRecord(mailbox=mailbox))
        index._cursors.restore(value for _, value in owned.scan(topics.source_state, cursors_prefix(mailbox)))
        if digest := index.record.hierarchy_cursor_digest:
            cursor = index._cursors.cursor(HIERARCHY, digest)
            index.record = replace(index.record, hierarchy_cursor=cursor, hierarchy_cursor_digest="")
        for _, value in owned.scan(topics.source_state, folder_key(mailbox, "")):
            folder: SourceFolder = decode(value)
            if digest := folder.cursor_digest:
                cursor = index._cursors.cursor(folder.folder_id, digest)
                folder = replace(folder, cursor=cursor, cursor_digest="")
            index._remember_folder(folder)
        for _, value in owned.scan(topics.source_state, item_record_key(mailbox, "")):
            index._remember(decode(value))
        return index

    def by_item_id(self, item_id: str) -> IndexEntry | None:
        """Return the entry that has this ItemId now."""
        item = self._by_item_id.get(item_id)
        return self.entries[item] if item else None

    def by_search_key(self, search_key: str) -> list[IndexEntry]:
        """Return the entries with this search key, in the order of their keys; none for an unknown key."""
        return [self.entries[i] for i in sorted(self._by_search_key.get(search_key, ()))] if search_key else []

    def in_folder(self, folder_id: str) -> Iterator[IndexEntry]:
        """Yield the entries of one folder."""
        return (e for e in list(self.entries.values()) if e.folder_id == folder_id)

    def put(self, entry: IndexEntry) -> None:
        """Insert or replace an entry."""
        self._remember(entry)
        self._touched_items[entry.item] = None

    def remove(self, item: str) -> None:
        """Forget an entry."""
        if old := self.entries.pop(item, None):
            self._unlink(old)
            self._touched_items[item] = None

    def put_folder(self, folder: SourceFolder) -> None:
        """Insert or replace a folder."""
        if self.folders.get(folder.folder_id) != folder:
            self._remember_folder(folder)
            self._touched_folders[folder.folder_id] = None

    def remove_folder(self, folder_id: str) -> None:
        """Forget a folder."""
        self.unproved.discard(folder_id)
        if self.folders.pop(folder_id, None):
            self._touched_folders[folder_id] = None

    @property
    def touched(self) -> int:
        """How many state records the next transaction must write (the mailbox record apart)."""
        return len(self._touched_items) + len(self._touched_folders)

    def drain(self, topics: Topics) -> list[Outgoing]:
        """Return the state records of everything touched since the last call (the mailbox record apart)."""
        mailbox, state = self.record.mailbox, topics.source_state
        records = [r for folder_id in self._touched_folders for r in self._folder_records(topics, folder_id)]
        records += [
            Outgoing(state, item_record_key(mailbox, i), encode(self.entries[i]) if i in self.entries else None)
            for i in self._touched_items
        ]
        self._touched_folders.clear()
        self._touched_items.clear()
        return records

    def own_records(self, topics: Topics) -> list[Outgoing]:
        """Return the mailbox's record as it is stored, with what of it stands beside."""
        record, mailbox = self.record, self.record.mailbox
        cursor, digest, pieces = self._cursors.store(topics.source_state, HIERARCHY, record.hierarchy_cursor)
        stored = replace(record, hierarchy_cursor=cursor, hierarchy_cursor_digest=digest)
        return [*pieces, Outgoing(topics.mailboxes, mailbox_key(mailbox), encode(stored))]

    def _folder_records(self, topics: Topics, folder_id: str) -> list[Outgoing]:
        folder, mailbox = self.folders.get(folder_id), self.record.mailbox
        cursor, digest, pieces = self._cursors.store(topics.source_state, folder_id, folder.cursor if folder else "")
        stored = encode(replace(folder, cursor=cursor, cursor_digest=digest)) if folder else None
        return [*pieces, Outgoing(topics.source_state, folder_key(mailbox, folder_id), stored)]

    def _remember_folder(self, folder: SourceFolder) -> None:
        self.folders[folder.folder_id] = folder
        (self.unproved.discard if folder.proved else self.unproved.add)(folder.folder_id)

    def _remember(self, entry: IndexEntry) -> None:
        if old := self.entries.get(entry.item):
            self._unlink(old)
        self.entries[entry.item] = entry
        self._by_item_id[entry.item_id] = entry.item
        if entry.search_key:
            self._by_search_key[entry.search_key].add(entry.item)
        if entry.pending:
            self.pending.add(entry.item)
        if entry.owed:
            self.owed.add(entry.item)

    def _unlink(self, entry: IndexEntry) -> None:
        if self._by_item_id.get(entry.item_id) == entry.item:
            del self._by_item_id[entry.item_id]
        self._by_search_key[entry.search_key].discard(entry.item)
        self.pending.discard(entry.item)
        self.owed.discard(entry.item)
