"""The SQLite tables of a simulated server, and how a database is opened."""

import sqlite3
from pathlib import Path
from typing import Final

FORMAT: Final = 1

_TABLES: Final = """
CREATE TABLE server (
    format INTEGER NOT NULL, identity BLOB NOT NULL, sequence INTEGER NOT NULL, number INTEGER NOT NULL,
    change INTEGER NOT NULL, state_epoch INTEGER NOT NULL, receipts INTEGER NOT NULL
);
CREATE TABLE mailboxes (mailbox INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE folders (
    number INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, parent INTEGER NOT NULL, name TEXT NOT NULL,
    class TEXT NOT NULL, distinguished TEXT NOT NULL, created_sequence INTEGER NOT NULL,
    modified_sequence INTEGER NOT NULL, change INTEGER NOT NULL, total INTEGER NOT NULL, unread INTEGER NOT NULL,
    associated INTEGER NOT NULL, deleted INTEGER NOT NULL, committed REAL NOT NULL, extended TEXT NOT NULL
);
CREATE TABLE folder_tombstones (
    mailbox INTEGER NOT NULL, sequence INTEGER NOT NULL, number INTEGER NOT NULL, created_sequence INTEGER NOT NULL,
    PRIMARY KEY (mailbox, sequence, number)
) WITHOUT ROWID;
CREATE TABLE items (
    row INTEGER PRIMARY KEY, number INTEGER NOT NULL, mailbox INTEGER NOT NULL, folder INTEGER NOT NULL,
    associated INTEGER NOT NULL, created_sequence INTEGER NOT NULL, modified_sequence INTEGER NOT NULL,
    content_sequence INTEGER NOT NULL, change INTEGER NOT NULL, class TEXT NOT NULL, is_read INTEGER NOT NULL,
    size INTEGER NOT NULL, received TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL,
    search_key BLOB NOT NULL, fields TEXT NOT NULL, extended TEXT NOT NULL
);
CREATE UNIQUE INDEX items_by_number ON items (number);
CREATE INDEX items_by_creation ON items (folder, associated, created_sequence);
CREATE INDEX items_by_modification ON items (folder, associated, modified_sequence);
CREATE INDEX items_by_reception ON items (folder, associated, received, row);
CREATE TABLE contents (row INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE item_tombstones (
    folder INTEGER NOT NULL, associated INTEGER NOT NULL, sequence INTEGER NOT NULL, number INTEGER NOT NULL,
    created_sequence INTEGER NOT NULL, PRIMARY KEY (folder, associated, sequence, number)
) WITHOUT ROWID;
CREATE TABLE keywords (keyword TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (keyword, row)) WITHOUT ROWID;
CREATE INDEX keywords_by_row ON keywords (row);
CREATE TABLE history (
    position INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, operation TEXT NOT NULL, mailbox INTEGER NOT NULL,
    item INTEGER NOT NULL, folder INTEGER NOT NULL, kind TEXT NOT NULL, search_key BLOB NOT NULL,
    message_id TEXT NOT NULL
);
"""


class DataError(Exception):
    """The data directory cannot be used; the message says why and what to do."""


def open_database(path: Path, identity: bytes) -> sqlite3.Connection:
    """Open or create the database; every commit survives a kill of the process, not a loss of power.

    `identity` becomes the server's own where the database is new. Raises `DataError` for a file that is no database
    or of another format.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-131072", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
            connection.execute("INSERT INTO server VALUES (?, ?, 0, 0, 0, 1, 0)", (FORMAT, identity))
        found = connection.execute("SELECT format FROM server").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise DataError(
            f"{path} cannot be read as a simulated server's data ({error}); give an empty directory"
        ) from error
    if found is None or found[0] != FORMAT:
        connection.close()
        raise DataError(f"{path} has format {found and found[0]}, this program reads {FORMAT}; give another directory")
    return connection
