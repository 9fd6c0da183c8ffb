"""Is a target folder what the source's checksum says? Decided from its listing and the ledger. Pure.

Counted are items that carry our stamp and that the ledger places in the folder. What is parked or wanted is known to
be behind; a folder that has any can't be judged by its digest, only item by item against the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.canonical_row import FolderDigest, canonical_row
from schemas.change import Checksum, Marks
from schemas.identity import Stamp
from schemas.listing import ListedItem
from schemas.state import ItemRecord, ItemState

MISSING, MOVED, EXTRA, DUPLICATE, DIFFERING = "missing", "moved", "extra", "duplicate", "differing"
KINDS = (MISSING, MOVED, EXTRA, DUPLICATE, DIFFERING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFolder:
    """What a target folder shows: our items by key, twins of them, our stamp on what the ledger has not here."""

    ours: dict[str, ListedItem] = field(default_factory=dict)
    duplicates: int = 0
    unknown: int = 0
    strays: tuple[ItemRecord, ...] = ()
    foreign: int = 0

    def digest(self, records: Mapping[str, ItemRecord], *, has_flags: bool) -> FolderDigest:
        """Return the digest over the items the ledger calls present."""
        found = FolderDigest()
        for item, listed in self.ours.items():
            if records[item].state is ItemState.PRESENT:
                found = found.plus(item, listed.row if has_flags else listed.row.without_flag())
        return found


def see(
    listed: Iterable[ListedItem], records: Mapping[str, ItemRecord], folder_id: str, target_name: str
) -> SeenFolder:
    """Sort the items of a target folder; `records` holds those of the keys found, where the ledger has one."""
    ours: dict[str, ListedItem] = {}
    strays: dict[str, ItemRecord] = {}
    duplicates = unknown = foreign = 0
    for found in listed:
        stamp = Stamp.parse(found.stamp)
        if stamp is None or stamp.target != target_name:
            foreign += 1
        elif (record := records.get(stamp.item)) is None:
            unknown += 1
        elif record.folder_id != folder_id:
            strays[record.item] = record
        elif (other := ours.get(record.item)) is None:
            ours[record.item] = found
        else:
            duplicates += 1
            ours[record.item] = found if found.item_id == record.target_id else other
    return SeenFolder(ours=ours, duplicates=duplicates, unknown=unknown, strays=tuple(strays.values()), foreign=foreign)


def is_as_expected(seen: SeenFolder, records: Mapping[str, ItemRecord], checksum: Checksum) -> bool:
    """Tell whether a folder holds exactly what its checksum says and nothing else of ours."""
    if seen.duplicates or seen.unknown or seen.strays:
        return False
    digest = seen.digest(records, has_flags=checksum.has_flags)
    return digest.items == checksum.items and digest.hex == checksum.digest


def absent(seen: SeenFolder, in_folder: Iterable[ItemRecord]) -> list[ItemRecord]:
    """Return what the ledger calls present in the folder and the folder does not show."""
    held = {ItemState.PRESENT, ItemState.LEFT_OUT}  # a folder in scope leaves nothing out
    return [r for r in in_folder if r.state in held and r.item not in seen.ours]


def divergence(
    seen: SeenFolder, in_folder: list[ItemRecord], checksum: Checksum | None, moved: set[str], copied: set[str]
) -> dict[str, int]:
    """Return how many items differ by kind, none where all that differs is known.

    `in_folder` is all the ledger has there; `moved` are absent items found elsewhere, `copied` strays whose original
    is where it belongs. What a digest alone shows counts as one item. Without a checksum, what the folder shows is
    compared with the ledger alone.
    """
    has_flags = checksum is not None and checksum.has_flags
    is_behind = any(r.state in {ItemState.PARKED, ItemState.WANTED} for r in in_folder)
    missing = [r for r in absent(seen, in_folder) if r.item not in moved]
    altered = [r for r in in_folder if (i := seen.ours.get(r.item)) and _marks_differ(r, i, has_flags=has_flags)]
    found = {
        MISSING: len(missing),
        MOVED: len(moved),
        EXTRA: seen.unknown,
        DUPLICATE: seen.duplicates + len(copied),
        DIFFERING: len(altered),
    }
    if checksum is not None:
        unknown_to_ledger = checksum.items - len(in_folder)
        found[MISSING] += max(0, unknown_to_ledger)
        found[EXTRA] += max(0, -unknown_to_ledger)
        is_explained = is_behind or missing or moved or altered or unknown_to_ledger
        records = {r.item: r for r in in_folder}
        if not is_explained and seen.digest(records, has_flags=checksum.has_flags).hex != checksum.digest:
            found[DIFFERING] = 1
    return {kind: number for kind, number in found.items() if number}


def edited(seen: SeenFolder, records: Mapping[str, ItemRecord]) -> list[tuple[ItemRecord, ListedItem]]:
    """Return the items whose ChangeKey is not the one of our last write: somebody else wrote to them since."""
    return [
        (record, listed)
        for item, listed in seen.ours.items()
        if (record := records[item]).state is ItemState.PRESENT and listed.change_key != record.target_change_key
    ]


def _marks_differ(record: ItemRecord, listed: ListedItem, *, has_flags: bool) -> bool:
    """Compare marks by value, in the form both are listed in."""
    if record.state is not ItemState.PRESENT or record.marks is None:
        return False
    known, shown = _marks(record.marks, has_flags=has_flags), listed.row
    return known != (
        shown.is_read, shown.flag if has_flags else ("", "", "", ""), shown.categories, shown.importance
    )  # fmt: skip


def _marks(marks: Marks, *, has_flags: bool) -> tuple[bool, tuple[str, str, str, str], tuple[str, ...], str]:
    row = canonical_row(
        item_class="", message_id="", subject="", sent="", received="", is_draft=False, marks=marks, sensitivity="",
        with_flag=has_flags,
    )  # fmt: skip
    return row.is_read, row.flag, row.categories, row.importance
