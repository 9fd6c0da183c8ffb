"""One mailbox's rounds: asks the source, lets `round` decide, hands out parts for the publisher.

State: the index (changed in place), drafts not handed out yet, ticks that order this capture's requests.
Order: hierarchy, dirty folders to their ends, owed items, deletions, folders deleted, end of a seed.
Failure: a failed call ends the round after handing out what was drafted so far, which is consistent with the
index; cursors not advanced are read again. If the process dies, nothing of a part exists or all of it does.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from producers import round as decisions
from producers.contents import ContentReader
from producers.index import MailboxIndex
from producers.item_look import DESCRIBE_ITEMS_MAX, Drafts, ItemLook, Part
from producers.proof import FolderProof, ProofSettings
from producers.source import CursorLostError, HierarchyPage, ItemPage, Source
from producers.splitting_source import SplittingSource
from producers.unread_folders import LASTING_ATTEMPTS, UnreadFolders
from schemas.change import ItemDeleted, ItemRef, Operation, SeedBegin, SeedEnd, Version
from schemas.endless import ReadingBounds
from schemas.faults import Disposition, ReplicationFault, TransportFault, disposition_of
from schemas.metrics import FeedMetrics
from schemas.ports import CallFailed, Clock
from schemas.state import IndexEntry, SourceFolder

log = logging.getLogger(__name__)

PASSES_MAX = 4
SEED_REASON = "seed"
SEED_START = "0"
"""Where marking for a seed begins: less than every item key, and its folders are not said yet."""
PAGES_A_PART_MAX = 16
"""After so many pages without a part, an empty one lets the other mailboxes of the partition have their turn."""
UNREAD_WITHOUT_READ_MAX = 3
"""So many folders may fail before one was read: after them it is not the folders."""
FOLDER_GONE = frozenset({"ErrorFolderNotFound", "ErrorItemNotFound", "ErrorSyncFolderNotFound"})
WIDER_THAN_A_FOLDER = frozenset(
    {
        "ErrorNonExistentMailbox",
        "ErrorImpersonateUserDenied",
        "ErrorMailboxMoveInProgress",
        TransportFault.CONNECTION_REFUSED,
        TransportFault.TLS_FAILED,
        TransportFault.HTTP_UNAUTHORIZED,
        ReplicationFault.SOURCE_WENT_BACK,
    }
)


@dataclass(frozen=True, slots=True)
class Dirt:
    """What a doorbell or a timer said: folders surely dirty, and whether the hierarchy may be."""

    folders: frozenset[str] = frozenset()
    is_hierarchy_dirty: bool = True


class Capture:
    """Captures one mailbox; used by the owner of its partition only."""

    def __init__(
        self, source: Source, address: str, index: MailboxIndex, contents: ContentReader, clock: Clock
    ) -> None:
        self.index = index
        self.address = address
        self._source = SplittingSource(source)
        self._clock = clock
        self._tick = 0
        self._hierarchy_tick = -1
        self._hierarchy_read_at = 0
        self._read_ticks: dict[str, int] = {}
        self._completed_tick = 0
        self._pending_since: dict[str, int] = {}
        self._listed: dict[str, set[str]] = {}
        self._unread = UnreadFolders()
        self._is_any_read = False
        self._is_tree_doubted = False
        self._drafts = Drafts()
        self._items = ItemLook(self._source, address, index, contents, self._drafts, clock)
        self._proof: FolderProof | None = None

    def prove(self, settings: ProofSettings, metrics: FeedMetrics) -> None:
        """Draft checksums of folders from now on."""
        self._proof = FolderProof(self._source, self.address, self.index, self._drafts, self._clock, settings, metrics)

    def parts(self, dirt: Dirt) -> Iterator[Part]:
        """Run one round; yields parts to publish in order. CallFailed ends it after the drafted part."""
        try:
            yield from self._round(dirt)
        except (CallFailed, CursorLostError):
            yield self.take_part()
            raise
        yield self.take_part()

    def _round(self, dirt: Dirt) -> Iterator[Part]:
        begun_at = self._clock()
        self._is_any_read = False
        yield from self._mark_for_seed()
        forced = set(dirt.folders)
        if dirt.is_hierarchy_dirty or not self.index.record.hierarchy_cursor or forced - self.index.folders.keys():
            yield from self._read_hierarchy()
        for _ in range(PASSES_MAX):
            self._is_tree_doubted = False
            probes = self._probe()
            for folder in self._dirty(probes, forced):
                yield from self._read_folder(folder, probes.get(folder.folder_id, ""))
            forced = set()
            is_settled = (not self.index.pending or self._releasable()) and not self._is_seed_unproved()
            if is_settled and not self._is_tree_doubted:
                break
            yield from self._read_hierarchy()
        yield from self._items.retry_owed()
        self._note_pending(self._next_tick())
        self._items.learn_rest()
        yield from self._close_round()
        self._close_seed()
        if not self._unread:
            # what no reading of the hierarchy looked for since, perhaps a new folder, is not certain
            certain_up_to = max(self.index.record.certain_up_to, min(begun_at, self._hierarchy_read_at))
            self.index.record = replace(self.index.record, certain_up_to=certain_up_to)
        if self._proof:
            self._proof.advance(probes)

    # -- folders -------------------------------------------------------------------------------------------

    def _read_hierarchy(self) -> Iterator[Part]:
        """Read what became of folders, all of them where the cursor is empty or was lost."""
        self._drop_paired()
        tick, begun_at = self._next_tick(), self._clock()
        is_whole, page = self._whole_hierarchy()
        missing = self._missing_folders({f.folder_id for f in page.seen}) if is_whole else set[str]()
        for folder in decisions.parents_first(page.seen):
            self._drafts.add(*decisions.see_folders(self.index, [folder]))
            yield from self._items.full_part()
        for _ in decisions.each_gone(self.index, missing | set(page.gone)):
            yield from self._items.full_part()
        self._note_pending(tick)
        # a reading from the start is committed only when it is complete: what it did not name is gone
        self.index.record = replace(self.index.record, hierarchy_cursor=page.cursor)
        self._hierarchy_tick, self._hierarchy_read_at = tick, begun_at
        self._unread.keep_only({f.folder_id for f in self.index.folders.values() if not f.gone})

    def _whole_hierarchy(self) -> tuple[bool, HierarchyPage]:
        """Return whether it was read from the start, and all pages up to the last as one."""
        cursor, bounds = self.index.record.hierarchy_cursor, ReadingBounds()
        is_whole, pages = not cursor, list[HierarchyPage]()
        while not (pages and pages[-1].is_last):
            try:
                page = self._source.hierarchy(self.address, cursor)
            except CursorLostError:
                log.warning("hierarchy cursor lost", extra={"mailbox": self.index.record.mailbox})
                bounds.lose_cursor(cursor)
                is_whole, cursor, pages = True, "", []
                continue
            bounds.take_page((*(f.folder_id for f in page.seen), *page.gone), is_last=page.is_last)
            pages.append(page)
            cursor = page.cursor
        return is_whole, decisions.joined(pages)

    def _missing_folders(self, seen: set[str]) -> set[str]:
        """Return what a reading from the start did not name and the server does not answer for: it is gone."""
        missing = sorted(f.folder_id for f in self.index.folders.values() if not f.gone and f.folder_id not in seen)
        alive = self._source.probe(self.address, missing).keys() if missing else set()
        if alive:
            log.warning("folders live that the hierarchy lacks", extra={"mailbox": self.index.record.mailbox})
        return set(missing) - alive

    def _probe(self) -> dict[str, str]:
        tick = self._next_tick()
        live = [f.folder_id for f in self.index.folders.values() if not f.gone]
        probes = self._source.probe(self.address, live)
        for folder_id in live:
            folder = self.index.folders[folder_id]
            decisions.refuse_step_back(folder, probes.get(folder_id, ""))
            if folder.complete and decisions.is_unchanged(folder, probes.get(folder_id, "")):
                self._read_ticks[folder_id] = tick
        return probes

    def _dirty(self, probes: dict[str, str], forced: set[str]) -> list[SourceFolder]:
        """Return the folders to read, those that could not be read last."""
        now = self._clock()
        dirty = [
            f
            for f in list(self.index.folders.values())
            if not f.gone
            and not self._unread.is_set_aside(f.folder_id, now)
            and (
                f.folder_id in forced
                or f.folder_id in self._unread
                or not f.complete
                or not decisions.is_unchanged(f, probes.get(f.folder_id, ""))
            )
        ]
        return sorted(dirty, key=lambda f: self._unread.attempts(f.folder_id))

    def _read_folder(self, folder: SourceFolder, probe: str) -> Iterator[Part]:
        """Read a folder to its end, or set it aside: one that can't be read must not stop the others."""
        tick = self._next_tick()
        try:
            yield from self._read_pages(folder, probe, tick)
        except CallFailed as failure:
            self._listed.pop(folder.folder_id, None)
            self._refuse_folder(folder, failure)
            return
        self._unread.read(folder.folder_id)
        self._read_ticks[folder.folder_id] = tick
        if not folder.complete:
            self._completed_tick = self._next_tick()

    def _read_pages(self, folder: SourceFolder, probe: str, tick: int) -> Iterator[Part]:
        is_last, cursor, ahead, bounds = False, folder.cursor, folder.ahead, ReadingBounds()
        pages = 0
        if not cursor and next(self.index.in_folder(folder.folder_id), None):
            self._listed[folder.folder_id] = set()
        while not is_last:
            try:
                page = self._source.items(self.address, folder.folder_id, cursor)
            except CursorLostError:
                log.warning("folder cursor lost", extra={"mailbox": self.index.record.mailbox})
                bounds.lose_cursor(cursor)
                cursor, self._listed[folder.folder_id] = "", set()
                self.index.put_folder(replace(self.index.folders[folder.folder_id], cursor="", probe=""))
                continue
            self._is_any_read = True
            flagged = tuple(i for i, _ in page.read_flags)
            self._note_ahead(folder.folder_id, (*ahead, *page.saved, *flagged))
            yield from self._read_page(folder.folder_id, page, tick)
            is_last, cursor, pages = page.is_last, page.cursor, pages + 1
            if is_last:  # before the cursor that goes past them: dead in between, the page is read again
                yield from self._check_ahead(folder.ahead)
                yield from self._compare_listing(folder.folder_id, tick)
            known = self.index.folders.get(folder.folder_id, folder)
            if is_last or folder.folder_id not in self._listed:
                # a listing that has to be compared begins anew after a crash, so its cursor waits for the end
                probe_read = probe if is_last else ""
                self.index.put_folder(
                    replace(
                        known,
                        cursor=cursor,
                        complete=known.complete or is_last,
                        probe=probe_read,
                        ahead=() if is_last else ahead,
                    )
                )
            bounds.take_page((*page.saved, *flagged, *page.gone), is_last=is_last)
            if pages % PAGES_A_PART_MAX == 0:
                yield self.take_part()
            yield from self._items.full_part()  # a page may name nothing but what is gone

    def _note_ahead(self, folder_id: str, item_ids: tuple[str, ...]) -> None:
        """Say in the folder's record what a part may hold before the cursor that covers it."""
        if folder := self.index.folders.get(folder_id):
            self.index.put_folder(replace(folder, ahead=tuple(dict.fromkeys(item_ids))))

    def _check_ahead(self, item_ids: tuple[str, ...]) -> Iterator[Part]:
        """Look whether what was captured beyond an earlier cursor is still there: Sync would not say so."""
        tick = self._next_tick()
        known = [i for i in item_ids if self.index.by_item_id(i)]
        for item_id in sorted(self._items.gone_among(known)):
            decisions.see_gone(self.index, item_id)
            yield from self._items.full_part()
        self._note_pending(tick)

    def _refuse_folder(self, folder: SourceFolder, failure: CallFailed) -> None:
        """Go on without a folder that can't be read; the failure is raised if it is wider than a folder.

        Unread, it keeps every deletion of the mailbox pending and the loss statement where it was. That it is not
        found is no proof that it is gone: only a hierarchy answer begun afterwards can say so.
        """
        is_throttled = disposition_of(failure.code) is Disposition.THROTTLE
        if is_throttled or failure.code in WIDER_THAN_A_FOLDER:
            raise failure
        is_missed = failure.code in FOLDER_GONE
        attempts = self._unread.attempts(folder.folder_id) + 1
        self._unread.refuse(folder.folder_id, failure.code, self._clock(), at_once=is_missed and attempts == 1)
        mailbox = self.index.record.mailbox
        log.warning("folder can't be read", extra={"mailbox": mailbox, "code": failure.code, "attempts": attempts})
        if failure.code == ReplicationFault.ENDLESS_ANSWER and attempts == LASTING_ATTEMPTS:
            # perhaps it is this cursor that has no end
            self.index.put_folder(replace(self.index.folders[folder.folder_id], cursor="", probe=""))
        if is_missed:
            self._is_tree_doubted = True
            if attempts > 1 and attempts & (attempts - 1) == 0:
                # what the hierarchy told since its cursor does not explain it: have it say everything
                self.index.record = replace(self.index.record, hierarchy_cursor="")
        elif not self._is_any_read and len(self._unread) >= UNREAD_WITHOUT_READ_MAX:
            raise failure

    def _compare_listing(self, folder_id: str, tick: int) -> Iterator[Part]:
        """After a complete reading from an empty cursor, what neither it nor the server names is gone."""
        listed = self._listed.pop(folder_id, None)
        if listed is not None:
            missing = [e.item_id for e in self.index.in_folder(folder_id) if e.item_id not in listed]
            for item_id in sorted(self._items.gone_among(missing, folder_id)):
                decisions.see_gone(self.index, item_id)
                yield from self._items.full_part()
            self._note_pending(tick)

    def _read_page(self, folder_id: str, page: ItemPage, tick: int) -> Iterator[Part]:
        self._drop_paired()
        if folder_id in self._listed:
            self._listed[folder_id].update(page.saved, (i for i, _ in page.read_flags))
        for item_id in page.gone:
            decisions.see_gone(self.index, item_id)
        self._note_pending(tick)
        named = list(page.saved)
        for item_id, is_read in page.read_flags:
            if self.index.by_item_id(item_id) is None:
                named.append(item_id)
            elif operation := decisions.see_read_flag(self.index, item_id, is_read=is_read):
                self._drafts.add(operation)
        for start in range(0, len(named), DESCRIBE_ITEMS_MAX):
            yield from self._items.look(folder_id, named[start : start + DESCRIBE_ITEMS_MAX])

    # -- ends ----------------------------------------------------------------------------------------------

    def _releasable(self) -> list[IndexEntry]:
        reading = decisions.Reading(self._hierarchy_tick, self._read_ticks)
        return decisions.releasable(self.index, reading, self._pending_since)

    def _close_round(self) -> Iterator[Part]:
        for item in [e.item for e in self._releasable()]:
            # an order that was obeyed between two parts may have touched it
            if (entry := self.index.entries.get(item)) and entry.pending:
                self._drafts.add(decisions.delete(self.index, entry))
                yield from self._items.full_part()
        for deleted in decisions.each_deleted_folder(self.index):
            self._drafts.add(deleted)
            yield from self._items.full_part()

    def begin_seed(self, previous: Version | None, reason: str) -> None:
        """Begin to say the whole content once; the next round says every known folder again and marks every item owed.

        What a round under way still drafts comes after the beginning, so the caller drops it.
        """
        record, is_empty = self.index.record, not self.index.folders and not self.index.entries
        self._drafts.add(SeedBegin(previous=previous, reason=reason))
        self.index.record = replace(
            record,
            seed_begun=record.next_sequence + len(self._drafts.part.operations) - 1,
            seed_unmarked_from="" if is_empty else SEED_START,
        )

    def _mark_for_seed(self) -> Iterator[Part]:
        """Say the folders of a seed and mark its items owed, in parts; the record says how far.

        Dead among the folders, all of them are said again; dead among the items, marking goes on where it stood.
        """
        record = self.index.record
        if not record.seed_unmarked_from:
            return  # the tail of a merge marks what a seed that the barrier ended left
        if record.seed_unmarked_from == SEED_START:
            for folder in decisions.parents_first([f for f in self.index.folders.values() if not f.gone]):
                self._drafts.add(decisions.folder_saved(folder))
                yield from self._items.full_part()
        for item in sorted(i for i in self.index.entries if i >= record.seed_unmarked_from):
            self.index.record = replace(self.index.record, seed_unmarked_from=item)
            yield from self._items.full_part()
            if entry := self.index.entries.get(item):
                decisions.want(self.index, entry, self._clock(), "", SEED_REASON)
        self.index.record = replace(self.index.record, seed_unmarked_from="")

    def say_gone(self, item: str) -> None:
        """Answer who wants an item that the source has no more, or never had: it is deleted."""
        gone = ItemRef(item=item, item_id="", folder_id="", change_key="", search_key="", fingerprint="")
        self._drafts.add(ItemDeleted(ref=gone))

    def _close_seed(self) -> None:
        """End a seed once every folder was read to its end and everything known was named."""
        record = self.index.record
        live = [f for f in self.index.folders.values() if not f.gone]
        owed = (self.index.entries[i].owed for i in self.index.owed)
        is_unnamed = any(o and o.attempts < decisions.UNREADABLE_ATTEMPTS for o in owed) or bool(self.index.pending)
        is_unnamed |= bool(record.seed_unmarked_from)
        if record.seed_begun and live and self._is_all_named(live) and not is_unnamed:
            items = len(self.index.entries)
            self._drafts.add(SeedEnd(begun=record.seed_begun, items=items))
            self.index.record = replace(record, seed_begun=0)

    def _is_all_named(self, live: list[SourceFolder]) -> bool:
        """Tell whether nothing can have moved from a folder not read yet to one read already, and be named by neither.

        Every folder was read to its end, and after the last of them looked at once more.
        """
        after = self._completed_tick
        return all(f.complete and self._read_ticks.get(f.folder_id, 0) > after for f in live)

    def _is_seed_unproved(self) -> bool:
        live = [f for f in self.index.folders.values() if not f.gone]
        is_read = bool(live) and all(f.complete for f in live)
        return bool(self.index.record.seed_begun) and is_read and not self._is_all_named(live)

    def next_due_at(self) -> int | None:
        """Return when the next item or folder is to be looked at (milliseconds), or None."""
        times = [self._items.next_due_at(), self._proof.next_due_at() if self._proof else None]
        times.append(self._unread.next_due_at())
        return min((t for t in times if t is not None), default=None)

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick

    def _drop_paired(self) -> None:
        """Forget since when items were pending that were found again: they may go pending anew, later."""
        self._pending_since = {i: t for i, t in self._pending_since.items() if i in self.index.pending}

    def _note_pending(self, tick: int) -> None:
        for item in self.index.pending:
            self._pending_since.setdefault(item, tick)

    @property
    def unread(self) -> frozenset[str]:
        """Folders that could not be read last: what they hold is not known."""
        return self._unread.folder_ids

    @property
    def trouble(self) -> str:
        """Why folders are set aside, in a few words; empty while nothing lasts."""
        return self._unread.reason()

    def draft(self, operation: Operation) -> None:
        """Have an operation that no round found published with the next part."""
        self._drafts.add(operation)

    def withdraw(self, kind: type[Operation]) -> bool:
        """Take back what was drafted of a kind and not handed out; tell whether there was any."""
        operations = self._drafts.part.operations
        kept = [o for o in operations if not isinstance(o, kind)]
        self._drafts.part.operations = kept
        return len(kept) < len(operations)

    @property
    def drafted(self) -> int:
        """How many operations were drafted and not handed out yet."""
        return len(self._drafts.part.operations)

    @property
    def unpublished(self) -> int:
        """How many changes and state records the next part brings at least."""
        return self.drafted + self.index.touched

    def take_part(self) -> Part:
        """Hand out what was drafted and not handed out yet."""
        return self._drafts.take()
