"""Settling: what became of a visible write whose answer is unknown (design §6).

The same for the owner that sent it and for a new one that found its intent. Everything is decided by looking:
a late or repeated request finds nothing to hit, because ids die with a move and marks carry a nonce.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from consumers.folder_map import FolderMap
from consumers.ledger import Ledger
from consumers.resolving import AtTarget, Kept, kept_since_opened, touched
from consumers.target import Done, Held, Refused, Target, Update
from schemas.change import ItemSaved
from schemas.faults import GONE, STALE, Disposition, ReplicationFault, disposition_of
from schemas.identity import Stamp, mark_in
from schemas.ports import CallRefused
from schemas.roles import is_merging
from schemas.state import Conflict, Intent, IntentKind, ItemRecord, Orphan

MARK_ATTEMPTS_MAX = 5
LOOK_ITEMS_MAX = 100
ABSENT = "ErrorItemNotFound"
RECOVERABLE = "recoverableitemsdeletions"


class Finding(Enum):
    """What settling an intent found."""

    DONE = "done"
    AGAIN = "not done and its staged item is gone: stage again"
    LOST = "the item is not at the target any more: ask for its content"
    PARKED = "it can't be done"


@dataclass(frozen=True, slots=True)
class Settled:
    """The finding, with the item's new id where it is done and the reason where it is parked."""

    finding: Finding
    done: Done | None = None
    reason: str = ""


class Recovery:
    """Settles intents of one target; `commit` writes the ledger as it stands."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        folders: FolderMap,
        target_name: str,
        commit: Callable[[], None],
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._folders = folders
        self._target_name = target_name
        self._commit = commit

    def settle(self, address: str, mailbox: str, record: ItemRecord) -> Settled:
        """Find out whether an intent was done, and do it if not; CallFailed if the server can't say."""
        settled = self._found(address, mailbox, record)
        is_read_again = record.target_id and is_merging(self._ledger.mailbox(mailbox))
        if settled.done and is_read_again and record.intent and record.intent.kind is not IntentKind.PLACE:
            # what users did to it since can't be told from what we did: by the key of before it is read once more
            return replace(settled, done=replace(settled.done, change_key=record.target_change_key))
        return settled

    def _found(self, address: str, mailbox: str, record: ItemRecord) -> Settled:
        intent = record.intent
        if intent is None:
            return Settled(Finding.AGAIN)
        match intent.kind:
            case IntentKind.PLACE:
                return self._settle_place(address, mailbox, record, intent)
            case IntentKind.MARK:
                return self._settle_mark(address, mailbox, record)
            case IntentKind.EDIT:
                return self._settle_edit(address, mailbox, record, intent)
            case IntentKind.MOVE:
                return self._settle_move(address, mailbox, record, intent)
            case IntentKind.DELETE:
                return self._settle_delete(address, mailbox, record, intent)

    def touched(self, address: str, mailbox: str, records: Iterable[ItemRecord]) -> set[str]:
        """Return the items users touched since a merge planned what to do with them; CallFailed if nobody can say.

        What the server refuses by its ChangeKey needs no look before it is sent; a move and a deletion have none.
        """
        if not is_merging(self._ledger.mailbox(mailbox)):
            return set()
        asked = [r for r in records if r.intent and r.intent.target_id == r.target_id and not self._is_kept(mailbox, r)]
        found: set[str] = set()
        for start in range(0, len(asked), LOOK_ITEMS_MAX):
            batch = asked[start : start + LOOK_ITEMS_MAX]
            looked = zip(batch, self._target.look(address, [r.target_id for r in batch]), strict=True)
            found |= {r.item for r, h in looked if isinstance(h, Held) and touched(r, h, "") is AtTarget.CHANGED}
        return found

    def keeps_beside(self, address: str, mailbox: str, record: ItemRecord) -> bool:
        """Leave what a merge was to replace where users edited it since it was planned, and note that both stay."""
        intent, known = record.intent, self._ledger.mailbox(mailbox)
        if intent is None or not is_merging(known):
            return False
        held = self._target.look(address, [intent.replaced_id])[0]
        if isinstance(held, Refused) or touched(record, held, "") is AtTarget.AS_RECORDED:
            return False
        self._ledger.put_conflict(
            mailbox,
            Conflict(
                item=record.item, promotion=known.returned, at_source=ItemSaved.__name__, at_target=AtTarget.CHANGED,
                kept=Kept.BOTH, copy="", folder_id=intent.folder_id, generation=intent.generation,
                sequence=intent.sequence, at=known.opened_at,
            ),
        )  # fmt: skip
        return True

    def _is_kept(self, mailbox: str, record: ItemRecord) -> bool:
        """Tell whether what users did to an item is known, and what is to be done takes it into account."""
        found = self._ledger.conflict(mailbox, record.item)
        return kept_since_opened(found, self._ledger.mailbox(mailbox)) in {Kept.BOTH, Kept.MERGED}

    def _settle_place(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> Settled:
        """Nonce at the destination? Else move the staged id; not found: look everywhere; absent: stage again."""
        stamp = self._stamp(record, intent.nonce)
        settled = self._reach(address, mailbox, intent, stamp)
        if settled.finding is Finding.AGAIN:
            settled = self._placed_and_filed(address, mailbox, record, intent, stamp)
        stands_there = settled.finding is Finding.DONE or settled.reason == ReplicationFault.AMBIGUOUS_STAMP
        if stands_there and intent.replaced_id and not self.keeps_beside(address, mailbox, record):
            self._drop_replaced(address, mailbox, record, intent)
        return settled

    def _placed_and_filed(self, address: str, mailbox: str, record: ItemRecord, intent: Intent, stamp: str) -> Settled:
        """Find what was placed, and what users did with it before that was settled.

        While the target mirrors, it is brought back, or made again where they deleted it. In a merge it stays where
        they filed it, and stays deleted.
        """
        filed = self._hits(address, mailbox, stamp)
        if len(filed) > 1:
            return Settled(Finding.PARKED, reason=ReplicationFault.AMBIGUOUS_STAMP)
        # where that can't be looked up, nothing is taken for deleted: a mail must not be lost by it
        is_deleted = self._is_recoverable(address, stamp, if_unknown=False)
        if is_merging(self._ledger.mailbox(mailbox)):
            if filed:
                return Settled(Finding.DONE, Done(filed[0].item_id, filed[0].change_key))
            return Settled(Finding.DONE, Done(intent.target_id, "")) if is_deleted else Settled(Finding.AGAIN)
        if not filed or is_deleted:
            return Settled(Finding.AGAIN)  # what is left of a deleted one is a copy that somebody made
        moved = replace(intent, target_id=filed[0].item_id, change_key=filed[0].change_key)
        self._put_intent(mailbox, record, moved)
        return self._reach(address, mailbox, moved, stamp)

    def _settle_move(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> Settled:
        if self.touched(address, mailbox, [record]):
            return Settled(Finding.AGAIN)
        return self._moved(address, mailbox, record, intent)

    def _moved(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> Settled:
        settled = self._reach(address, mailbox, intent, self._stamp(record, record.nonce))
        if settled.finding is not Finding.AGAIN:
            return settled
        if held := self._moved_away(address, mailbox, self._stamp(record, record.nonce)):
            self._put_intent(mailbox, record, replace(intent, target_id=held.item_id, change_key=held.change_key))
            return self._reach(
                address, mailbox, replace(intent, target_id=held.item_id), self._stamp(record, record.nonce)
            )
        return Settled(Finding.LOST)

    def _reach(self, address: str, mailbox: str, intent: Intent, stamp: str) -> Settled:
        """Bring the item of an intent to its destination, or find it there."""
        for is_last_look in (False, True):
            folder_id = self._folders.target_id(mailbox, intent.folder_id)
            found = self._target.find(address, [folder_id], [stamp])
            if len(found) == 1:
                return Settled(Finding.DONE, Done(found[0].item_id, found[0].change_key))
            if len(found) > 1:
                return Settled(Finding.PARKED, reason=ReplicationFault.AMBIGUOUS_STAMP)
            if is_last_look:
                break
            outcome = self._target.move(address, [intent.target_id], folder_id)[0]
            if isinstance(outcome, Done):
                return Settled(Finding.DONE, outcome)
            if outcome.code == "ErrorToFolderNotFound":
                self._folders.restore(address, mailbox, intent.folder_id)
            elif outcome.code not in GONE:
                return self._refused(outcome)
        return Settled(Finding.AGAIN)

    def _settle_mark(  # noqa: PLR0911 - one return for each finding
        self, address: str, mailbox: str, record: ItemRecord
    ) -> Settled:
        """Read back; our nonce: done; else take the ChangeKey found as the new intent and send again."""
        for _ in range(MARK_ATTEMPTS_MAX):
            intent = record.intent
            if intent is None or intent.marks is None:
                return Settled(Finding.AGAIN)
            wanted = self._stamp(record, intent.nonce)
            held = self._target.look(address, [intent.target_id])[0]
            if isinstance(held, Refused):
                if held.code not in GONE:
                    return self._refused(held)
                moved = self._moved_away(address, mailbox, self._stamp(record, record.nonce))
                moved = moved or self._moved_away(address, mailbox, wanted)
                if moved is None:
                    return Settled(Finding.LOST)
                held = moved
            if held.stamp.lower() == wanted:
                return Settled(Finding.DONE, Done(held.item_id, held.change_key))
            if self.touched(address, mailbox, [record]):
                return Settled(Finding.AGAIN)
            record = self._put_intent(
                mailbox, record, replace(intent, target_id=held.item_id, change_key=held.change_key)
            )
            update = Update(item_id=held.item_id, change_key=held.change_key, stamp=wanted, marks=intent.marks)
            outcome = self._target.update(address, [update])[0]
            if isinstance(outcome, Done):
                return Settled(Finding.DONE, outcome)
            if outcome.code not in STALE and outcome.code not in GONE:
                return self._refused(outcome)
        return Settled(Finding.PARKED, reason="ErrorIrresolvableConflict")

    def _settle_edit(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> Settled:
        """Read back; a stamp of this content: done, by whichever request. Else it is planned again, by what is there.

        A request of the attempt before this one may arrive in between: it says the same, under its own nonce.
        """
        held = self._target.look(address, [intent.target_id])[0]
        if isinstance(held, Refused):
            if held.code not in GONE:
                return self._refused(held)
            stamps = [self._stamp(record, nonce) for nonce in (intent.nonce, record.nonce)]
            moved = next((found for stamp in stamps if (found := self._moved_away(address, mailbox, stamp))), None)
            if moved is None:
                return Settled(Finding.LOST)
            held = moved
            record = self._put_intent(mailbox, record, replace(intent, target_id=held.item_id))
            intent = record.intent or intent
            record = replace(record, target_id=held.item_id)
        stamp = Stamp.parse(held.stamp)
        is_ours = stamp is not None and (stamp.target, stamp.item) == (self._target_name, record.item)
        if stamp and is_ours and stamp.nonce != record.nonce and mark_in(stamp.nonce) == mark_in(intent.nonce):
            self._put_intent(mailbox, record, replace(intent, nonce=stamp.nonce))
            return Settled(Finding.DONE, Done(held.item_id, held.change_key))
        if not is_merging(self._ledger.mailbox(mailbox)):
            self._ledger.put_item(mailbox, replace(record, target_change_key=held.change_key))
        return Settled(Finding.AGAIN)

    def _settle_delete(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> Settled:
        if self.touched(address, mailbox, [record]):
            return Settled(Finding.AGAIN)
        stamp = self._stamp(record, record.nonce)
        is_absent = self._delete(address, intent.target_id, hard=False)
        if is_absent and (held := self._moved_away(address, mailbox, stamp)):
            self._delete(address, held.item_id, hard=False)
        return Settled(Finding.DONE, Done(intent.target_id, ""))

    def drop_moved(self, address: str, mailbox: str, record: ItemRecord) -> None:
        """Delete for good what was to be replaced and a user had moved before; CallRefused while it stays."""
        if held := self._moved_away(address, mailbox, self._stamp(record, record.nonce)):
            self._delete(address, held.item_id, hard=True)

    def _moved_away(self, address: str, mailbox: str, stamp: str) -> Held | None:
        """Return an item that a user moved; where the item itself was deleted, what has its stamp is a copy."""
        held = self._find_anywhere(address, mailbox, stamp)
        return None if held and self._is_recoverable(address, stamp) else held

    def _is_recoverable(self, address: str, stamp: str, *, if_unknown: bool = True) -> bool:
        """Tell whether an item with this stamp went to Recoverable Items; `if_unknown` where they can't be read."""
        try:
            deleted_items = self._folders.root(address, RECOVERABLE)
        except CallRefused as refused:
            if refused.code not in GONE:
                raise
            return if_unknown  # mostly: where nothing can be looked up, nothing more is deleted
        return bool(self._target.find(address, [deleted_items], [stamp]))

    def _drop_replaced(self, address: str, mailbox: str, record: ItemRecord, intent: Intent) -> None:
        """Delete what was replaced, by its id alone; CallRefused while it stays.

        Where the id is dead, our own lost request may have killed it: what carries the old stamp is ours that somebody
        moved, or somebody's copy. Nothing tells them apart, so it is left and noted as an orphan.
        """
        stamp = self._stamp(record, record.nonce)
        is_hard = not is_merging(self._ledger.mailbox(mailbox))
        if self._delete(address, intent.replaced_id, hard=is_hard) and (
            held := self._find_anywhere(address, mailbox, stamp)
        ):
            orphan = Orphan(
                item=record.item, target_id=held.item_id, folder_id=record.folder_id, nonce=record.nonce,
                generation=intent.generation, sequence=intent.sequence, at=0,
            )  # fmt: skip
            self._ledger.put_orphan(mailbox, orphan)

    def _delete(self, address: str, item_id: str, *, hard: bool) -> bool:
        """Delete an item; True if there was none of this id. Only looking proves that, whatever the refusal says."""
        outcome = self._target.delete(address, [item_id], hard=hard)[0]
        if isinstance(outcome, Done):
            return False
        held = self._target.look(address, [item_id])[0]
        if isinstance(held, Refused) and held.code == ABSENT:
            return True
        raise CallRefused(outcome.code, outcome.text)

    def _find_anywhere(self, address: str, mailbox: str, stamp: str) -> Held | None:
        """Return the one item with this stamp wherever it was filed; two are never adopted blindly."""
        found = self._hits(address, mailbox, stamp)
        return found[0] if len(found) == 1 else None

    def _hits(self, address: str, mailbox: str, stamp: str) -> list[Held]:
        """Return what carries a stamp in the mapped folders, or else in those that only the target's users have."""
        mapped = [f.target_id for f in self._ledger.folders(mailbox) if f.target_id]
        found = self._target.find(address, mapped, [stamp]) if mapped else []
        if found:
            return found
        others = [f for f in self._target.folder_ids(address) if f not in set(mapped)]
        return self._target.find(address, others, [stamp]) if others else []

    def _put_intent(self, mailbox: str, record: ItemRecord, intent: Intent) -> ItemRecord:
        """Commit the new intent before anything is sent by it."""
        if record.intent != intent:
            record = replace(record, intent=intent)
            self._ledger.put_item(mailbox, record)
            self._commit()
        return record

    def _stamp(self, record: ItemRecord, nonce: str) -> str:
        return str(Stamp(self._target_name, record.item, nonce))

    @staticmethod
    def _refused(outcome: Refused) -> Settled:
        """Park what only this item has; anything wider stops the mailbox."""
        if disposition_of(outcome.code) is Disposition.PARK:
            return Settled(Finding.PARKED, reason=outcome.code)
        raise CallRefused(outcome.code, outcome.text)
