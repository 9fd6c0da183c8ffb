"""FindItem: items of folders by restriction, ordered and paged.

Versions: all. Behaviour: IndexedPageItemView, FractionalPageItemView and CalendarView; equality on SearchKey,
Message-ID and String named properties (also inside And / Or) is answered from an index; at most `find_count_limit`
items a page. Skipped: grouping, QueryString (AQS), SeekToConditionPageItemView, SoftDeleted traversal (look into
Recoverable Items), search folders; CalendarView does not expand recurring series.
"""

from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folders import Folder
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.properties import canonical_time
from deploy.lab.exchange.restrictions import Reader, Restriction, comparable, item_reader
from deploy.lab.exchange.shapes import compiled, refuse_content
from deploy.lab.exchange.soap import EwsError, local_name

_UNSUPPORTED: Final = ("QueryString", "GroupBy", "DistinguishedGroupBy", "SeekToConditionPageItemView")


class _Page:
    """The wanted part of a result: offset, size, and how the answer numbers it."""

    def __init__(self, call: Call) -> None:
        self.limit = call.server.switches.find_count_limit
        self.offset, self.from_end, self.fraction = 0, False, None
        view = call.child("IndexedPageItemView")
        fractional = call.child("FractionalPageItemView")
        calendar = call.child("CalendarView")
        chosen = next(
            (one for one in (view, fractional, calendar, call.child("ContactsView")) if one is not None), None
        )
        if chosen is not None and chosen.get("MaxEntriesReturned"):
            self.limit = min(self.limit, int(chosen.get("MaxEntriesReturned") or "0"))
        if view is not None:
            self.offset = int(view.get("Offset") or "0")
            self.from_end = view.get("BasePoint") == "End"
        if fractional is not None:
            self.fraction = (
                int(fractional.get("Numerator") or "0"),
                int(fractional.get("Denominator") or "1"),
            )
        self.between = _between(calendar)

    def start(self, total: int) -> int:
        """Where the page begins in a result of so many items."""
        if self.fraction is not None:
            return total * self.fraction[0] // max(self.fraction[1], 1)
        return max(total - self.offset - self.limit, 0) if self.from_end else self.offset


def _between(calendar: etree._Element | None) -> tuple[str, str] | None:
    if calendar is None:
        return None
    try:
        return canonical_time(calendar.get("StartDate") or ""), canonical_time(calendar.get("EndDate") or "")
    except ValueError as error:
        raise EwsError("ErrorInvalidRequest", "A CalendarView needs a start and an end.") from error


def answer(call: Call) -> str:
    """Answer one FindItem request."""
    refuse_content(call.child("ItemShape"))
    shape = compiled(call.child("ItemShape"), call.generation, listing=True)
    node = call.child("Restriction")
    restriction = Restriction(node) if node is not None else None
    orders = [_order(order) for order in call.children("SortOrder")]
    page = _Page(call)
    associated = int(call.flag("Traversal") == "Associated")
    view = call.view()

    def one(node: etree._Element) -> str:
        for name in _UNSUPPORTED:
            if call.child(name) is not None:
                raise EwsError("ErrorInvalidOperation", f"{name} is not supported here (see SKIPPED.md).")
        folder = call.folder(node)[1]
        items, total, start = _find(call, folder, associated, restriction, orders, page)
        call.parts_count += len(items)
        following = start + len(items)
        last = following >= total
        inner = "".join([shape.xml(item, view) for item in items])
        paging = f'IndexedPagingOffset="{following}" ' if page.fraction is None else f'NumeratorOffset="{following}" '
        return (
            f'<m:RootFolder {paging}TotalItemsInView="{total}" IncludesLastItemInRange="{"true" if last else "false"}">'
            f"<t:Items>{inner}</t:Items></m:RootFolder>"
        )

    return call.answer(call.children("ParentFolderIds"), one)


def _find(
    call: Call,
    folder: Folder,
    associated: int,
    restriction: Restriction | None,
    orders: list[tuple[Reader, bool]],
    page: _Page,
) -> tuple[list[Item], int, int]:
    """Return the items of the page, how many there are in all, and where the page begins."""
    items = call.server.items
    if restriction is None and not orders and page.between is None:
        total = folder.associated if associated else folder.total
        start = page.start(total)
        found = items.select(
            "WHERE folder = ? AND associated = ? ORDER BY received DESC, row DESC LIMIT ? OFFSET ?",
            (folder.number, associated, page.limit, start),
        )
        return found, total, start
    if restriction is not None and restriction.keywords is not None:
        found = items.by_keywords(folder.number, associated, restriction.keywords)
        found.sort(key=lambda item: (item.received, item.row), reverse=True)
    else:
        order = "ORDER BY received DESC, row DESC"
        found = items.select(f"WHERE folder = ? AND associated = ? {order}", (folder.number, associated))
    if restriction is not None:
        found = [item for item in found if restriction.matches(item)]
    if page.between is not None:
        found = [item for item in found if _overlaps(item, *page.between)]
    for reader, descending in reversed(orders):
        found.sort(key=_sorter(reader), reverse=descending)
    start = page.start(len(found))
    return found[start : start + page.limit], len(found), start


def _overlaps(item: Item, start: str, end: str) -> bool:
    first = str(item.fields.get("Start", ""))
    return bool(first) and first < end and str(item.fields.get("End", first)) > start


def _order(node: etree._Element) -> tuple[Reader, bool]:
    path = next(
        (child for child in node if local_name(child) in {"FieldURI", "ExtendedFieldURI", "IndexedFieldURI"}),
        None,
    )
    if path is None:
        raise EwsError("ErrorInvalidRequest", "A sort order names no property.")
    return item_reader(path), node.get("Order") == "Descending"


def _sorter(reader: Reader) -> Callable[[Item], tuple[bool, Any]]:
    return lambda item: _sort_key(reader(item))


def _sort_key(value: Any) -> tuple[bool, Any]:
    if value is None:
        return (False, (0, 0.0))
    return (True, comparable("; ".join(value) if isinstance(value, list) else value))
