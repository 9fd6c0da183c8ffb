"""A mailbox the ledger knows nothing of, at a target that may hold it already: what carries our stamp is adopted.

State: none of its own; the mailbox's record says that it was looked at, and from where in the log its seed must come.
Order: list every folder → a record for each stamped item → wait for a seed ordered now, because the log before it may
be older than what is there. The seed names everything: what the target holds unchanged is only recorded, because the
stamp's nonce ends in a mark of the source ChangeKey that was applied; what the seed does not name becomes an orphan.
Failure: dead anywhere, it is done again, which finds the same. Nothing is deleted on the word of a stamp: of two items
with one stamp one is adopted, the other is left as an orphan.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from consumers.intents import blank
from consumers.ledger import Ledger
from consumers.plan import ADOPTED
from consumers.target import Held, Target
from schemas.change import Change, ItemMarked, ItemMoved, ItemSaved
from schemas.codec import decode
from schemas.endless import ReadingBounds
from schemas.identity import Stamp, key_mark, mark_in
from schemas.listing import ListedItem
from schemas.ports import CallRefused, Clock, Incoming, PartitionLost
from schemas.state import ItemRecord, ItemState, Orphan

log = logging.getLogger(__name__)

LOOK_ITEMS_MAX = 100
COMMIT_ITEMS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """A stamped item of the target: in which folder, how it is held, and by which stamp."""

    folder_id: str
    held: Held
    stamp: Stamp


class Adoption:
    """Adopts what mailboxes of one partition hold of ours at one target."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        target_name: str,
        history: Callable[[], Iterable[Incoming]],
        commit: Callable[[], None],
        still_owned: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._target_name = target_name
        self._history = history
        self._commit = commit
        self._still_owned = still_owned
        self._clock = clock
        self._newest: dict[str, dict[str, str]] | None = None

    def is_due(self, mailbox: str) -> bool:
        """Tell whether a mailbox is new to the ledger and was not looked at yet."""
        record = self._ledger.mailbox(mailbox)
        return not record.looked_at and not record.generation

    def adopt(self, address: str, mailbox: str) -> int:
        """Put what is there of ours into the ledger; return how many items. CallFailed if the server can't say.

        The caller says in the mailbox's record that it was looked at, at once with what follows from it.
        """
        found: dict[str, list[Found]] = {}
        for folder_id in self._target.folder_ids(address):
            for one in self._stamped(address, folder_id):
                found.setdefault(one.stamp.item, []).append(one)
        waiting = 0
        for item, candidates in found.items():
            newest = self._newest_keys().get(item, {})
            ranked = sorted(candidates, key=lambda f: (mark_in(f.stamp.nonce) not in newest, f.held.item_id))
            self._ledger.put_item(mailbox, _adopted(item, ranked[0], newest))
            for other in ranked[1:]:
                self._ledger.put_orphan(mailbox, self._orphan(item, other))
            waiting += len(candidates)
            if waiting >= COMMIT_ITEMS_MAX:
                waiting = 0
                self._commit()  # a transaction has to stay small; until the mailbox's record, all of it is done again
        if found:
            log.warning("items adopted by their stamps", extra={"mailbox": mailbox, "items": len(found)})
        return len(found)

    def _stamped(self, address: str, folder_id: str) -> list[Found]:
        stamps = {i.item_id: s for i in self._listed(address, folder_id) if (s := self._ours(i))}
        found: list[Found] = []
        ids = list(stamps)
        for start in range(0, len(ids), LOOK_ITEMS_MAX):
            looked = self._target.look(address, ids[start : start + LOOK_ITEMS_MAX])
            held = [h for h in looked if isinstance(h, Held) and h.item_id in stamps]
            found += [Found(folder_id, h, stamps[h.item_id]) for h in held]
        return found

    def _listed(self, address: str, folder_id: str) -> list[ListedItem]:
        items: list[ListedItem] = []
        offset: int | None = 0
        bounds = ReadingBounds()
        while offset is not None:
            if not self._still_owned():
                raise PartitionLost("given up while adopting")
            try:
                page = self._target.listing(address, folder_id, offset)
            except CallRefused as refused:
                if refused.code != "ErrorFolderNotFound":
                    raise
                break
            items += page.items
            bounds.take_page((i.item_id for i in page.items), is_last=page.next_offset is None)
            offset = page.next_offset
        return items

    def _ours(self, item: ListedItem) -> Stamp | None:
        stamp = Stamp.parse(item.stamp)
        return stamp if stamp and stamp.target == self._target_name else None

    def _newest_keys(self) -> dict[str, dict[str, str]]:
        """Return for each item the marks of ChangeKeys whose content is its newest, and that newest ChangeKey.

        A move or a mark changes the ChangeKey and not the content; read from the log once, as far as it reaches.
        """
        if self._newest is None:
            newest: dict[str, dict[str, str]] = {}
            for incoming in self._history():
                record = decode(incoming.value) if incoming.value else None
                if isinstance(record, Change):
                    _note(newest, record)
            self._newest = newest  # whole at once: another lane may ask
        return self._newest

    def _orphan(self, item: str, found: Found) -> Orphan:
        return Orphan(
            item=item, target_id=found.held.item_id, folder_id=ADOPTED + found.folder_id, nonce=found.stamp.nonce,
            generation=0, sequence=0, at=self._clock(),
        )  # fmt: skip


def _note(newest: dict[str, dict[str, str]], change: Change) -> None:
    match change.operation:
        case ItemSaved(ref=ref) if ref.change_key not in newest.get(ref.item, {}).values():
            newest[ref.item] = {key_mark(ref.change_key): ref.change_key}
        case ItemMarked(ref=ref) | ItemMoved(ref=ref):
            marks = {*newest.get(ref.item, {}), key_mark(ref.change_key)}
            newest[ref.item] = dict.fromkeys(marks, ref.change_key)


def _adopted(item: str, found: Found, newest: dict[str, str]) -> ItemRecord:
    mark = mark_in(found.stamp.nonce)
    return replace(
        blank(item, ADOPTED + found.folder_id),
        state=ItemState.PRESENT,
        source_change_key=newest.get(mark) or ADOPTED + mark,
        marks=found.held.marks,
        target_id=found.held.item_id,
        target_change_key=found.held.change_key,
        nonce=found.stamp.nonce,
    )
