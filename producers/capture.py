"""One mailbox's rounds: asks the source, lets `round` decide, hands out parts for the publisher.

State: the index (changed in place), drafts not handed out yet, ticks that order this capture's requests.
Order: hierarchy, dirty folders to their ends, owed items, deletions, folders deleted, end of a seed.
Failure: a failed call ends the round after handing out what was drafted so far, which is consistent with the
index; cursors not advanced are read again. If the process dies, nothing of a part exists or all of it does.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from producers import round as decisions
from producers.contents import ContentReader, Fetched
from producers.fingerprint import REST_SECONDS
from producers.index import MailboxIndex
from producers.source import CursorLostError, Described, Failed, ItemPage, Source
from producers.spool import SpooledBody
from schemas.change import ItemSaved, Operation, SeedBegin, SeedEnd, Version
from schemas.faults import Disposition, disposition_of
from schemas.ports import CallFailed, CallRefused, Clock
from schemas.state import IndexEntry, SourceFolder

log = logging.getLogger(__name__)

PART_SIZE_BYTES_MAX = 32_000_000
PART_DRAFTS_MAX = 2_000
DESCRIBE_ITEMS_MAX = 128
PASSES_MAX = 4
CANDIDATES_MAX = 8
LEARN_AFTER_MS = 1000 * (REST_SECONDS + 1)
SEED_REASON = "seed"
FOLDER_GONE = frozenset({"ErrorFolderNotFound", "ErrorItemNotFound", "ErrorSyncFolderNotFound"})
MAILBOX_WIDE = frozenset({"ErrorNonExistentMailbox", "ErrorImpersonateUserDenied", "ErrorMailboxMoveInProgress"})


@dataclass(slots=True)
class Part:
    """Drafted operations of one mailbox, their bodies on disk, and how many content bytes they hold."""

    operations: list[Operation] = field(default_factory=list)
    spooled: dict[str, SpooledBody] = field(default_factory=dict)
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it should be published before more is drafted."""
        return self.size_bytes >= PART_SIZE_BYTES_MAX or len(self.operations) >= PART_DRAFTS_MAX


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
        self._source = source
        self._contents = contents
        self._clock = clock
        self._tick = 0
        self._hierarchy_tick = -1
        self._read_ticks: dict[str, int] = {}
        self._pending_since: dict[str, int] = {}
        self._listed: dict[str, set[str]] = {}
        self._restless = {e.item: clock() for e in index.entries.values() if _is_restless(e)}
        self._unread: set[str] = set()
        self._part = Part()

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
        self._unread.clear()
        forced = set(dirt.folders)
        if dirt.is_hierarchy_dirty or not self.index.record.hierarchy_cursor or forced - self.index.folders.keys():
            self._read_hierarchy()
        for _ in range(PASSES_MAX):
            probes = self._probe()
            for folder in self._dirty(probes, forced):
                yield from self._read_folder(folder, probes.get(folder.folder_id, ""))
            forced = set()
            if not self.index.pending or self._releasable():
                break
            self._read_hierarchy()
        yield from self._retry_owed()
        self._learn_rest()
        self._close_round()
        self._close_seed()
        if not self._unread:
            self.index.record = replace(self.index.record, certain_up_to=begun_at)

    # -- folders -------------------------------------------------------------------------------------------

    def _read_hierarchy(self) -> None:
        tick = self._next_tick()
        cursor, is_last = self.index.record.hierarchy_cursor, False
        seen: set[str] | None = None if cursor else set()
        while not is_last:
            try:
                page = self._source.hierarchy(self.address, cursor)
            except CursorLostError:
                log.warning("hierarchy cursor lost", extra={"mailbox": self.index.record.mailbox})
                cursor, seen = "", set()
                continue
            self._part.operations += decisions.see_hierarchy(self.index, page)
            if seen is not None:
                seen |= {f.folder_id for f in page.seen}
                if page.is_last:
                    decisions.see_folders_gone(self.index, self.index.folders.keys() - seen)
            self._note_pending(tick)
            cursor, is_last = page.cursor, page.is_last
        # a reading from the start is committed only when it is complete: what it did not name is gone
        self.index.record = replace(self.index.record, hierarchy_cursor=cursor)
        self._hierarchy_tick = tick

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
        return [
            f
            for f in list(self.index.folders.values())
            if not f.gone
            and (f.folder_id in forced or not f.complete or not decisions.is_unchanged(f, probes.get(f.folder_id, "")))
        ]

    def _read_folder(self, folder: SourceFolder, probe: str) -> Iterator[Part]:
        tick = self._next_tick()
        is_last, cursor = False, folder.cursor
        if not cursor and next(self.index.in_folder(folder.folder_id), None):
            self._listed[folder.folder_id] = set()
        while not is_last:
            try:
                page = self._source.items(self.address, folder.folder_id, cursor)
            except CursorLostError:
                log.warning("folder cursor lost", extra={"mailbox": self.index.record.mailbox})
                cursor, self._listed[folder.folder_id] = "", set()
                self.index.put_folder(replace(self.index.folders[folder.folder_id], cursor="", probe=""))
                continue
            except CallRefused as refused:
                self._refuse_folder(folder, refused, tick)
                return
            yield from self._read_page(folder.folder_id, page, tick)
            is_last, cursor = page.is_last, page.cursor
            known = self.index.folders.get(folder.folder_id, folder)
            if is_last or folder.folder_id not in self._listed:
                # a listing that has to be compared begins anew after a crash, so its cursor waits for the end
                probe_read = probe if is_last else ""
                self.index.put_folder(
                    replace(known, cursor=cursor, complete=known.complete or is_last, probe=probe_read)
                )
        self._compare_listing(folder.folder_id, tick)
        self._read_ticks[folder.folder_id] = tick

    def _refuse_folder(self, folder: SourceFolder, refused: CallRefused, tick: int) -> None:
        """Go on without a folder that is gone or can't be read; CallRefused for what is wider than a folder."""
        if refused.code in FOLDER_GONE:
            decisions.see_folders_gone(self.index, {folder.folder_id})
            self._note_pending(tick)
        elif disposition_of(refused.code) in {Disposition.PARK, Disposition.PAUSE} and refused.code not in MAILBOX_WIDE:
            # unread, it keeps every deletion of the mailbox pending and the loss statement where it was
            self._unread.add(folder.folder_id)
            log.warning("folder can't be read", extra={"mailbox": self.index.record.mailbox, "code": refused.code})
        else:
            raise refused

    def _compare_listing(self, folder_id: str, tick: int) -> None:
        """After a complete reading from an empty cursor, what it did not name is gone from the folder."""
        listed = self._listed.pop(folder_id, None)
        if listed is not None:
            for entry in self.index.in_folder(folder_id):
                if entry.item_id not in listed:
                    decisions.see_gone(self.index, entry.item_id)
            self._note_pending(tick)

    def _read_page(self, folder_id: str, page: ItemPage, tick: int) -> Iterator[Part]:
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
                self._part.operations.append(operation)
        for start in range(0, len(named), DESCRIBE_ITEMS_MAX):
            yield from self._look(folder_id, named[start : start + DESCRIBE_ITEMS_MAX])

    # -- items ---------------------------------------------------------------------------------------------

    def _look(self, folder_id: str, item_ids: list[str]) -> Iterator[Part]:
        """Describe named items, decide, and fetch the content of those that need it."""
        described = self._source.describe(self.address, item_ids)
        seen = {d.item_id for d in described if isinstance(d, Described)}
        gone_ids = self._gone_origins(described, seen)
        needed: list[tuple[IndexEntry, Described]] = []
        for item_id, found in zip(item_ids, described, strict=True):
            entry = self.index.by_item_id(item_id)
            if isinstance(found, Failed):
                mailbox = self.index.record.mailbox
                self._owe(entry or decisions.newcomer(mailbox, item_id, folder_id), found.code)
                continue
            entry = entry or self._moved_here(found, gone_ids)
            if self._needs_content(entry, found):
                needed.append((entry or self._newcomer(found), found))
        for fetched in self._contents.fetch(self.address, needed):
            self._take_content(fetched)
            if self._part.is_full:
                yield self.take_part()

    def _newcomer(self, found: Described) -> IndexEntry:
        return decisions.newcomer(self.index.record.mailbox, found.item_id, found.folder_id, found.search_key)

    def _gone_origins(self, described: list[Described | Failed], seen: set[str]) -> set[str]:
        """Ask which items a new id may be the moved form of are gone (a copy leaves its origin alive)."""
        unknown = [d for d in described if isinstance(d, Described) and not self.index.by_item_id(d.item_id)]
        asked = {
            e.item_id: None
            for d in unknown
            for e in decisions.candidates(self.index, d)[:CANDIDATES_MAX]
            if not e.pending and e.item_id not in seen
        }
        if not asked:
            return set()
        answers = self._source.describe(self.address, list(asked))
        pairs = zip(asked, answers, strict=True)
        return {i for i, a in pairs if isinstance(a, Failed) and a.code == "ErrorItemNotFound"}

    def _moved_here(self, found: Described, gone_ids: set[str]) -> IndexEntry | None:
        for origin in decisions.candidates(self.index, found)[:CANDIDATES_MAX]:
            if origin.pending or origin.item_id in gone_ids:
                gone_ids.discard(origin.item_id)
                self._part.operations.append(decisions.move(self.index, origin, found))
                self._pending_since.pop(origin.item, None)
                return self.index.entries[origin.item]
        return None

    def _needs_content(self, entry: IndexEntry | None, found: Described) -> bool:
        if entry is None or decisions.judge(entry, found) is not decisions.Content.SAME:
            return True
        refreshed = replace(
            entry, change_key=found.change_key, fingerprint=found.fingerprint, pending=False,
            search_key=found.search_key or entry.search_key,
        )  # fmt: skip
        if refreshed != entry:
            self.index.put(refreshed)
        if found.marks != entry.marks:
            self._part.operations.append(decisions.mark(self.index, refreshed, found.marks))
        return False

    def _take_content(self, fetched: Fetched) -> None:
        entry, found = fetched.entry, fetched.found
        if fetched.failure:
            self._owe(entry, fetched.failure)
            return
        known = replace(
            entry, change_key=found.change_key, search_key=found.search_key, fingerprint=found.fingerprint,
            digest=fetched.digest, marks=found.marks, owed=None, pending=False,
        )  # fmt: skip
        if not known.fingerprint:
            self._restless[known.item] = self._clock()
        if not fetched.contents:
            self.index.put(known)
            if found.marks != entry.marks:
                self._part.operations.append(decisions.mark(self.index, known, found.marks))
            return
        self.index.put(known)
        self._part.operations.append(
            ItemSaved(
                ref=decisions.ref_of(known),
                summary=found.summary,
                marks=found.marks,
                contents=fetched.contents,
                targets=entry.owed.targets if entry.owed else (),
            )
        )
        self._part.spooled.update(fetched.spooled)
        self._part.size_bytes += sum(c.size_bytes for c in fetched.contents)

    def _owe(self, entry: IndexEntry, reason: str) -> None:
        if operation := decisions.owe(self.index, entry, reason, self._clock()):
            self._part.operations.append(operation)

    def _retry_owed(self) -> Iterator[Part]:
        now = self._clock()
        entries = [self.index.entries[i] for i in sorted(self.index.owed)]
        due = [e.item_id for e in entries if e.owed and e.owed.retry_at <= now and not e.pending]
        for start in range(0, len(due), DESCRIBE_ITEMS_MAX):
            yield from self._look("", due[start : start + DESCRIBE_ITEMS_MAX])

    def _learn_rest(self) -> None:
        """Look again at items read right after a write: only at rest is a fingerprint to be believed."""
        now = self._clock()
        due = [i for i, seen_at in self._restless.items() if now - seen_at >= LEARN_AFTER_MS][:DESCRIBE_ITEMS_MAX]
        entries = [self.index.entries[i] for i in due if i in self.index.entries]
        for item in due:
            del self._restless[item]
        asked = [e for e in entries if _is_restless(e)]
        if not asked:
            return
        for entry, found in zip(asked, self._source.describe(self.address, [e.item_id for e in asked]), strict=True):
            # one that was written meanwhile is named by Sync: what was fetched is not what is described here
            if isinstance(found, Described) and found.change_key == entry.change_key and found.fingerprint:
                self.index.put(replace(entry, fingerprint=found.fingerprint))

    # -- ends ----------------------------------------------------------------------------------------------

    def _releasable(self) -> list[IndexEntry]:
        reading = decisions.Reading(self._hierarchy_tick, self._read_ticks)
        return decisions.releasable(self.index, reading, self._pending_since)

    def _close_round(self) -> None:
        for entry in self._releasable():
            self._part.operations.append(decisions.delete(self.index, entry))
            self._pending_since.pop(entry.item, None)
        self._part.operations += decisions.delete_folders(self.index)

    def begin_seed(self, previous: Version | None, reason: str) -> None:
        """Begin to say the whole content once: every known item is owed, every known folder said again."""
        record = self.index.record
        self._part.operations.append(SeedBegin(previous=previous, reason=reason))
        self.index.record = replace(record, seed_begun=record.next_sequence + len(self._part.operations) - 1)
        for folder in self.index.folders.values():
            if not folder.gone:
                self._part.operations.append(decisions.folder_saved(folder))
        for entry in list(self.index.entries.values()):
            decisions.want(self.index, entry, self._clock(), "", SEED_REASON)

    def _close_seed(self) -> None:
        """End a seed once every folder was read to its end and everything known was named."""
        record = self.index.record
        live = [f for f in self.index.folders.values() if not f.gone]
        owed = (self.index.entries[i].owed for i in self.index.owed)
        is_unnamed = any(o and o.attempts < decisions.UNREADABLE_ATTEMPTS for o in owed) or self.index.pending
        if record.seed_begun and live and all(f.complete for f in live) and not is_unnamed:
            items = len(self.index.entries)
            self._part.operations.append(SeedEnd(begun=record.seed_begun, items=items))
            self.index.record = replace(record, seed_begun=0)

    def next_due_at(self) -> int | None:
        """Return when the next owed or restless item is to be looked at (milliseconds), or None."""
        owed = (self.index.entries[i].owed for i in self.index.owed)
        times = [o.retry_at for o in owed if o]
        times += [seen_at + LEARN_AFTER_MS for seen_at in self._restless.values()]
        return min(times, default=None)

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick

    def _note_pending(self, tick: int) -> None:
        for item in self.index.pending:
            self._pending_since.setdefault(item, tick)

    def take_part(self) -> Part:
        """Hand out what was drafted and not handed out yet."""
        part, self._part = self._part, Part()
        return part


def _is_restless(entry: IndexEntry) -> bool:
    """Tell whether an entry's content was read and its fingerprint is still unknown."""
    return bool(entry.change_key) and not entry.fingerprint and entry.owed is None and not entry.pending
