"""One folder of a mailbox as both servers list it: items by key on either side, digests, pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consumers.verifier import SourceItem, TargetItem
from schemas.canonical_row import folder_digest
from schemas.endless import ReadingBounds
from schemas.identity import Stamp
from schemas.listing import ListedItem, ListingPage
from schemas.ports import CallRefused

FOLDER_GONE = frozenset({"ErrorFolderNotFound", "ErrorItemNotFound"})
Listing = Callable[[str, str, int], ListingPage]
"""Address, FolderId, offset: `Source.listing` or `Target.listing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A folder at one server; gone: the server has no such folder."""

    items: dict[str, ListedItem]
    has_flags: bool
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFolder:
    """A folder at both servers; `foreign` counts what is at the target and not ours."""

    folder_id: str
    source: tuple[SourceItem, ...]
    target: tuple[TargetItem, ...]
    foreign: int
    is_gone_at_target: bool
    has_flags: bool
    sides: tuple[Side, Side]

    @property
    def is_equal(self) -> bool:
        """Whether both digests are the same and the folder is at the target."""
        one = folder_digest((i.item, i.row) for i in self.source)
        other = folder_digest((i.stamp.item, i.row) for i in self.target)
        return one == other and not self.is_gone_at_target and all(i.item for i in self.source)

    def pairs(self) -> list[tuple[SourceItem, TargetItem]]:
        """Return the items that both sides list alike."""
        held = {i.stamp.item: i for i in self.target}
        return [(i, t) for i in self.source if (t := held.get(i.item)) and t.row == i.row]


def read_side(listing: Listing, address: str, folder_id: str) -> Side:
    """List a folder to its end; CallFailed if the server can't, a folder it does not have is empty and gone."""
    items: dict[str, ListedItem] = {}
    offset: int | None = 0
    has_flags, bounds = True, ReadingBounds()
    while offset is not None and folder_id:
        try:
            page = listing(address, folder_id, offset)
        except CallRefused as refused:
            if refused.code in FOLDER_GONE:
                return Side(items={}, has_flags=True, is_gone=True)
            raise
        items.update((i.item_id, i) for i in page.items)
        bounds.take_page((i.item_id for i in page.items), is_last=page.next_offset is None)
        offset, has_flags = page.next_offset, page.has_flags
    return Side(items=items, has_flags=has_flags, is_gone=not folder_id)


def joined(folder_id: str, source: Side, target: Side, keys: Mapping[str, str], stamp_name: str) -> ListedFolder:
    """Return a folder as both sides list it; `keys` maps the source's ItemId to the item key."""
    has_flags = source.has_flags and target.has_flags

    def row(item: ListedItem) -> ListedItem:
        if has_flags:
            return item
        return ListedItem(item.item_id, item.change_key, item.stamp, item.size_bytes, item.row.without_flag())

    ones = tuple(
        SourceItem(item=keys.get(i.item_id, ""), item_id=i.item_id, folder_id=folder_id, row=row(i).row)
        for i in source.items.values()
    )
    others = tuple(
        TargetItem(item_id=i.item_id, folder_id=folder_id, stamp=stamp, row=row(i).row)
        for i in target.items.values()
        if (stamp := Stamp.parse(i.stamp)) and stamp.target == stamp_name
    )
    return ListedFolder(
        folder_id=folder_id, source=ones, target=others, foreign=len(target.items) - len(others),
        is_gone_at_target=target.is_gone and not source.is_gone, has_flags=has_flags, sides=(source, target),
    )  # fmt: skip
