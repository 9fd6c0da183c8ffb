"""The store of one simulated server: transactions, counters and the journal, on one SQLite connection."""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.exchange.history import DATABASE, History
from deploy.lab.exchange.tables import DataError, open_database


class Store:
    """One writer on one database: everything inside `writing()` is committed together or not at all."""

    def __init__(self, directory: Path, clock: Callable[[], float], *, keeps_history: bool = False) -> None:
        """Open or create the data in `directory`; raises `DataError` where it is unusable or in use."""
        self.clock = clock
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataError(
                f"{directory} cannot be used for data ({error.strerror}); give another directory"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise DataError(f"{directory} is in use by another simulated server; stop it first") from error
        try:
            self.database: sqlite3.Connection = open_database(directory / DATABASE, secrets.token_bytes(16))
        except (DataError, sqlite3.Error) as error:
            os.close(self._lock)
            raise DataError(str(error)) from error
        row = self.database.execute(
            "SELECT identity, sequence, number, change, state_epoch, receipts FROM server"
        ).fetchone()
        self.identity: bytes = row[0]
        self.sequence, self.number, self.change, self.state_epoch, self.receipts = (int(value) for value in row[1:])
        self.history = History(self.database) if keeps_history else None
        self.writes = False
        self.operation = ""
        self.on_commit: list[Callable[[], None]] = []
        self.on_rollback: list[Callable[[], None]] = []
        self._journal: list[tuple[float, str, int, int, int, str, bytes, str]] = []

    def close(self) -> None:
        """Close the database and let another process have the directory."""
        self.database.close()
        os.close(self._lock)

    @contextmanager
    def writing(self, operation: str) -> Iterator[None]:
        """One transaction; nested uses join the outer one."""
        if self.writes:
            yield
            return
        counters = (self.sequence, self.number, self.change, self.state_epoch, self.receipts)
        self.database.execute("BEGIN IMMEDIATE")
        self.writes, self.operation = True, operation
        try:
            yield
            for flush in self.on_commit:
                flush()
            self._flush()
            if self.history is not None:
                self.history.flush()
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            self._journal.clear()
            if self.history is not None:
                self.history.drop()
            self.sequence, self.number, self.change, self.state_epoch, self.receipts = counters
            for restore in self.on_rollback:
                restore()
            raise
        finally:
            self.writes = False

    def _flush(self) -> None:
        if self._journal:
            self.database.executemany(
                "INSERT INTO history (time, operation, mailbox, item, folder, kind, search_key, message_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                self._journal,
            )
            self._journal.clear()
        self.database.execute(
            "UPDATE server SET sequence = ?, number = ?, change = ?, state_epoch = ?, receipts = ?",
            (self.sequence, self.number, self.change, self.state_epoch, self.receipts),
        )

    def next_sequence(self) -> int:
        """Return the place of the next write in the order of all writes, by which sync states count."""
        self.sequence += 1
        return self.sequence

    def next_number(self) -> int:
        """Return a number for a new item or folder, never used before."""
        self.number += 1
        return self.number

    def next_change(self) -> int:
        """Return a number for a new ChangeKey."""
        self.change += 1
        return self.change

    def journal(self, mailbox: int, item: int, folder: int, kind: str, search_key: bytes, message_id: str) -> None:
        """Note one write of an item for `/lab/history`; kept with the transaction."""
        self._journal.append((self.clock(), self.operation, mailbox, item, folder, kind, search_key, message_id))
