"""What a simulated server keeps for an outside observer: every committed write, in the transaction that makes it.

Kept only when asked (`--history`), from the first start of the data on; the table is append-only. Ids are numbers here
and become EWS ids when the history is read, so that writing costs one row.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from deploy.lab.exchange.content import unpack
from deploy.lab.exchange.identity import Identity, change_key

DATABASE: Final = "exchange.sqlite"
STAMP_KEY: Final = "{5c1d7a9e-3b0f-4c55-9a53-6f3f6d61696c}/name:mailshadow:String"
"""The property that tools which mirror mailboxes may mark their items with; only noted, never read here."""

_COLUMNS: Final = (
    "time_ms INTEGER", "operation TEXT", "agent TEXT", "request INTEGER", "peer_port INTEGER", "body TEXT",
    "mailbox INTEGER", "kind TEXT", "object TEXT", "id INTEGER", "previous_id INTEGER", "folder INTEGER",
    "previous_folder INTEGER", "deletion TEXT", "item_class TEXT", "message_id TEXT", "subject TEXT",
    "is_read INTEGER", "flag TEXT", "categories TEXT", "importance TEXT", "stamp TEXT", "search_key TEXT",
    "content TEXT", "change INTEGER", "name TEXT", "distinguished TEXT",
)  # fmt: skip
_NAMES: Final = tuple(column.split()[0] for column in _COLUMNS)
_DEFAULTS: Final = {column.split()[0]: 0 if " INTEGER" in column else "" for column in _COLUMNS}
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS writes (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    f"{', '.join(f'{column} NOT NULL' for column in _COLUMNS)})"
)
_INSERT: Final = f"INSERT INTO writes ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608 - our own constants
_SELECT: Final = f"SELECT position, {', '.join(_NAMES)} FROM writes ORDER BY position"  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class Request:
    """The request that writes: who sends it, its number in this server's life, its port and a digest of its body."""

    agent: str = ""
    number: int = 0
    peer_port: int = 0
    body: str = ""


_NOBODY: Final = Request()
REQUEST: ContextVar[Request] = ContextVar("request", default=_NOBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One committed write of an item or a folder, with the whole state after it (before it, for a deletion).

    `kind` is create, update (content), mark (properties), move or delete for an item, create, change, move or delete
    for a folder. Ids are EWS ids; of a folder `id` is its own and `folder_id` its parent's. `deletion` is how an item
    or folder went: hard, soft (into Recoverable Items), bin (into Deleted Items), or nothing. `content` digests
    subject, bodies and attachments; `request` counts in one life of the server, `body` digests the request's bytes.
    """

    position: int
    time_ms: int
    operation: str
    agent: str
    request: int
    peer_port: int
    body: str
    mailbox: str
    kind: str
    object: str
    id: str
    previous_id: str
    folder_id: str
    previous_folder_id: str
    deletion: str
    item_class: str
    message_id: str
    subject: str
    is_read: bool
    flag: str
    categories: tuple[str, ...]
    importance: str
    stamp: str
    search_key: str
    content: str
    change_key: str
    name: str
    distinguished: str


class History:
    """The writes of the running transaction; `flush` stores them before it commits."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Make the table where there is none."""
        self._database = database
        self._rows: list[tuple[Any, ...]] = []
        database.execute(_TABLE)

    def add(self, **values: Any) -> None:
        """Note one write; columns that are not given are empty or 0."""
        request = REQUEST.get()
        known = {
            "agent": request.agent,
            "request": request.number,
            "peer_port": request.peer_port,
            "body": request.body,
        } | values
        self._rows.append(tuple((_DEFAULTS | known)[name] for name in _NAMES))

    def flush(self) -> None:
        """Store what was noted, inside the running transaction."""
        self._database.executemany(_INSERT, self._rows)
        self._rows.clear()

    def drop(self) -> None:
        """Forget what was noted: the transaction is undone."""
        self._rows.clear()


def content_digest(subject: str, packed: bytes) -> str:
    """Return 32 hex digits over subject, bodies and attachments, none of the headers."""
    digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass"))
    if packed:
        for leaf in unpack(packed).root.leaves():
            digest.update(b"\0" + leaf.media_type.encode("utf-8", "surrogateescape") + b"\0" + leaf.data)
    return digest.hexdigest()[:32]


def read(directory: Path) -> Iterator[Write]:
    """Yield the history kept in a server's directory, whether it runs or not; nothing where none was kept."""
    with closing(sqlite3.connect(f"file:{directory / DATABASE}?mode=ro", uri=True)) as database:
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchone() is None:
            return
        identity = Identity(database.execute("SELECT identity FROM server").fetchone()[0])
        addresses = dict(database.execute("SELECT mailbox, address FROM mailboxes"))
        for row in database.execute(_SELECT):
            yield _write(dict(zip(("position", *_NAMES), row, strict=True)), identity, addresses)


def _write(row: dict[str, Any], identity: Identity, addresses: dict[int, str]) -> Write:
    mailbox = row["mailbox"]
    one = identity.folder if row["object"] == "folder" else identity.item

    def ident(column: str, form: Any) -> str:
        return form(mailbox, row[column]) if row[column] else ""

    known = {field.name for field in fields(Write)}
    values = {name: value for name, value in row.items() if name in known} | {
        "mailbox": addresses[mailbox],
        "id": ident("id", one),
        "previous_id": ident("previous_id", one),
        "folder_id": ident("folder", identity.folder),
        "previous_folder_id": ident("previous_folder", identity.folder),
        "is_read": bool(row["is_read"]),
        "categories": tuple(filter(None, row["categories"].split("\n"))),
        "change_key": change_key(row["change"]) if row["change"] else "",
    }
    return Write(**values)
