"""Mailboxes and their folder trees: kept in memory, written through with each transaction."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from deploy.lab.exchange.identity import Identity, Reference
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.store import Store

# Distinguished id, parent's distinguished id, display name, folder class.
_DISTINGUISHED: Final = (
    ("root", "", "Root", ""),
    ("msgfolderroot", "root", "Top of Information Store", "IPF.Note"),
    ("inbox", "msgfolderroot", "Inbox", "IPF.Note"),
    ("drafts", "msgfolderroot", "Drafts", "IPF.Note"),
    ("sentitems", "msgfolderroot", "Sent Items", "IPF.Note"),
    ("deleteditems", "msgfolderroot", "Deleted Items", "IPF.Note"),
    ("outbox", "msgfolderroot", "Outbox", "IPF.Note"),
    ("junkemail", "msgfolderroot", "Junk Email", "IPF.Note"),
    ("calendar", "msgfolderroot", "Calendar", "IPF.Appointment"),
    ("contacts", "msgfolderroot", "Contacts", "IPF.Contact"),
    ("tasks", "msgfolderroot", "Tasks", "IPF.Task"),
    ("notes", "msgfolderroot", "Notes", "IPF.StickyNote"),
    ("journal", "msgfolderroot", "Journal", "IPF.Journal"),
    ("searchfolders", "root", "Finder", "IPF.Note"),
    ("recoverableitemsroot", "root", "Recoverable Items", ""),
    ("recoverableitemsdeletions", "recoverableitemsroot", "Deletions", ""),
    ("recoverableitemsversions", "recoverableitemsroot", "Versions", ""),
    ("recoverableitemspurges", "recoverableitemsroot", "Purges", ""),
)  # fmt: skip
_DEPTH_MAX: Final = 300


@dataclass(slots=True)
class Folder:
    """One folder: its place, name, counts and probes; the two sequences order hierarchy syncs."""

    number: int
    mailbox: int
    parent: int
    name: str
    folder_class: str
    distinguished: str
    created_sequence: int
    modified_sequence: int
    change: int
    total: int = 0
    unread: int = 0
    associated: int = 0
    deleted: int = 0
    committed: float = 0.0
    extended: dict[str, str | list[str]] = field(default_factory=dict)
    id: str = ""


class Mailbox:
    """One mailbox: address, size in bytes and the tree of its folders."""

    __slots__ = ("address", "children", "distinguished", "folders", "number", "size")

    def __init__(self, number: int, address: str, size: int) -> None:
        self.number = number
        self.address = address
        self.size = size
        self.folders: dict[int, Folder] = {}
        self.children: dict[int, dict[str, Folder]] = {}
        self.distinguished: dict[str, Folder] = {}

    def attach(self, folder: Folder) -> None:
        """Hang a folder into the tree."""
        self.folders[folder.number] = folder
        self.children.setdefault(folder.parent, {})[folder.name.casefold()] = folder
        if folder.distinguished:
            self.distinguished[folder.distinguished] = folder

    def detach(self, folder: Folder) -> None:
        """Take a folder out of its parent and out of the tree; its children stay attached to it."""
        del self.children[folder.parent][folder.name.casefold()]
        del self.folders[folder.number]

    def descendants(self, folder: Folder) -> Iterator[Folder]:
        """Every folder below this one, parents before children."""
        for child in list(self.children.get(folder.number, {}).values()):
            yield child
            yield from self.descendants(child)

    def is_below(self, folder: Folder, ancestor: int) -> bool:
        """Whether a folder lies somewhere below another."""
        current: Folder | None = folder
        for _ in range(_DEPTH_MAX):
            if current is None:
                return False
            if current.parent == ancestor:
                return True
            current = self.folders.get(current.parent)
        return False


class Folders:
    """All mailboxes of a server."""

    def __init__(self, store: Store, identity: Identity) -> None:
        self.store = store
        self.identity = identity
        self.mailboxes: dict[str, Mailbox] = {}
        self.by_number: dict[int, Mailbox] = {}
        self._dirty: dict[int, Folder] = {}
        self._resized: set[int] = set()
        store.on_commit.append(self._flush)
        store.on_rollback.append(self._load)
        self._load()

    def _load(self) -> None:
        self.mailboxes.clear()
        self.by_number.clear()
        self._dirty.clear()
        self._resized.clear()
        rows = self.store.database.execute("SELECT mailbox, address, size FROM mailboxes ORDER BY mailbox")
        for number, address, size in rows.fetchall():
            self.mailboxes[address] = self.by_number[number] = Mailbox(number, address, size)
        for row in self.store.database.execute("SELECT * FROM folders ORDER BY number").fetchall():
            folder = Folder(*(*row[:14], json.loads(row[14]), self.identity.folder(row[1], row[0])))
            self.by_number[folder.mailbox].attach(folder)

    def _flush(self) -> None:
        database = self.store.database
        if self._dirty:
            database.executemany(
                "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        f.number, f.mailbox, f.parent, f.name, f.folder_class, f.distinguished, f.created_sequence,
                        f.modified_sequence, f.change, f.total, f.unread, f.associated, f.deleted, f.committed,
                        json.dumps(f.extended),
                    )
                    for f in self._dirty.values()
                ],
            )  # fmt: skip
            self._dirty.clear()
        for number in self._resized:
            database.execute("UPDATE mailboxes SET size = ? WHERE mailbox = ?", (self.by_number[number].size, number))
        self._resized.clear()

    def add_mailbox(self, address: str) -> Mailbox:
        """Create a mailbox with its distinguished folders; one that exists is left as it is."""
        address = address.lower()
        if address in self.mailboxes:
            return self.mailboxes[address]
        with self.store.writing("CreateMailbox"):
            row = self.store.database.execute("INSERT INTO mailboxes (address, size) VALUES (?, 0)", (address,))
            mailbox = Mailbox(int(row.lastrowid or 0), address, 0)
            self.mailboxes[address] = self.by_number[mailbox.number] = mailbox
            for name, parent, display, folder_class in _DISTINGUISHED:
                above = mailbox.distinguished[parent].number if parent else 0
                self.create(mailbox, above, display, folder_class, name)
        return mailbox

    def mailbox(self, address: str) -> Mailbox:
        """Return the mailbox of an address; raises `EwsError` (ErrorNonExistentMailbox)."""
        found = self.mailboxes.get(address.lower())
        if found is None:
            raise EwsError("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
        return found

    def create(self, mailbox: Mailbox, parent: int, name: str, folder_class: str, distinguished: str = "") -> Folder:
        """Create a folder; raises `EwsError` (ErrorFolderExists) where the parent has one of that name."""
        if name.casefold() in mailbox.children.get(parent, {}):
            raise EwsError("ErrorFolderExists", "A folder with the specified name already exists.")
        store = self.store
        number, sequence = store.next_number(), store.next_sequence()
        folder = Folder(
            number, mailbox.number, parent, name, folder_class, distinguished, sequence, sequence, store.next_change(),
            committed=store.clock(), id=self.identity.folder(mailbox.number, number),
        )  # fmt: skip
        mailbox.attach(folder)
        self._dirty[number] = folder
        self._keep(folder, "create")
        return folder

    def modified(self, folder: Folder, previous_parent: int = 0) -> None:
        """Return the folder itself (name, place, class, properties) was written."""
        folder.modified_sequence = self.store.next_sequence()
        folder.change = self.store.next_change()
        self._dirty[folder.number] = folder
        self._keep(folder, "move" if previous_parent else "change", previous_parent)

    def place(self, mailbox: Mailbox, folder: Folder, parent: int, name: str) -> None:
        """Rename or move a folder; raises `EwsError` (ErrorFolderExists) where the name is taken there."""
        taken = mailbox.children.get(parent, {}).get(name.casefold())
        if taken is not None and taken is not folder:
            raise EwsError("ErrorFolderExists", "A folder with the specified name already exists.")
        mailbox.detach(folder)
        previous_parent = folder.parent if folder.parent != parent else 0
        folder.parent, folder.name = parent, name
        mailbox.attach(folder)
        self.modified(folder, previous_parent)

    def remove(self, mailbox: Mailbox, folder: Folder) -> None:
        """Remove an empty folder and leave its tombstone for hierarchy syncs."""
        mailbox.detach(folder)
        mailbox.children.pop(folder.number, None)
        self._dirty.pop(folder.number, None)
        self.store.database.execute("DELETE FROM folders WHERE number = ?", (folder.number,))
        self._keep(folder, "delete")
        self.store.database.execute(
            "INSERT INTO folder_tombstones VALUES (?, ?, ?, ?)",
            (mailbox.number, self.store.next_sequence(), folder.number, folder.created_sequence),
        )

    def _keep(self, folder: Folder, kind: str, previous_parent: int = 0) -> None:
        """Note one write of a folder for an outside observer (see `history.py`)."""
        if self.store.history is not None:
            self.store.history.add(
                time_ms=int(self.store.clock() * 1000),
                operation=self.store.operation,
                mailbox=folder.mailbox,
                kind=kind,
                object="folder",
                id=folder.number,
                folder=folder.parent,
                previous_folder=previous_parent,
                deletion="hard" if kind == "delete" else "",
                item_class=folder.folder_class,
                change=folder.change,
                name=folder.name,
                distinguished=folder.distinguished,
            )

    def counted(self, folder: Folder, size_bytes: int) -> None:
        """Return the folder's contents changed (counts already adjusted); the mailbox grew by `size_bytes`."""
        folder.committed = self.store.clock()
        self._dirty[folder.number] = folder
        if size_bytes:
            self.by_number[folder.mailbox].size += size_bytes
            self._resized.add(folder.mailbox)

    def find(self, reference: Reference) -> tuple[Mailbox, Folder]:
        """Return the folder of a reference; raises `EwsError` (ErrorFolderNotFound)."""
        mailbox = self.by_number.get(reference.mailbox)
        folder = mailbox.folders.get(reference.number) if mailbox is not None else None
        if mailbox is None or folder is None:
            raise EwsError("ErrorFolderNotFound", "The specified folder could not be found in the store.")
        return mailbox, folder
