"""Checksums of source folders: what a folder holds, as its server lists it, said at a sequence it is true at.

State: a listing under way, when each folder may be listed again, which folders could not be brought to agree.
Order: list the folder page by page, then Sync once from the cursor the listing began with. Only if that names
nothing was the listing what the log says up to here; anything else is forgotten and tried later.
Failure: nothing is lost but the listing. A folder whose listing and index do not agree is read again from the start,
once: what the feed missed comes to light, and the checksum is published only when both agree.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from producers.index import MailboxIndex
from producers.item_look import Drafts
from producers.round import is_unchanged
from producers.source import CursorLostError, Source
from schemas.canonical_row import ROW_VERSION, FolderDigest
from schemas.change import Checksum, Operation, SeedBegin, folders_of
from schemas.faults import ReplicationFault
from schemas.folder_probe import REST_SECONDS
from schemas.halving import may_be_one_items
from schemas.listing import ListingPage
from schemas.metrics import FeedMetrics
from schemas.ports import CallFailed, CallRefused, Clock
from schemas.state import SourceFolder

log = logging.getLogger(__name__)

PAGES_A_ROUND_MAX = 8
SETTLE_MS = 1000 * (REST_SECONDS + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSettings:
    """How often, in seconds: one untouched folder a mailbox each interval; a touched one once a `spacing` a page."""

    interval_seconds: float
    spacing_seconds: float


@dataclass(slots=True)
class _Listing:
    folder_id: str
    cursor: str
    offset: int = 0
    pages: int = 0
    digest: FolderDigest = field(default_factory=FolderDigest)
    item_ids: set[str] = field(default_factory=set)
    has_flags: bool = False
    is_known: bool = True


class FolderProof:
    """Drafts checksums of one mailbox's folders; used by the owner of its partition, between rounds."""

    def __init__(
        self,
        source: Source,
        address: str,
        index: MailboxIndex,
        drafts: Drafts,
        clock: Clock,
        settings: ProofSettings,
        metrics: FeedMetrics,
    ) -> None:
        self._source = source
        self._address = address
        self._index = index
        self._drafts = drafts
        self._clock = clock
        self._settings = settings
        self._metrics = metrics
        self._listing: _Listing | None = None
        self._not_before: dict[str, int] = {}
        self._listed_at: dict[str, int] = {}
        self._rolled_at = clock()
        self._read_again: set[str] = set()

    def advance(self, probes: Mapping[str, str]) -> None:
        """Do a bounded part of what is due; `probes` are this round's. CallFailed if the source can't answer."""
        for _ in range(PAGES_A_ROUND_MAX):
            if self._listing is None and not self._begin(probes):
                return
            if self._listing is not None:
                self._step(self._listing)

    def next_due_at(self) -> int | None:
        """Return when a folder is to be listed (milliseconds), or None while only the slow turn is left."""
        if self._listing is not None:
            return 0
        waiting = (f for f in self._unproved() if self._may_be_listed(f))
        return min((self._not_before.setdefault(f.folder_id, self._clock() + SETTLE_MS) for f in waiting), default=None)

    # -- which folder --------------------------------------------------------------------------------------

    def _begin(self, probes: Mapping[str, str]) -> bool:
        now = self._clock()
        folder = self._touched(probes, now) or self._in_turn(now)
        if folder is not None:
            self._listed_at[folder.folder_id] = now
            self._listing = _Listing(folder.folder_id, folder.cursor)
        return folder is not None

    def _touched(self, probes: Mapping[str, str], now: int) -> SourceFolder | None:
        """Return a folder without a valid checksum that is due and at rest."""
        for folder in self._unproved():
            if not self._may_be_listed(folder):
                continue
            if self._not_before.setdefault(folder.folder_id, now + SETTLE_MS) > now:
                continue
            probe = probes.get(folder.folder_id, "")
            if not probe or is_unchanged(folder, probe):
                return folder
            self._not_before[folder.folder_id] = now + SETTLE_MS
        return None

    def _unproved(self) -> list[SourceFolder]:
        return [self._index.folders[f] for f in sorted(self._index.unproved)]

    def _in_turn(self, now: int) -> SourceFolder | None:
        """Return the folder listed longest ago, one each interval: what the feed did not notice is seen so."""
        if now - self._rolled_at < self._settings.interval_seconds * 1000:
            return None
        self._rolled_at = now
        proved = [f for f in self._index.folders.values() if f.proved and self._may_be_listed(f)]
        return min(proved, key=lambda f: self._listed_at.get(f.folder_id, 0), default=None)

    def _may_be_listed(self, folder: SourceFolder) -> bool:
        """Tell whether the log says of a folder all that its cursor covers."""
        if folder.gone or not folder.complete or not folder.cursor or self._index.record.seed_begun:
            return False
        open_items = self._index.owed | self._index.pending
        return not any(self._index.entries[i].folder_id == folder.folder_id for i in open_items)

    # -- a listing -----------------------------------------------------------------------------------------

    def _step(self, listing: _Listing) -> None:
        """Read one page, and conclude after the last; a folder that changed meanwhile is left for later."""
        folder = self._index.folders.get(listing.folder_id)
        if folder is None or folder.cursor != listing.cursor or not self._may_be_listed(folder):
            self._end(listing, "restless")
            return
        try:
            page = self._source.listing(self._address, listing.folder_id, listing.offset)
            self._take(listing, page)
            if page.next_offset is None:
                self._conclude(listing, folder)
        except CursorLostError:
            log.warning("folder cursor lost", extra={"mailbox": self._index.record.mailbox})
            self._index.put_folder(replace(folder, cursor="", probe=""))  # so that the next round reads it again
            self._end(listing, "restless")
        except CallFailed as failure:
            self._listing = None
            self._not_before[folder.folder_id] = self._clock() + int(self._settings.interval_seconds * 1000)
            if not may_be_one_items(failure):
                raise
            # what can't be listed is captured all the same: a proof less must not end the round
            log.warning("folder can't be listed", extra={"mailbox": self._index.record.mailbox, "code": failure.code})

    def _take(self, listing: _Listing, page: ListingPage) -> None:
        if page.next_offset is not None and listing.item_ids.issuperset(i.item_id for i in page.items):
            raise CallRefused(ReplicationFault.ENDLESS_ANSWER, "a listing repeats itself")
        for found in page.items:
            entry = self._index.by_item_id(found.item_id)
            if entry is None or entry.folder_id != listing.folder_id:
                listing.is_known = False
            elif found.item_id not in listing.item_ids:
                listing.digest = listing.digest.plus(entry.item, found.row)
            listing.item_ids.add(found.item_id)
        listing.offset = page.next_offset or 0
        listing.pages += 1
        listing.has_flags = page.has_flags

    def _conclude(self, listing: _Listing, folder: SourceFolder) -> None:
        since = self._source.items(self._address, listing.folder_id, listing.cursor)
        if since.saved or since.read_flags or since.gone or not since.is_last:
            self._end(listing, "restless")
            return
        known = {e.item_id for e in self._index.in_folder(listing.folder_id)}
        if not listing.is_known or known != listing.item_ids:
            self._end(listing, "mismatch")
            self._read_from_the_start(folder)
            return
        is_published = listing.digest.hex != folder.proved
        if is_published:
            self._drafts.add(
                Checksum(
                    folder_id=listing.folder_id,
                    items=listing.digest.items,
                    digest=listing.digest.hex,
                    form=ROW_VERSION,
                    has_flags=listing.has_flags,
                )
            )
        self._end(listing, "published" if is_published else "unchanged")

    def _end(self, listing: _Listing, outcome: str) -> None:
        self._listing = None
        wait_seconds = self._settings.spacing_seconds * max(1, listing.pages)
        self._not_before[listing.folder_id] = self._clock() + max(SETTLE_MS, int(wait_seconds * 1000))
        self._metrics.checksums.labels(outcome=outcome).inc()

    def _read_from_the_start(self, folder: SourceFolder) -> None:
        """Have a folder read again whose listing shows what Sync never named, or lacks what it never took back."""
        is_first_time = folder.folder_id not in self._read_again
        log.warning(
            "a folder's listing and index differ",
            extra={
                "mailbox": self._index.record.mailbox,
                "folder": folder.folder_id,
                "reads_again": is_first_time,
            },
        )
        if is_first_time:
            self._read_again.add(folder.folder_id)
            self._index.put_folder(replace(folder, cursor="", probe="", proved=""))
        else:
            self._not_before[folder.folder_id] = self._clock() + int(self._settings.interval_seconds * 1000)


def note_published(index: MailboxIndex, operation: Operation) -> None:
    """Keep in the folders' records which checksum still holds, in the transaction that writes the operation."""
    if isinstance(operation, Checksum):
        _put_proved(index, operation.folder_id, operation.digest)
    elif isinstance(operation, SeedBegin):
        for folder_id in list(index.folders):
            _put_proved(index, folder_id, "")
    else:
        for folder_id in folders_of(operation):
            _put_proved(index, folder_id, "")


def _put_proved(index: MailboxIndex, folder_id: str, digest: str) -> None:
    folder = index.folders.get(folder_id)
    if folder is not None and folder.proved != digest:
        index.put_folder(replace(folder, proved=digest))
