"""What one target is known to hold, and what of it is not committed yet.

State: mailbox, folder and item records in the restored state, under an overlay of newer ones.
Order: the overlay is read first; `drain` hands out its records for the next transaction, `settle` forgets those
once they are committed (the restored state holds them then), unless a newer one came meanwhile. Mailboxes are
worked on side by side, so whatever is put here may be committed at any moment; a thread touches one mailbox only.
Failure: after PartitionLost the ledger is dropped with its overlay and everything is restored.
"""

from collections.abc import Iterator
from typing import Any

from schemas.codec import decode, encode
from schemas.ports import Outgoing, OwnedPartition
from schemas.state import Conflict, ItemRecord, Orphan, TargetFolder, TargetMailbox
from schemas.topics import conflict_key, folder_key, item_record_key, mailbox_key, orphan_key

TRANSACTION_RECORDS_MAX = 2_000
"""Who puts many records commits when so many wait: Kafka ends a transaction after 15 s."""
_NOT_THERE = object()


class Ledger:
    """The ledger of one target for the mailboxes of one partition."""

    def __init__(self, owned: OwnedPartition, topic: str) -> None:
        self._owned = owned
        self._topic = topic
        self._overlay: dict[str, Any] = {}
        self._drained: dict[str, Any] = {}

    def mailbox(self, mailbox: str) -> TargetMailbox:
        """Return a mailbox record; a fresh one where nothing was applied yet."""
        found: TargetMailbox | None = self._get(mailbox_key(mailbox))
        return found or TargetMailbox(mailbox=mailbox)

    def mailboxes(self) -> Iterator[TargetMailbox]:
        """Yield every mailbox record."""
        newer = {key: record for key, record in self._overlay.copy().items() if "/" not in key}
        for key, value in self._owned.scan(self._topic, ""):
            if "/" not in key:
                yield newer.pop(key, None) or decode(value)
        yield from newer.values()

    def item(self, mailbox: str, item: str) -> ItemRecord | None:
        """Return an item record."""
        found: ItemRecord | None = self._get(item_record_key(mailbox, item))
        return found

    def items(self, mailbox: str) -> Iterator[ItemRecord]:
        """Yield all item records of a mailbox."""
        yield from self._all(item_record_key(mailbox, ""))

    def count_held(self, mailbox: str) -> int:
        """Return how many items of a mailbox the target is known to hold."""
        return sum(bool(record.target_id) for record in self.items(mailbox))

    def folder(self, mailbox: str, folder_id: str) -> TargetFolder | None:
        """Return the target folder that stands for a source folder."""
        found: TargetFolder | None = self._get(folder_key(mailbox, folder_id))
        return found

    def folders(self, mailbox: str) -> Iterator[TargetFolder]:
        """Yield the folder map of a mailbox."""
        yield from self._all(folder_key(mailbox, ""))

    def put_mailbox(self, record: TargetMailbox) -> None:
        """Remember a mailbox record."""
        self._overlay[mailbox_key(record.mailbox)] = record

    def put_item(self, mailbox: str, record: ItemRecord) -> None:
        """Remember an item record."""
        self._overlay[item_record_key(mailbox, record.item)] = record

    def drop_item(self, mailbox: str, item: str) -> None:
        """Forget an item: it is gone at the source and at the target."""
        self._overlay[item_record_key(mailbox, item)] = None

    def put_orphan(self, mailbox: str, orphan: Orphan) -> None:
        """Remember what stays at the target and is ours no more."""
        self._overlay[orphan_key(mailbox, orphan.item)] = orphan

    def conflict(self, mailbox: str, item: str) -> Conflict | None:
        """Return what is noted of an item that both servers changed."""
        found: Conflict | None = self._get(conflict_key(mailbox, item))
        return found

    def put_conflict(self, mailbox: str, conflict: Conflict) -> None:
        """Remember that both servers changed an item, and what was kept."""
        self._overlay[conflict_key(mailbox, conflict.item)] = conflict

    def orphan(self, mailbox: str, item: str) -> Orphan | None:
        """Return what of an item stays at the target and is ours no more."""
        found: Orphan | None = self._get(orphan_key(mailbox, item))
        return found

    def put_folder(self, mailbox: str, folder: TargetFolder) -> None:
        """Remember what stands for a source folder."""
        self._overlay[folder_key(mailbox, folder.folder_id)] = folder

    def drop_folder(self, mailbox: str, folder_id: str) -> None:
        """Forget a folder."""
        self._overlay[folder_key(mailbox, folder_id)] = None

    @property
    def is_dirty(self) -> bool:
        """Whether anything waits to be committed."""
        return bool(self._overlay)

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it has to be committed before more is put."""
        return len(self._overlay) >= TRANSACTION_RECORDS_MAX

    def drain(self) -> list[Outgoing]:
        """Return the records of everything that waits to be committed."""
        self._drained = self._overlay.copy()
        return [Outgoing(self._topic, k, None if v is None else encode(v)) for k, v in self._drained.items()]

    def settle(self) -> None:
        """Forget what was drained last: it is committed."""
        for key, record in self._drained.items():
            if self._overlay[key] is record:
                del self._overlay[key]
        self._drained = {}

    def _get(self, key: str) -> Any:
        record = self._overlay.get(key, _NOT_THERE)
        if record is not _NOT_THERE:
            return record
        value = self._owned.get(self._topic, key)
        return decode(value) if value else None

    def _all(self, prefix: str) -> Iterator[Any]:
        # the overlay first: what is committed between the two looks is in both
        newer = {k: v for k, v in self._overlay.copy().items() if k.startswith(prefix)}
        stored = dict(self._owned.scan(self._topic, prefix))
        for key in sorted(stored.keys() | newer.keys()):
            record = newer[key] if key in newer else decode(stored[key])
            if record is not None:
                yield record
