"""One look at folders of a mailbox at both servers: listings, digests by folder, the join of what differs.

Equal folders are forgotten at once; only the items of folders that differ are kept for the join. A deep look reads
the full canonical form of every pair that the listings show equal.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from consumers.target import HeldFolder
from consumers.verifier import Behind, Divergence, Kind, SourceItem, TargetItem, Verdict, judge, why_behind
from deploy.verification.full_form import FullFormReader
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.listed_folder import ListedFolder, Listing, joined, read_side
from producers.source import FolderSeen, HierarchyPage
from schemas.canonical import CanonicalItem, differences
from schemas.endless import ReadingBounds

DEEP_PAIRS_MAX = 200
TOP = "msgfolderroot"
Hierarchy = Callable[[str, str], HierarchyPage]
"""Address, cursor: `Source.hierarchy`."""
HeldFolders = Callable[[str, str], HeldFolder | None]
"""Address, FolderId: `Target.folder`."""
Roots = Callable[[str, str], str]
"""Address, distinguished name: `Target.root`."""
Deepen = Callable[[bool], tuple[FullFormReader, FullFormReader]]
"""With flags or without: readers of both servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """One mailbox's address at both servers."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of one folder: at the source, ours at the target, foreign at the target."""

    source: int = 0
    target: int = 0
    foreign: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Return the sum of two."""
        return Counts(self.source + other.source, self.target + other.target, self.foreign + other.foreign)


@dataclass(slots=True)
class Look:
    """What one reading of some folders found; `differing` are the folders to look at again."""

    counts: dict[str, Counts] = field(default_factory=dict)
    deeply_compared: int = 0
    unreadable: int = 0
    differing: set[str] = field(default_factory=set)
    verdict: Verdict = field(default_factory=Verdict)
    is_level: bool = False

    @property
    def behind(self) -> dict[str, int]:
        """Number of items known to be behind, by reason."""
        found: dict[str, int] = {}
        for reason, _ in self.verdict.behind:
            found[reason.value] = found.get(reason.value, 0) + 1
        return found

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs, known or not."""
        return not (self.verdict.divergences or self.verdict.behind)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReading:
    """What is asked of a target: the items of a folder, a folder by its id, a distinguished folder by its name."""

    listing: Listing
    folder: HeldFolders
    root: Roots


class Looking:
    """Looks at mailboxes of one source and one target; `stamp_name` is how stamps name that target."""

    def __init__(
        self, folders: Hierarchy, source: Listing, target: TargetReading, stamp_name: str, deepen: Deepen | None
    ) -> None:
        self._folders = folders
        self._source = source
        self._target = target.listing
        self._held_folder, self._root = target.folder, target.root
        self._stamp_name = stamp_name
        self._deepen = deepen

    def look(self, known: MailboxKnowledge, addresses: Addresses, only: Iterable[str] | None = None) -> Look:
        """Compare some folders, all by default; CallFailed if a server can't answer."""
        found = Look(is_level=known.is_level)
        seen = self._hierarchy(addresses)
        chosen = set(only) if only is not None else known.folders.keys() | seen.keys() | _mapped(known)
        ones: list[SourceItem] = []
        others: list[TargetItem] = []
        further: list[Divergence] = []
        late: list[tuple[Behind, str]] = []
        joinable = known.for_verifier()
        strange = chosen - known.folders.keys() - known.target_folders.keys()
        for folder_id in sorted(chosen - strange):
            if (at_source := known.folders.get(folder_id)) and at_source.gone:
                continue
            if (mapped := known.target_folders.get(folder_id)) and mapped.left_out:
                continue
            folder = self._listed(known, addresses, folder_id)
            self._count(found, folder)
            further += self._missing(found, folder)
            if mapped and folder_id in seen and not folder.is_gone_at_target:
                placed = self._place(found, known, addresses, seen[folder_id])
                further += placed.divergences
                late += placed.behind
            further += self._deep(found, folder, addresses)
            keys = {i.item for i in folder.source} | {i.stamp.item for i in folder.target}
            if not folder.is_equal or any(why_behind(key, joinable) for key in keys):
                found.differing.add(folder_id)
                ones += folder.source
                others += folder.target
        found.verdict = judge(ones, others, joinable)
        found.verdict.divergences += further
        found.verdict.behind += [(Behind.NOT_CAPTURED, folder_id) for folder_id in sorted(strange)]
        found.verdict.behind += late
        found.differing |= {d.folder_id for d in further} | strange | {folder_id for _, folder_id in late}
        return found

    def _hierarchy(self, addresses: Addresses) -> dict[str, FolderSeen]:
        """Return every folder that the source shows, by id."""
        seen: dict[str, FolderSeen] = {}
        cursor, is_last, bounds = "", False, ReadingBounds()
        while not is_last:
            page = self._folders(addresses.source, cursor)
            bounds.take_page((f.folder_id for f in page.seen), is_last=page.is_last)
            seen |= {f.folder_id: f for f in page.seen}
            cursor, is_last = page.cursor, page.is_last
        return seen

    def _place(self, found: Look, known: MailboxKnowledge, addresses: Addresses, seen: FolderSeen) -> Verdict:
        """Compare a folder's name and parent; those of distinguished folders are each server's own."""
        mapped, captured = known.target_folders[seen.folder_id], known.folders.get(seen.folder_id)
        if mapped.distinguished or seen.distinguished or not mapped.target_id:
            return Verdict()
        held = self._held_folder(addresses.target, mapped.target_id)
        if held is None:
            return Verdict()
        parent = known.target_folders.get(seen.parent_id)
        parent_id = parent.target_id if parent and parent.target_id else self._root(addresses.target, TOP)
        compared = {"name": held.name == seen.name, "parent": held.parent_id == parent_id}
        if all(compared.values()):
            return Verdict()
        if captured is None or (captured.name, captured.parent_id) != (seen.name, seen.parent_id):
            return Verdict(behind=[(Behind.NOT_CAPTURED, seen.folder_id)])
        if not found.is_level:
            return Verdict(behind=[(Behind.NOT_APPLIED, seen.folder_id)])
        fields = tuple(name for name, is_equal in compared.items() if not is_equal)
        differing = Divergence(
            kind=Kind.FOLDER_DIFFERING, item="", folder_id=seen.folder_id, fields=fields, is_repairable=False
        )
        return Verdict(divergences=[differing])

    def _listed(self, known: MailboxKnowledge, addresses: Addresses, folder_id: str) -> ListedFolder:
        mapped = known.target_folders.get(folder_id)
        one = read_side(self._source, addresses.source, folder_id if folder_id in known.folders else "")
        other = read_side(self._target, addresses.target, mapped.target_id if mapped else "")
        return joined(folder_id, one, other, known.by_item_id, self._stamp_name)

    @staticmethod
    def _count(found: Look, folder: ListedFolder) -> None:
        found.counts[folder.folder_id] = Counts(len(folder.source), len(folder.target), folder.foreign)

    @staticmethod
    def _missing(found: Look, folder: ListedFolder) -> Iterator[Divergence]:
        """Yield a folder that the target lacks although everything is applied; a seed makes it again."""
        if folder.is_gone_at_target and found.is_level:
            yield Divergence(kind=Kind.FOLDER_MISSING, item="", folder_id=folder.folder_id, is_repairable=False)

    def _deep(self, found: Look, folder: ListedFolder, addresses: Addresses) -> Iterator[Divergence]:
        """Yield what differs in full although the listings show it equal, with the names of the fields."""
        pairs = folder.pairs() if self._deepen else []
        if not pairs or self._deepen is None:
            return
        source, target = self._deepen(folder.has_flags)
        for start in range(0, len(pairs), DEEP_PAIRS_MAX):
            part = pairs[start : start + DEEP_PAIRS_MAX]
            ones = dict(source.read(addresses.source, [folder.sides[0].items[o.item_id] for o, _ in part]))
            others = dict(target.read(addresses.target, [folder.sides[1].items[t.item_id] for _, t in part]))
            for one, other in part:
                here, there = ones[one.item_id], others[other.item_id]
                if not isinstance(here, CanonicalItem) or not isinstance(there, CanonicalItem):
                    found.unreadable += 1
                    continue
                found.deeply_compared += 1
                if fields := differences(here, there):
                    yield Divergence(
                        kind=Kind.DIFFERING, item=one.item, folder_id=folder.folder_id, fields=tuple(fields)
                    )


def is_on_its_way(look: Look) -> bool:
    """Tell whether waiting may heal what was found."""
    return not look.is_level or any(reason is not Behind.PARKED for reason, _ in look.verdict.behind)


def _mapped(known: MailboxKnowledge) -> set[str]:
    return {folder_id for folder_id, mapped in known.target_folders.items() if mapped.target_id}
