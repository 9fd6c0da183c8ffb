"""What the old source still had, brought to a target where users work meanwhile: both are kept (design §8).

State: the role MERGING, from the MERGE order to the barrier of the tail; conflicts in the ledger.
Order: between plan and staging of a run, what became of its items is looked up; `consumers.resolving` says what their
changes come to; conflicts are committed with the run's intents.
Failure: looked at and resolved again, like a plan. A copy's key is made of its item and of the ChangeKey it copies, so
a copy that is there is not made again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from consumers.ledger import Ledger
from consumers.plan import Action
from consumers.resolving import AtTarget, Finding, Kept, copied, kept_since_opened, marked, resolve, touched
from consumers.target import Held, Refused, Target
from schemas.change import Change, ItemOperation, ItemSaved
from schemas.faults import GONE
from schemas.identity import Stamp
from schemas.ports import CallRefused, Clock
from schemas.roles import is_merging
from schemas.state import Conflict, ItemRecord

log = logging.getLogger(__name__)

LOOK_ITEMS_MAX = 100
_WEIGHTS: dict[str, int] = {Kept.BOTH: 2, Kept.MERGED: 1}


@dataclass(frozen=True, slots=True)
class Settled:
    """What a change of the tail comes to; the save of a copy is to be planned anew, as that of an item of its own."""

    operation: ItemOperation
    action: Action
    is_copy: bool = False


class Merging:
    """Looks what became of the items of a run at one target, and turns their plans into what both sides keep."""

    def __init__(self, target: Target, ledger: Ledger, target_name: str, clock: Clock) -> None:
        self._target = target
        self._ledger = ledger
        self._target_name = target_name
        self._clock = clock

    def look(self, address: str, mailbox: str, records: Sequence[ItemRecord]) -> dict[str, Finding]:
        """Return by item key how the recorded items are found; CallFailed if the target can't say."""
        if not is_merging(self._ledger.mailbox(mailbox)):
            return {}
        known = [r for r in records if r.target_id]
        found: dict[str, Finding] = {}
        for start in range(0, len(known), LOOK_ITEMS_MAX):
            batch = known[start : start + LOOK_ITEMS_MAX]
            looked = self._target.look(address, [r.target_id for r in batch])
            absent = [r for r, held in zip(batch, looked, strict=True) if isinstance(held, Refused)]
            for record, held in zip(batch, looked, strict=True):
                if isinstance(held, Held):
                    found[record.item] = Finding(touched(record, held, self._kept(mailbox, record.item)), held)
                elif held.code not in GONE:
                    raise CallRefused(held.code, held.text)
            found |= self._elsewhere(address, absent)
        return found

    def _elsewhere(self, address: str, absent: Sequence[ItemRecord]) -> dict[str, Finding]:
        """Find by their stamps the items whose ids are dead, in every folder there is."""
        if not absent:
            return {}
        stamps = {str(Stamp(self._target_name, r.item, r.nonce)): r.item for r in absent if r.nonce}
        held: dict[str, list[Held]] = {}
        folder_ids = self._target.folder_ids(address)
        for one in self._target.find(address, folder_ids, list(stamps)) if stamps else []:
            held.setdefault(stamps[one.stamp.lower()], []).append(one)
        return {
            r.item: Finding(AtTarget.MOVED, held[r.item][0] if len(held[r.item]) == 1 else None)
            if r.item in held
            else Finding(AtTarget.GONE)
            for r in absent
        }

    def settle(self, change: Change, operation: ItemOperation, action: Action, finding: Finding) -> Settled:
        """Return what a planned change comes to; a conflict is put into the ledger."""
        resolved = resolve(action, operation, finding)
        if resolved.kept is Kept.NO_CONFLICT:
            return Settled(operation, resolved.action)
        settled = Settled(operation, resolved.action)
        if isinstance(operation, ItemSaved) and resolved.kept is Kept.BOTH:
            settled = Settled(copied(change.mailbox, operation), resolved.action, is_copy=True)
        elif isinstance(operation, ItemSaved) and resolved.kept is Kept.SOURCE:
            settled = Settled(replace(operation, marks=marked(operation)), resolved.action)
        copy = settled.operation.ref.item if settled.is_copy else ""
        self._note(change, operation, finding, resolved.kept, copy)
        return settled

    def _kept(self, mailbox: str, item: str) -> str:
        return kept_since_opened(self._ledger.conflict(mailbox, item), self._ledger.mailbox(mailbox))

    def _note(self, change: Change, operation: ItemOperation, finding: Finding, kept: Kept, copy: str) -> None:
        item, promotion = operation.ref.item, self._ledger.mailbox(change.mailbox).returned
        if _WEIGHTS.get(self._kept(change.mailbox, item), 0) > _WEIGHTS.get(kept, 0):
            return  # the greater one is told, whatever else happened to the item
        log.warning("both servers changed an item", extra={"mailbox": change.mailbox, "item": item, "kept": kept})
        self._ledger.put_conflict(
            change.mailbox,
            Conflict(
                item=item, promotion=promotion, at_source=type(operation).__name__, at_target=finding.at_target,
                kept=kept, copy=copy, folder_id=operation.ref.folder_id, generation=change.generation,
                sequence=change.sequence, at=self._clock(),
            ),
        )  # fmt: skip
