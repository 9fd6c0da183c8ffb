"""A source whose batches are halved where a call fails: the item at fault is Failed, all others are answered."""

from collections.abc import Callable
from typing import TypeVar

from producers.source import Described, Failed, HierarchyPage, ItemPage, Portable, Source
from schemas.halving import Halving, may_be_one_items
from schemas.listing import ListingPage
from schemas.ports import CallFailed

Answer = TypeVar("Answer")


class SplittingSource:
    """`producers.source.Source` over another one; pages and listings are passed on as they are.

    State: one folder a mailbox; a call about it alone tells whether the server answers at all.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._folder_ids: dict[str, str] = {}

    def know_folder(self, address: str, folder_id: str) -> None:
        """Remember a folder of a mailbox."""
        if folder_id:
            self._folder_ids[address] = folder_id

    @property
    def version(self) -> str:
        """Version of the server, as it says itself."""
        return self._source.version

    def hierarchy(self, address: str, cursor: str) -> HierarchyPage:
        """Read one page of folder changes."""
        return self._source.hierarchy(address, cursor)

    def items(self, address: str, folder_id: str, cursor: str) -> ItemPage:
        """Read one page of item changes."""
        self.know_folder(address, folder_id)
        return self._source.items(address, folder_id, cursor)

    def describe(self, address: str, item_ids: list[str]) -> list[Described | Failed]:
        """Return small properties, one answer an id."""
        return self._each(address, item_ids, self._source.describe)

    def change_keys(self, address: str, item_ids: list[str]) -> list[str | Failed]:
        """Return the present ChangeKeys, one answer an id."""
        return self._each(address, item_ids, self._source.change_keys)

    def export(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Return export streams, one answer an id."""
        return self._each(address, item_ids, self._source.export)

    def portable(self, address: str, item_ids: list[str]) -> list[Portable | Failed]:
        """Return MIME and properties, one answer an id."""
        return self._each(address, item_ids, self._source.portable)

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Return the settable elements of items, one answer an id."""
        return self._each(address, item_ids, self._source.elements)

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:
        """List one page of a folder's items."""
        return self._source.listing(address, folder_id, offset)

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Return a value for each folder; none for one whose probe fails, so that it is read.

        Where none is answered, reading the first folder tells whether the server answers at all.
        """
        values: dict[str, str] = {}

        def ask(batch: list[str]) -> list[bool]:
            answered = self._source.probe(address, batch)
            values.update(answered)
            return [folder_id in answered for folder_id in batch]

        try:
            Halving(folder_ids, ask, lambda: None).answers()
        except CallFailed as failure:
            if not may_be_one_items(failure):
                raise
        return values

    def _each(
        self, address: str, item_ids: list[str], ask: Callable[[str, list[str]], list[Answer | Failed]]
    ) -> list[Answer | Failed]:
        """Ask for every item, in halves where a call fails; CallFailed where a call without items fails as well."""
        answers = Halving(item_ids, lambda batch: ask(address, batch), lambda: self._confirm(address)).answers()
        return [Failed(a.code) if isinstance(a, CallFailed) else a for a in answers]

    def _confirm(self, address: str) -> None:
        if folder_id := self._folder_ids.get(address, ""):
            self._source.probe(address, [folder_id])
        else:
            self._source.hierarchy(address, "")
