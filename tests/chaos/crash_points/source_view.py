"""What a source holds, and what Sync would still name from a cursor: asked as a user's program asks."""

import base64
from dataclasses import dataclass
from typing import Any

from deploy.lab.comparison.folders import folders_of
from deploy.lab.exchange.stream import read_stream
from deploy.lab.session import Element, M, SessionError, T, UserSession, attribute
from schemas.change import Marks

SYNC_ITEMS_MAX = 512
_GENERATION_NEWEST = (255, 255)


@dataclass(frozen=True, slots=True)
class Seen:
    """An item: its folder, its content without what marks it, its read flag and its categories."""

    folder_id: str
    content: tuple[Any, ...]
    is_read: bool
    categories: tuple[str, ...]


def content_of(stream: bytes) -> tuple[Any, ...]:
    """Return what of an export stream is content: streams themselves are never equal."""
    found = read_stream(stream, _GENERATION_NEWEST)
    return found.item_class, found.search_key, found.fields.get("subject"), found.content


def seen_marks(marks: Marks) -> tuple[bool, tuple[str, ...]]:
    """Return the marks that users of the stories set."""
    return marks.is_read, marks.categories


def items_of(session: UserSession, mailbox: str) -> dict[str, Seen]:
    """Return every item by its id."""
    found: dict[str, Seen] = {}
    for folder in folders_of(session, mailbox).values():
        if not folder.item_count:
            continue
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="message:IsRead"/><t:FieldURI FieldURI="item:Categories"/></t:AdditionalProperties>'
            f"</m:ItemShape><m:ParentFolderIds><t:FolderId Id={attribute(folder.folder_id)}/></m:ParentFolderIds>"
            "</m:FindItem>"
        )
        for item in session.one("FindItem", mailbox, body).iterfind(f"{M}RootFolder/{T}Items/*"):
            item_id = _id_of(item)
            found[item_id] = Seen(
                folder.folder_id,
                content_of(_exported(session, mailbox, item_id)),
                item.findtext(f"{T}IsRead") == "true",
                tuple(str(c.text) for c in item.iterfind(f"{T}Categories/{T}String")),
            )
    return found


def named_ahead(session: UserSession, mailbox: str, folder_id: str, cursor: str) -> set[str] | None:
    """Return the ids SyncFolderItems would name from a cursor on; None for a folder that is gone."""
    named: set[str] = set()
    is_last = False
    while not is_last:
        state = f"<m:SyncState>{cursor}</m:SyncState>" if cursor else ""
        body = (
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            f"<m:SyncFolderId><t:FolderId Id={attribute(folder_id)}/></m:SyncFolderId>{state}"
            f"<m:MaxChangesReturned>{SYNC_ITEMS_MAX}</m:MaxChangesReturned></m:SyncFolderItems>"
        )
        try:
            answer = session.one("SyncFolderItems", mailbox, body)
        except SessionError:
            return None
        cursor = str(answer.findtext(f"{M}SyncState"))
        is_last = answer.findtext(f"{M}IncludesLastItemInRange") != "false"
        named |= {str(e.get("Id")) for e in answer.iter(f"{T}ItemId")}
    return named


def _exported(session: UserSession, mailbox: str, item_id: str) -> bytes:
    body = f"<m:ExportItems><m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds></m:ExportItems>"
    return base64.b64decode(str(session.one("ExportItems", mailbox, body).findtext(f"{M}Data")))


def _id_of(item: Element) -> str:
    reference = item.find(f"{T}ItemId")
    return "" if reference is None else str(reference.get("Id"))
