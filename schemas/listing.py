"""A folder's items as FindItem lists them (MS-OXWSSRCH), asked and read the same way at both servers. Pure.

A listing holds no content and costs a call a thousand items. Both sides ask for the same properties, so that what
differs was different at the servers.
"""

from dataclasses import dataclass

from schemas import ews, wire_values
from schemas.canonical_row import CanonicalRow, canonical_row
from schemas.ews import T, child_text
from schemas.ports import Element

PAGE_ITEMS_MAX = 1_000
"""EWSFindCountLimit of an unchanged server (facts: exchange §1)."""

_FIELDS = (
    "item:ItemClass", "item:Subject", "item:DateTimeSent", "item:DateTimeReceived", "item:Size", "item:IsDraft",
    "item:Categories", "item:Importance", "item:Sensitivity", "message:IsRead", "message:InternetMessageId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item of a listing: id, ChangeKey, our stamp or nothing, size as the server counts it, canonical row."""

    item_id: str
    change_key: str
    stamp: str
    size_bytes: int
    row: CanonicalRow


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page; `next_offset` is where the next begins, None after the last; without flags none were asked for."""

    items: tuple[ListedItem, ...]
    next_offset: int | None
    has_flags: bool


def request(folder_id: str, offset: int, *, with_flags: bool) -> str:
    """Return the body of the FindItem that asks for one page of a folder, from an offset on."""
    fields = (*_FIELDS, "item:Flag") if with_flags else _FIELDS
    uris = "".join(f'<t:FieldURI FieldURI="{f}"/>' for f in fields) + ews.STAMP.uri
    return (
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
        f"<t:AdditionalProperties>{uris}</t:AdditionalProperties></m:ItemShape>"
        f'<m:IndexedPageItemView MaxEntriesReturned="{PAGE_ITEMS_MAX}" Offset="{offset}" BasePoint="Beginning"/>'
        f"<m:ParentFolderIds>{ews.folder_ref(folder_id)}</m:ParentFolderIds></m:FindItem>"
    )


def page(root: Element | None, offset: int, *, with_flags: bool) -> ListingPage:
    """Return what the RootFolder element of an answer holds; one without items ends the listing."""
    found = [] if root is None else root.findall(f"{T}Items/*")
    items = tuple(_listed(item, with_flags=with_flags) for item in found)
    is_last = root is None or not items or wire_values.boolean(root.get("IncludesLastItemInRange", ""), default=True)
    return ListingPage(items, None if is_last else offset + len(items), with_flags)


def _listed(item: Element, *, with_flags: bool) -> ListedItem:
    reference = item.find(f"{T}ItemId")
    row = canonical_row(
        item_class=child_text(item, f"{T}ItemClass", "IPM.Note"),
        message_id=child_text(item, f"{T}InternetMessageId"),
        subject=child_text(item, f"{T}Subject"),
        sent=child_text(item, f"{T}DateTimeSent"),
        received=child_text(item, f"{T}DateTimeReceived"),
        is_draft=wire_values.boolean(child_text(item, f"{T}IsDraft")),
        marks=ews.marks_of(item),
        sensitivity=child_text(item, f"{T}Sensitivity", "Normal"),
        with_flag=with_flags,
    )
    return ListedItem(
        item_id="" if reference is None else str(reference.get("Id", "")),
        change_key="" if reference is None else str(reference.get("ChangeKey", "")),
        stamp=ews.value_of(ews.extended_values(item), ews.STAMP),
        size_bytes=wire_values.count(child_text(item, f"{T}Size")),
        row=row,
    )
