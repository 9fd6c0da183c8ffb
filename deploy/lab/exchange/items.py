"""Items: rows of light properties beside their content, with the order of writes that syncs read."""

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.lab.exchange.folders import Folder, Folders
from deploy.lab.exchange.history import STAMP_KEY, content_digest
from deploy.lab.exchange.soap import EwsError

_COLUMNS: Final = (
    "row, number, mailbox, folder, associated, created_sequence, modified_sequence, content_sequence, change, class,"
    " is_read, size, received, created, modified, search_key, fields, extended"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM items "  # noqa: S608 - our own constant
_INSERT: Final = f"INSERT INTO items ({_COLUMNS}) VALUES (NULL{', ?' * 17})"  # noqa: S608 - our own constant
_DELETES: Final = (
    "DELETE FROM items WHERE row = ?",
    "DELETE FROM contents WHERE row = ?",
    "DELETE FROM keywords WHERE row = ?",
)
_VARIABLES_MAX: Final = 500
_KEYWORD_LENGTH_MAX: Final = 200


@dataclass(slots=True)
class Item:
    """One item without its content: `fields` by EWS element name, `extended` by property key, times as EWS text."""

    row: int
    number: int
    mailbox: int
    folder: int
    associated: int
    created_sequence: int
    modified_sequence: int
    content_sequence: int
    change: int
    item_class: str
    is_read: int
    size: int
    received: str
    created: str
    modified: str
    search_key: bytes
    fields: dict[str, Any]
    extended: dict[str, Any]


def utc_text(seconds: float) -> str:
    """Return a time as EWS writes it: UTC, no fractions."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def keyword(prefix: str, value: str) -> str:
    """One index entry; equality is case-insensitive, and long values are told apart by who reads the item."""
    return f"{prefix}:{value.casefold()[:_KEYWORD_LENGTH_MAX]}"


def keywords_of(item: Item) -> set[str]:
    """Return what an item is found by without reading its folder: SearchKey, Message-ID, String named properties."""
    found = {keyword("k", item.search_key.hex())}
    message_id = item.fields.get("InternetMessageId")
    if message_id:
        found.add(keyword("m", message_id))
    for key, value in item.extended.items():
        if key[0] == "{" and key.endswith(":String") and isinstance(value, str):
            found.add(keyword(key, value))
    return found


class Items:
    """All items of a server; each write gets its sequence, ChangeKey, counts and journal entry here."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.store = folders.store
        self.database = folders.store.database

    def folder_of(self, item: Item) -> Folder:
        """Return the folder that holds an item."""
        return self.folders.by_number[item.mailbox].folders[item.folder]

    # Reading

    def _items(self, rows: Iterable[Sequence[Any]]) -> list[Item]:
        loads = json.loads
        return [Item(*(*row[:16], loads(row[16]), loads(row[17]))) for row in rows]

    def find(self, number: int) -> Item:
        """Return the item of a number; raises `EwsError` (ErrorItemNotFound) for a dead one."""
        row = self.database.execute(_SELECT + "WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise EwsError("ErrorItemNotFound", "The specified object was not found in the store.")
        return self._items([row])[0]

    def select(self, condition: str, values: Sequence[Any]) -> list[Item]:
        """Items by an SQL condition of this package's own."""
        return self._items(self.database.execute(_SELECT + condition, tuple(values)))

    def by_keywords(self, folder: int, associated: int, keywords: Sequence[str]) -> list[Item]:
        """Return the items of a folder that carry any of these keywords, by index."""
        rows: set[int] = set()
        for start in range(0, len(keywords), _VARIABLES_MAX):
            some = keywords[start : start + _VARIABLES_MAX]
            marks = ",".join("?" * len(some))
            query = f"SELECT row FROM keywords WHERE keyword IN ({marks})"  # noqa: S608 - question marks only
            rows.update(found[0] for found in self.database.execute(query, some))
        found: list[Item] = []
        ordered = sorted(rows)
        for start in range(0, len(ordered), _VARIABLES_MAX):
            part = ordered[start : start + _VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            found += self.select(
                f"WHERE row IN ({marks}) AND folder = ? AND associated = ?", (*part, folder, associated)
            )
        return found

    def content(self, item: Item) -> bytes:
        """Return the stored content of an item (see `content.py`)."""
        row = self.database.execute("SELECT content FROM contents WHERE row = ?", (item.row,)).fetchone()
        return bytes(row[0]) if row is not None else b""

    # Writing

    def new(self, folder: Folder, item_class: str, *, associated: bool = False) -> Item:
        """Return an item that is not stored yet: fill it and hand it to `insert`."""
        now = utc_text(self.store.clock())
        return Item(
            0, 0, folder.mailbox, folder.number, int(associated), 0, 0, 0, 0, item_class, 0, 0, now, now, now,
            secrets.token_bytes(16), {}, {},
        )  # fmt: skip

    def insert(self, item: Item, content: bytes, kind: str = "create") -> Item:
        """Store a new item in its folder with a new id and ChangeKey."""
        store = self.store
        folder = self.folder_of(item)
        item.number, item.change = store.next_number(), store.next_change()
        item.created_sequence = item.modified_sequence = item.content_sequence = store.next_sequence()
        fields, extended = json.dumps(item.fields), json.dumps(item.extended)
        item.size = len(content) + len(fields) + len(extended) + 256
        cursor = self.database.execute(
            _INSERT,
            (
                item.number, item.mailbox, item.folder, item.associated, item.created_sequence, item.modified_sequence,
                item.content_sequence, item.change, item.item_class, item.is_read, item.size, item.received,
                item.created, item.modified, item.search_key, fields, extended,
            ),
        )  # fmt: skip
        item.row = int(cursor.lastrowid or 0)
        self.database.execute("INSERT INTO contents VALUES (?, ?)", (item.row, content))
        self._index(item)
        self._count(item, folder, 1)
        self._note(item, kind, content)
        return item

    def update(self, item: Item, content: bytes | None, *, read_flag_only: bool, new_change: bool = True) -> None:
        """Store an item's new properties and, where given, its new content."""
        store = self.store
        folder = self.folder_of(item)
        was_read, was_size = self.database.execute(
            "SELECT is_read, size FROM items WHERE row = ?", (item.row,)
        ).fetchone()
        item.modified_sequence = store.next_sequence()
        item.modified = utc_text(store.clock())
        if not read_flag_only:
            item.content_sequence = item.modified_sequence
        if new_change:
            item.change = store.next_change()
        fields, extended = json.dumps(item.fields), json.dumps(item.extended)
        if content is not None:
            item.size = len(content) + len(fields) + len(extended) + 256
            self.database.execute("UPDATE contents SET content = ? WHERE row = ?", (content, item.row))
        self.database.execute(
            "UPDATE items SET modified_sequence = ?, content_sequence = ?, change = ?, class = ?, is_read = ?,"
            " size = ?, received = ?, modified = ?, fields = ?, extended = ? WHERE row = ?",
            (
                item.modified_sequence, item.content_sequence, item.change, item.item_class, item.is_read, item.size,
                item.received, item.modified, fields, extended, item.row,
            ),
        )  # fmt: skip
        if not read_flag_only:
            self._index(item, again=True)
        if not item.associated:
            folder.unread += was_read - item.is_read
        self.folders.counted(folder, item.size - was_size)
        self._note(item, "update" if content is not None else "mark", content)

    def move(self, item: Item, target: Folder, *, keeps_modified: bool) -> int:
        """Put an item into another folder with a new id and ChangeKey; answers its old number."""
        store = self.store
        old = item.number
        self._entomb(item)
        source = self.folder_of(item)
        self._count(item, source, -1)
        source.deleted += 1
        item.mailbox, item.folder, item.number, item.change = (
            target.mailbox, target.number, store.next_number(), store.next_change(),
        )  # fmt: skip
        item.created_sequence = item.modified_sequence = item.content_sequence = store.next_sequence()
        if not keeps_modified:
            item.modified = utc_text(store.clock())
        self.database.execute(
            "UPDATE items SET number = ?, mailbox = ?, folder = ?, created_sequence = ?, modified_sequence = ?,"
            " content_sequence = ?, change = ?, modified = ? WHERE row = ?",
            (
                item.number, item.mailbox, item.folder, item.created_sequence, item.modified_sequence,
                item.content_sequence, item.change, item.modified, item.row,
            ),
        )  # fmt: skip
        self._count(item, target, 1)
        self._note(item, "move", previous=(old, source.number))
        return old

    def copy(self, item: Item, target: Folder) -> Item:
        """Store a copy in a folder; it shares the SearchKey."""
        twin = Item(*(*(getattr(item, name) for name in Item.__slots__[:16]), dict(item.fields), dict(item.extended)))
        twin.mailbox, twin.folder = target.mailbox, target.number
        return self.insert(twin, self.content(item))

    def remove(self, item: Item) -> None:
        """Delete an item for good and leave its tombstone for syncs."""
        content = self.content(item) if self.store.history is not None else None
        self._entomb(item)
        for statement in _DELETES:
            self.database.execute(statement, (item.row,))
        folder = self.folder_of(item)
        folder.deleted += 1
        self._count(item, folder, -1)
        self._note(item, "delete", content)

    def _entomb(self, item: Item) -> None:
        self.database.execute(
            "INSERT INTO item_tombstones VALUES (?, ?, ?, ?, ?)",
            (item.folder, item.associated, self.store.next_sequence(), item.number, item.created_sequence),
        )

    def _index(self, item: Item, *, again: bool = False) -> None:
        if again:
            self.database.execute("DELETE FROM keywords WHERE row = ?", (item.row,))
        self.database.executemany(
            "INSERT INTO keywords VALUES (?, ?)", [(entry, item.row) for entry in keywords_of(item)]
        )

    def _count(self, item: Item, folder: Folder, by: int) -> None:
        if item.associated:
            folder.associated += by
        else:
            folder.total += by
            folder.unread += by * (1 - item.is_read)
        self.folders.counted(folder, by * item.size)

    def _note(self, item: Item, kind: str, content: bytes | None = None, previous: tuple[int, int] = (0, 0)) -> None:
        message_id = item.fields.get("InternetMessageId", "")
        self.store.journal(item.mailbox, item.number, item.folder, kind, item.search_key, message_id)
        if self.store.history is not None:
            self._keep(item, kind, self.content(item) if content is None else content, previous)

    def _keep(self, item: Item, kind: str, content: bytes, previous: tuple[int, int]) -> None:
        """Note one write with the whole item as it is now, for an outside observer (see `history.py`)."""
        history, fields = self.store.history, item.fields
        if history is None:
            return
        stamp, categories = item.extended.get(STAMP_KEY, ""), fields.get("Categories") or ()
        history.add(
            time_ms=int(self.store.clock() * 1000),
            operation=self.store.operation,
            mailbox=item.mailbox,
            kind=kind,
            object="item",
            id=item.number,
            previous_id=previous[0],
            folder=item.folder,
            previous_folder=previous[1],
            deletion=self._deletion(item, kind),
            item_class=item.item_class,
            message_id=fields.get("InternetMessageId", ""),
            subject=str(fields.get("Subject", "")),
            is_read=item.is_read,
            flag=str((fields.get("Flag") or {}).get("FlagStatus", "NotFlagged")),
            categories="\n".join(categories),
            importance=str(fields.get("Importance", "")),
            stamp=stamp if isinstance(stamp, str) else "",
            search_key=item.search_key.hex(),
            content=content_digest(str(fields.get("Subject", "")), content),
            change=item.change,
        )

    def _deletion(self, item: Item, kind: str) -> str:
        """Return how a write makes an item go: hard, soft or bin; nothing where it stays."""
        if kind != "move":
            return "hard" if kind == "delete" else ""
        home = self.folder_of(item).distinguished
        if home.startswith("recoverableitems"):
            return "soft"
        return "bin" if home == "deleteditems" and self.store.operation != "MoveItem" else ""
