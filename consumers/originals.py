"""Stamps originals: items of a new target that no replay made, so that they are found again like our own (design §6).

Order: look → an item that carries our stamp keeps it → the others get one, by their ChangeKey, and nothing else of them
is written → records in the ledger. A stamp is a hidden property: users see nothing of it.
Failure: a lost answer or a death leaves a stamp that the next look finds. A late request is refused, because whatever
came after it moved the ChangeKey; what can't be stamped stays an original, and is found by its id alone.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from consumers.target import Done, Held, Refused, Target, Update
from schemas.faults import GONE, STALE, Disposition, disposition_of
from schemas.identity import Stamp, key_mark
from schemas.ports import CallRefused
from schemas.state import ItemRecord

log = logging.getLogger(__name__)

CALL_ITEMS_MAX = 100
ATTEMPTS_MAX = 3


class Originals:
    """Stamps at one target; `mint` makes nonces nobody has used."""

    def __init__(self, target: Target, target_name: str, mint: Callable[[], str]) -> None:
        self._target = target
        self._target_name = target_name
        self._mint = mint

    def stamped(self, address: str, records: Sequence[ItemRecord]) -> Iterator[list[ItemRecord]]:
        """Yield the records of one call after another, with nonce and ChangeKey; CallFailed if the target can't say."""
        for start in range(0, len(records), CALL_ITEMS_MAX):
            done = {r.item: r for r in records[start : start + CALL_ITEMS_MAX]}
            for _ in range(ATTEMPTS_MAX):
                if not (left := [r for r in done.values() if not r.nonce]):
                    break
                done |= {r.item: r for r in self._attempt(address, left)}
            yield list(done.values())

    def _attempt(self, address: str, records: list[ItemRecord]) -> list[ItemRecord]:
        found: list[ItemRecord] = []
        wanted: list[tuple[ItemRecord, Update]] = []
        looked = self._target.look(address, [r.target_id for r in records])
        for record, held in zip(records, looked, strict=True):
            if isinstance(held, Refused):
                self._weigh(held)
                continue
            if nonce := self._nonce_in(record, held):
                found.append(replace(record, nonce=nonce, target_change_key=held.change_key))
                continue
            nonce = self._mint() + key_mark(record.source_change_key)
            stamp = str(Stamp(self._target_name, record.item, nonce))
            update = Update(item_id=held.item_id, change_key=held.change_key, stamp=stamp)
            wanted.append((replace(record, nonce=nonce), update))
        return found + self._send(address, wanted)

    def _send(self, address: str, wanted: list[tuple[ItemRecord, Update]]) -> list[ItemRecord]:
        if not wanted:
            return []
        found = []
        outcomes = self._target.update(address, [update for _, update in wanted])
        for (record, _), outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Done):
                found.append(replace(record, target_change_key=outcome.change_key))
            else:
                self._weigh(outcome)
        return found

    def _nonce_in(self, record: ItemRecord, held: Held) -> str:
        stamp = Stamp.parse(held.stamp)
        is_ours = stamp is not None and (stamp.target, stamp.item) == (self._target_name, record.item)
        return stamp.nonce if stamp and is_ours else ""

    @staticmethod
    def _weigh(refused: Refused) -> None:
        """Leave what is gone, written meanwhile or refused alone; raise what is wider than the item."""
        if refused.code in GONE or refused.code in STALE or disposition_of(refused.code) is Disposition.PARK:
            log.info("original not stamped", extra={"code": refused.code})
            return
        raise CallRefused(refused.code, refused.text)
