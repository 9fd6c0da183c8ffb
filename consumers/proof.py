"""The continuous proof: every target folder compared with the source's checksum, at once and again while idle.

State: in the ledger the checksum of each folder (until a change of the folder makes it stale) and what was found
wrong; here when each folder is to be compared, and a listing under way; what was found equal is watched by the cheap
probe, and compared anew where that moved (`consumers.target_watch`). Once the barrier is applied all folders are looked
at anew, also those without a checksum (`consumers.confirmation`).
Order: a checksum is taken when every earlier change of its mailbox is applied; the listing goes page by page between
batches, reading calls only; a difference is looked at a second time before it is told.
Failure: a listing is forgotten and begun again; a change of the folder meanwhile ends it.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from consumers import folder_verdict as verdict
from consumers.confirmation import Confirmation
from consumers.ledger import Ledger
from consumers.target import Held, Refused, Target
from consumers.target_watch import Place, TargetWatch
from schemas.canonical_row import ROW_VERSION
from schemas.change import Change, Checksum, Operation, folders_of
from schemas.endless import ReadingBounds
from schemas.faults import GONE
from schemas.identity import Stamp
from schemas.listing import ListedItem
from schemas.metrics import ReplayMetrics
from schemas.ports import CallFailed, CallRefused, Clock
from schemas.roles import users_work_at
from schemas.state import ItemRecord, ItemState, TargetFolder

log = logging.getLogger(__name__)

AGAIN_AFTER_MS = 2_000
PAGE_SPACING_MS = 1_000
FAILURE_SPACING_MS = 30_000
FAILURE_PAUSE_MS = 5_000
SEARCHED_ITEMS_MAX = 20
LOOKED_ITEMS_MAX = 100
FOLDER_GONE = frozenset({"ErrorFolderNotFound", "ErrorItemNotFound"})
FRESH_PAGES_MAX = 10
"""Pages of folders that are to be compared at once, before the log is looked at again."""


@dataclass(slots=True)
class _Look:
    place: Place
    probe: str = ""
    offset: int = 0
    items: dict[str, ListedItem] = field(default_factory=dict)
    bounds: ReadingBounds = field(default_factory=ReadingBounds)


class Proof:
    """Compares the folders of one partition's mailboxes at one target."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        target_name: str,
        clock: Clock,
        metrics: ReplayMetrics,
        interval_seconds: float,
        probe_interval_seconds: float = 0.0,
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._target_name = target_name
        self._clock = clock
        self._metrics = metrics
        self._interval_ms = int(interval_seconds * 1000)
        self._due: dict[Place, int] = {}
        self._fresh: set[Place] = set()
        self._suspect: set[Place] = set()
        self._look: _Look | None = None
        self._looked_at = 0
        self._not_before = 0
        self._foreign: dict[Place, int] = {}
        self._watch = TargetWatch(target, clock, probe_interval_seconds if interval_seconds else 0.0)
        self._confirmation = Confirmation(ledger)
        if self._interval_ms:
            self._resume()

    def _resume(self) -> None:
        """Plan the folders that have a checksum, spread over the interval."""
        now = self._clock()
        places = [
            (m.mailbox, f.folder_id)
            for m in list(self._ledger.mailboxes())
            for f in self._ledger.folders(m.mailbox)
            if f.checksum
        ]
        for number, place in enumerate(places):
            self._due[place] = now + self._interval_ms * number // len(places)
        for mailbox in {m for m, _ in places}:
            self._tell_metrics(mailbox)

    # -- what the loop says --------------------------------------------------------------------------------

    def take(self, change: Change, checksum: Checksum) -> None:
        """Remember a checksum: every earlier change of its mailbox is applied."""
        folder = self._ledger.folder(change.mailbox, checksum.folder_id)
        if folder is None or folder.left_out or checksum.form != ROW_VERSION:
            return
        self._ledger.put_folder(change.mailbox, replace(folder, checksum=checksum, compared_at=0))
        if self._interval_ms:
            place = change.mailbox, checksum.folder_id
            self._due[place] = self._clock()
            self._fresh.add(place)
            self._suspect.discard(place)

    def touch(self, mailbox: str, operations: Iterable[Operation], left: Iterable[str] = ()) -> None:
        """Forget the checksums of the folders that operations change, before their intents are committed.

        `left` are the folders their items lay in so far: a save alone may bring one somewhere else.
        """
        for folder_id in {f for operation in operations for f in folders_of(operation)} | set(left):
            folder = self._ledger.folder(mailbox, folder_id)
            if folder is not None and folder.checksum is not None:
                self._ledger.put_folder(mailbox, replace(folder, checksum=None))
            self._forget((mailbox, folder_id))

    def forget_all(self, mailbox: str) -> None:
        """Forget the checksums of a mailbox: a seed says everything anew."""
        for folder in list(self._ledger.folders(mailbox)):
            if folder.checksum is not None:
                self._ledger.put_folder(mailbox, replace(folder, checksum=None))
            self._forget((mailbox, folder.folder_id))

    def confirm(self, mailbox: str) -> None:
        """Look at every folder of a mailbox anew: its barrier is applied, and its users are about to come."""
        self._confirmation.begin(mailbox)

    def step(self, addresses: Mapping[str, str]) -> None:
        """Read a few pages of folders, and judge each after its last. CallFailed if the target can't answer.

        A checksum just taken is compared at once; what is compared again, at a page a second.
        """
        try:
            self._probe(addresses)
            for _ in range(FRESH_PAGES_MAX):
                self._step(addresses)
                if not self._fresh:
                    break
        except CallFailed as failure:
            self._not_before = self._clock() + max(FAILURE_PAUSE_MS, int(failure.back_off_seconds * 1000))
            if self._look is not None:
                self._end(self._look, "abandoned", FAILURE_SPACING_MS)
            raise

    def _step(self, addresses: Mapping[str, str]) -> None:
        now = self._clock()
        if now < self._not_before or not (self._fresh or self._is_rested(now)):
            return
        if self._look is None:
            self._begin(addresses)
        elif self._may_be_compared(self._look.place[0], addresses):
            self._read(self._look, addresses)
        else:
            self._end(self._look, "abandoned", AGAIN_AFTER_MS)

    def _probe(self, addresses: Mapping[str, str]) -> None:
        """Ask what changed: at mailboxes that came to their barrier, and at one that was not asked for an interval."""
        if self._clock() < self._not_before:
            return
        for mailbox in self._confirmation.unprobed():
            if self._may_be_compared(mailbox, addresses):
                self._confirm_unchanged(mailbox, addresses[mailbox])
            elif users_work_at(self._ledger.mailbox(mailbox)):
                self._confirmation.end(mailbox)
        for place in self._watch.changed(addresses, lambda m: self._may_be_compared(m, addresses)):
            self._watch.forget(place)
            self._compare_at_once(place)

    def _confirm_unchanged(self, mailbox: str, address: str) -> None:
        """Confirm by one probe the folders that nobody wrote to since they were found equal, and list the others."""
        folders = [f for f in self._ledger.folders(mailbox) if f.target_id and not f.left_out]
        values = self._target.probe(address, [f.target_id for f in folders])
        self._confirmation.take_probes(mailbox, {f.folder_id: values.get(f.target_id, "") for f in folders})
        for folder in folders:
            place, value = (mailbox, folder.folder_id), values.get(folder.target_id, "")
            is_proved = bool(folder.checksum and folder.compared_at and not folder.divergence)
            if is_proved and self._watch.is_unchanged(place, value):
                self._confirmation.judged(mailbox, folder.folder_id, is_equal=True)
            else:
                self._compare_at_once(place)

    def _compare_at_once(self, place: Place) -> None:
        self._due[place] = self._clock()
        self._fresh.add(place)

    # -- a look --------------------------------------------------------------------------------------------

    def _begin(self, addresses: Mapping[str, str]) -> None:
        now, is_rested = self._clock(), self._is_rested(self._clock())
        due = [p for p, at in self._due.items() if at <= now and (is_rested or p in self._fresh)]
        ready = [p for p in due if self._may_be_compared(p[0], addresses)]
        self._looked_at = now if is_rested else self._looked_at
        if ready:
            place = min(ready, key=lambda p: (p not in self._fresh, self._due[p]))
            self._look = _Look(place, self._probed(place, addresses[place[0]]))
            self._read(self._look, addresses)

    def _probed(self, place: Place, address: str) -> str:
        """Return the probe value of a folder right before it is listed."""
        if value := self._confirmation.probe_of(*place):
            return value
        folder = self._ledger.folder(*place)
        return self._target.probe(address, [folder.target_id]).get(folder.target_id, "") if folder else ""

    def _is_rested(self, now: int) -> bool:
        return now - self._looked_at >= PAGE_SPACING_MS

    def _may_be_compared(self, mailbox: str, addresses: Mapping[str, str]) -> bool:
        record = self._ledger.mailbox(mailbox)
        is_open = users_work_at(record)
        return mailbox in addresses and not (is_open or record.behind or record.waiting or record.unsettled)

    def _read(self, look: _Look, addresses: Mapping[str, str]) -> None:
        mailbox, folder_id = look.place
        folder = self._ledger.folder(mailbox, folder_id)
        self._looked_at = self._clock()
        if folder is None or (folder.checksum is None and not self._confirmation.awaits(*look.place)):
            self._end(look, "abandoned", 0)
            self._forget(look.place)
            return
        try:
            page = self._target.listing(addresses[mailbox], folder.target_id, look.offset)
        except CallRefused as refused:
            if refused.code not in FOLDER_GONE:
                raise
            self._judge(look, folder, addresses[mailbox])  # what is gone shows nothing
            return
        look.items.update((i.item_id, i) for i in page.items)
        look.bounds.take_page((i.item_id for i in page.items), is_last=page.next_offset is None)
        if page.next_offset is None:
            self._judge(look, folder, addresses[mailbox])
        else:
            look.offset = page.next_offset

    def _judge(self, look: _Look, folder: TargetFolder, address: str) -> None:
        mailbox, checksum = look.place[0], folder.checksum
        listed = [i for i in look.items.values() if not self._is_left(mailbox, i)]
        stamps = [s for i in listed if (s := Stamp.parse(i.stamp)) and s.target == self._target_name]
        records = {s.item: r for s in stamps if (r := self._ledger.item(mailbox, s.item))}
        seen = verdict.see(listed, records, folder.folder_id, self._target_name)
        self._foreign[look.place] = seen.foreign
        found: dict[str, int] = {}
        missing: list[ItemRecord] = []
        if checksum is None or not verdict.is_as_expected(seen, records, checksum):
            # without a checksum only the ledger is asked, and that knows what the target's scope leaves out
            is_expected = {*ItemState} if checksum else {*ItemState} - {ItemState.LEFT_OUT}
            items = self._ledger.items(mailbox)
            in_folder = [r for r in items if r.folder_id == folder.folder_id and r.state in is_expected]
            missing = verdict.absent(seen, in_folder)
            moved = self._found_elsewhere(address, mailbox, missing)
            missing = [r for r in missing if r.item not in moved]
            found = verdict.divergence(seen, in_folder, checksum, moved, self._copied(address, seen.strays))
        if found and found != folder.divergence and look.place not in self._suspect:
            self._suspect.add(look.place)
            self._end(look, "suspect", AGAIN_AFTER_MS)
            return
        self._suspect.discard(look.place)
        self._fresh.discard(look.place)
        self._end(look, "different" if found else "equal", self._interval_ms)
        self._tell(mailbox, folder, found)
        if not found and checksum is not None:
            self._watch.note(look.place, folder.target_id, look.probe)
        if self._confirmation.awaits(*look.place):
            edited = verdict.edited(seen, records)
            self._confirmation.keep_out(mailbox, self._gone(address, missing), edited)
            self._confirmation.judged(mailbox, folder.folder_id, is_equal=not found and not edited)

    def _is_left(self, mailbox: str, listed: ListedItem) -> bool:
        """Tell whether an item stays on an operator's word: an orphan is listed and counted as such, and no rot."""
        stamp = Stamp.parse(listed.stamp)
        if stamp is None or stamp.target != self._target_name:
            return False
        orphan = self._ledger.orphan(mailbox, stamp.item)
        return orphan is not None and orphan.nonce == stamp.nonce

    def _found_elsewhere(self, address: str, mailbox: str, missing: list[ItemRecord]) -> set[str]:
        """Return which absent items stand in another mirrored folder."""
        asked = {str(Stamp(self._target_name, r.item, r.nonce)): r.item for r in missing[:SEARCHED_ITEMS_MAX]}
        folder_ids = [f.target_id for f in self._ledger.folders(mailbox) if f.target_id]
        if not asked or not folder_ids:
            return set()
        return {asked[h.stamp.lower()] for h in self._target.find(address, folder_ids, list(asked))}

    def _gone(self, address: str, missing: list[ItemRecord]) -> list[ItemRecord]:
        """Return the items that are not there by their ids either: a listing may be short, or its folder refused."""
        gone: list[ItemRecord] = []
        asked = [r for r in missing if r.target_id]
        for start in range(0, len(asked), LOOKED_ITEMS_MAX):
            batch = asked[start : start + LOOKED_ITEMS_MAX]
            looked = self._target.look(address, [r.target_id for r in batch])
            gone += [r for r, h in zip(batch, looked, strict=True) if isinstance(h, Refused) and h.code in GONE]
        return gone

    def _copied(self, address: str, strays: tuple[ItemRecord, ...]) -> set[str]:
        """Return which items of other folders stand here as a copy: their original is alive."""
        asked = [r for r in strays if r.target_id][:SEARCHED_ITEMS_MAX]
        held = self._target.look(address, [r.target_id for r in asked]) if asked else []
        return {r.item for r, h in zip(asked, held, strict=True) if isinstance(h, Held)}

    def _end(self, look: _Look, outcome: str, again_after_ms: int) -> None:
        self._look = None
        self._due[look.place] = self._clock() + again_after_ms
        self._metrics.folders_compared.labels(outcome=outcome).inc()

    def _forget(self, place: Place) -> None:
        if self._look and self._look.place == place:
            self._look = None
        self._due.pop(place, None)
        self._watch.forget(place)
        self._fresh.discard(place)
        self._suspect.discard(place)

    # -- what was found ------------------------------------------------------------------------------------

    def _tell(self, mailbox: str, folder: TargetFolder, found: dict[str, int]) -> None:
        if found != folder.divergence:
            facts = {"mailbox": mailbox, "folder": folder.target_id, "kinds": found or folder.divergence}
            if found:
                log.error("target differs from source", extra=facts)
            else:
                log.warning("target equals source again", extra=facts)
        if found != folder.divergence or not folder.compared_at:
            compared = replace(folder, divergence=found, compared_at=self._clock())
            self._ledger.put_folder(mailbox, compared)
        self._tell_metrics(mailbox)

    def _tell_metrics(self, mailbox: str) -> None:
        totals = dict.fromkeys(verdict.KINDS, 0)
        for folder in self._ledger.folders(mailbox):
            for kind, number in folder.divergence.items():
                totals[kind] = totals.get(kind, 0) + number
        for kind, number in totals.items():
            self._metrics.divergent.labels(mailbox=mailbox, kind=kind).set(number)
        self._metrics.foreign.labels(mailbox=mailbox).set(
            sum(n for (owner, _), n in self._foreign.items() if owner == mailbox)
        )
