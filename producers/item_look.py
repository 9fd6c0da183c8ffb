"""A look at named items: describe, decide, pair moves, fetch the content of those that need it.

State: drafts and index (shared with the capture), which items were read right after a write.
Order: what a new id may be the moved form of is asked before its content is; see `producers.round` for the rules.
Failure: a failed call leaves index and drafts consistent; what was not looked at is named again by its cursor.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from producers import round as decisions
from producers.contents import ContentReader, Fetched
from producers.index import MailboxIndex
from producers.source import Described, Failed, Source
from producers.spool import SpooledBody
from schemas.change import ItemSaved, Operation
from schemas.endless import ReadingBounds
from schemas.folder_probe import REST_SECONDS
from schemas.ports import CallFailed, Clock
from schemas.state import IndexEntry

log = logging.getLogger(__name__)

PART_SIZE_BYTES_MAX = 32_000_000
PART_DRAFTS_MAX = 2_000
PART_RECORDS_MAX = 2_000
"""Changes and state records of one part: a transaction has to end in seconds."""
DESCRIBE_ITEMS_MAX = 128
CANDIDATES_MAX = 8
GONE_ANSWERS = 2
NOT_FOUND = "ErrorItemNotFound"
LEARN_AFTER_MS = 1000 * (REST_SECONDS + 1)


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


class Drafts:
    """What was drafted and not handed out yet."""

    def __init__(self) -> None:
        self.part = Part()

    def add(self, *operations: Operation) -> None:
        """Draft operations."""
        self.part.operations += operations

    def take(self) -> Part:
        """Hand out what was drafted."""
        part, self.part = self.part, Part()
        return part


class ItemLook:
    """Looks at items of one mailbox."""

    def __init__(
        self,
        source: Source,
        address: str,
        index: MailboxIndex,
        contents: ContentReader,
        drafts: Drafts,
        clock: Clock,
    ) -> None:
        self._source = source
        self._address = address
        self._index = index
        self._contents = contents
        self._drafts = drafts
        self._clock = clock
        self._restless = {e.item: clock() for e in index.entries.values() if _is_restless(e)}

    def look(self, folder_id: str, item_ids: list[str]) -> Iterator[Part]:
        """Describe named items, decide, and fetch the content of those that need it."""
        described = self._source.describe(self._address, item_ids)
        seen = {d.item_id for d in described if isinstance(d, Described)}
        gone_ids = self._gone_origins(described, seen)
        needed: list[tuple[IndexEntry, Described]] = []
        for item_id, found in zip(item_ids, described, strict=True):
            entry = self._index.by_item_id(item_id)
            if isinstance(found, Failed):
                self._miss(entry or self._nameless(item_id, folder_id), found.code, is_news=bool(folder_id))
                continue
            entry = self._where_it_is(entry, found) if entry else self._moved_here(found, gone_ids)
            if self._needs_content(entry, found):
                needed.append((entry or self._newcomer(found), found))
        for fetched in self._contents.fetch(self._address, needed):
            self._take_content(fetched)
            yield from self.full_part()
        yield from self.full_part()  # what is unchanged or could not be fetched touches the index too

    def full_part(self) -> Iterator[Part]:
        """Yield what was drafted if it has to be published before more is."""
        part = self._drafts.part
        if part.is_full or len(part.operations) + self._index.touched >= PART_RECORDS_MAX:
            yield self._drafts.take()

    def _nameless(self, item_id: str, folder_id: str) -> IndexEntry:
        return decisions.newcomer(self._index.record.mailbox, item_id, folder_id)

    def _miss(self, entry: IndexEntry, code: str, *, is_news: bool) -> None:
        """Owe an item that is not described, or let it go: one that its server never finds, nor lists, is not there."""
        is_last = decisions.is_last_quick_retry(entry, code)
        if code == NOT_FOUND and is_last and not self._is_listed(entry):
            log.warning("item named and never found", extra={"mailbox": self._index.record.mailbox, "item": entry.item})
            decisions.see_gone(self._index, entry.item_id)
        else:
            self._owe(entry, code, is_news=is_news)

    def _is_listed(self, entry: IndexEntry) -> bool:
        """Tell whether the folder of an item shows it; also where the folder can't be listed."""
        offset: int | None = 0
        bounds = ReadingBounds()
        while offset is not None:
            try:
                page = self._source.listing(self._address, entry.folder_id, offset)
                bounds.take_page((i.item_id for i in page.items), is_last=page.next_offset is None)
            except CallFailed:
                return True
            if any(item.item_id == entry.item_id for item in page.items):
                return True
            offset = page.next_offset
        return False

    def _newcomer(self, found: Described) -> IndexEntry:
        return decisions.newcomer(self._index.record.mailbox, found.item_id, found.folder_id, found.search_key)

    def _gone_origins(self, described: list[Described | Failed], seen: set[str]) -> set[str]:
        """Ask which items a new id may be the moved form of are gone (a copy leaves its origin alive)."""
        unknown = [d for d in described if isinstance(d, Described) and not self._index.by_item_id(d.item_id)]
        asked = {
            e.item_id: None
            for d in unknown
            for e in decisions.candidates(self._index, d)[:CANDIDATES_MAX]
            if not e.pending and e.item_id not in seen
        }
        return self.gone_among(list(asked))

    def gone_among(self, item_ids: list[str], folder_id: str = "") -> set[str]:
        """Ask which of these ids the server does not hold any more, or holds in another folder than `folder_id`.

        One odd answer must not delete what lives: gone is what the server says so of twice.
        """
        gone = list(item_ids)
        for _ in range(GONE_ANSWERS):
            gone = [i for i, answer in self._described(gone) if _is_gone(answer, folder_id)]
        return set(gone)

    def _described(self, item_ids: list[str]) -> Iterator[tuple[str, Described | Failed]]:
        for start in range(0, len(item_ids), DESCRIBE_ITEMS_MAX):
            batch = item_ids[start : start + DESCRIBE_ITEMS_MAX]
            yield from zip(batch, self._source.describe(self._address, batch), strict=True)

    def _moved_here(self, found: Described, gone_ids: set[str]) -> IndexEntry | None:
        for origin in decisions.candidates(self._index, found)[:CANDIDATES_MAX]:
            if origin.pending or origin.item_id in gone_ids:
                gone_ids.discard(origin.item_id)
                self._drafts.add(decisions.move(self._index, origin, found))
                return self._index.entries[origin.item]
        return None

    def _where_it_is(self, entry: IndexEntry, found: Described) -> IndexEntry:
        """Say the folder of a known id where a turn of the roles left the index with that of the old source.

        Only then: an item that is moved gets a new id.
        """
        if found.folder_id in {"", entry.folder_id}:
            return entry
        self._drafts.add(decisions.move(self._index, entry, found))
        return self._index.entries[entry.item]

    def _needs_content(self, entry: IndexEntry | None, found: Described) -> bool:
        if entry is None or decisions.judge(entry, found) is not decisions.Content.SAME:
            return True
        refreshed = replace(
            entry, change_key=found.change_key, fingerprint=found.fingerprint, pending=False,
            search_key=found.search_key or entry.search_key,
        )  # fmt: skip
        if refreshed != entry:
            self._index.put(refreshed)
        if found.marks != entry.marks:
            self._drafts.add(decisions.mark(self._index, refreshed, found.marks))
        return False

    def _take_content(self, fetched: Fetched) -> None:
        entry, found = fetched.entry, fetched.found
        if fetched.failure:
            self._owe(entry, fetched.failure, is_news=found.change_key != entry.change_key)
            return
        known = replace(
            entry, change_key=found.change_key, search_key=found.search_key, fingerprint=found.fingerprint,
            digest=fetched.digest, marks=found.marks, owed=None, pending=False,
        )  # fmt: skip
        if not known.fingerprint:
            self._restless[known.item] = self._clock()
        if not fetched.contents:
            self._index.put(known)
            if found.marks != entry.marks:
                self._drafts.add(decisions.mark(self._index, known, found.marks))
            return
        self._index.put(known)
        self._drafts.add(
            ItemSaved(
                ref=decisions.ref_of(known),
                summary=found.summary,
                marks=found.marks,
                contents=fetched.contents,
                targets=entry.owed.targets if entry.owed else (),
            )
        )
        self._drafts.part.spooled.update(fetched.spooled)
        self._drafts.part.size_bytes += sum(c.size_bytes for c in fetched.contents)

    def _owe(self, entry: IndexEntry, reason: str, *, is_news: bool) -> None:
        if operation := decisions.owe(self._index, entry, reason, self._clock(), is_news=is_news):
            self._drafts.add(operation)

    def retry_owed(self) -> Iterator[Part]:
        """Look again at what is owed and due."""
        now = self._clock()
        entries = [self._index.entries[i] for i in sorted(self._index.owed)]
        due = [e.item_id for e in entries if e.owed and decisions.retry_due_at(e.owed, now) <= now and not e.pending]
        for start in range(0, len(due), DESCRIBE_ITEMS_MAX):
            yield from self.look("", due[start : start + DESCRIBE_ITEMS_MAX])

    def learn_rest(self) -> None:
        """Look again at items read right after a write: only at rest is a fingerprint to be believed."""
        now = self._clock()
        due = [i for i, seen_at in self._restless.items() if now - seen_at >= LEARN_AFTER_MS][:DESCRIBE_ITEMS_MAX]
        entries = [self._index.entries[i] for i in due if i in self._index.entries]
        for item in due:
            del self._restless[item]
        asked = [e for e in entries if _is_restless(e)]
        if not asked:
            return
        for entry, found in zip(asked, self._source.describe(self._address, [e.item_id for e in asked]), strict=True):
            # one that was written meanwhile is named by Sync: what was fetched is not what is described here
            if isinstance(found, Described) and found.change_key == entry.change_key and found.fingerprint:
                self._index.put(replace(entry, fingerprint=found.fingerprint))

    def next_due_at(self) -> int | None:
        """Return when the next owed or restless item is to be looked at (milliseconds), or None."""
        now = self._clock()
        owed = (self._index.entries[i].owed for i in self._index.owed)
        times = [decisions.retry_due_at(o, now) for o in owed if o]
        times += [seen_at + LEARN_AFTER_MS for seen_at in self._restless.values()]
        return min(times, default=None)


def _is_gone(answer: Described | Failed, folder_id: str) -> bool:
    if isinstance(answer, Failed):
        return answer.code == NOT_FOUND
    return bool(folder_id) and answer.folder_id not in {"", folder_id}


def _is_restless(entry: IndexEntry) -> bool:
    """Tell whether an entry's content was read and its fingerprint is still unknown."""
    return bool(entry.change_key) and not entry.fingerprint and entry.owed is None and not entry.pending
