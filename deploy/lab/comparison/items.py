"""Reads the items of a server in canonical form: FindItem for the ids, GetItem in bounded batches (MS-OXWSCORE)."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.lab.session import Element, M, SessionError, T, UserSession, attribute, refuse_unless_done
from schemas.canonical import (
    VOLATILE_ELEMENTS,
    CanonicalAttachment,
    CanonicalItem,
    ShownFlag,
    ShownItem,
    from_elements,
)
from schemas.canonical_message import from_message
from schemas.ews import STAMP

BATCH_ITEMS_MAX = 100
BATCH_SIZE_BYTES_MAX = 16_000_000
_PAGE_ITEMS_MAX = 1_000
_MESSAGE_CLASSES = ("IPM.NOTE", "IPM.POST", "REPORT.")
_MESSAGE_FIELDS = (
    "item:ItemClass", "item:Subject", "item:DateTimeSent", "item:DateTimeReceived", "item:IsDraft", "item:Categories",
    "item:Importance", "item:Sensitivity", "message:IsRead", "item:MimeContent",
)  # fmt: skip
_FIELDS_APART = frozenset(
    {
        "ItemClass", "Subject", "Body", "DateTimeSent", "DateTimeReceived", "IsDraft", "IsRead", "Flag", "Categories",
        "Importance", "Sensitivity",
    }
)  # fmt: skip
_STAMP_URI = (
    f'<t:ExtendedFieldURI PropertySetId="{STAMP.set_id}" PropertyName="{STAMP.name}" PropertyType="{STAMP.type}"/>'
)


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item as FindItem lists it."""

    item_id: str
    item_class: str
    size_bytes: int
    is_read: bool

    @property
    def is_message(self) -> bool:
        """Whether MIME holds all of its content."""
        return self.item_class.upper().startswith(_MESSAGE_CLASSES)


@dataclass(frozen=True, slots=True)
class ReadItem:
    """An item in canonical form, and whether the replay's stamp is on it."""

    item_id: str
    canonical: CanonicalItem
    is_stamped: bool


def listed(session: UserSession, mailbox: str, folder_id: str) -> Iterator[ListedItem]:
    """Yield the items of a folder, a page at a time; raises SessionError."""
    offset, is_last = 0, False
    while not is_last:
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="item:ItemClass"/><t:FieldURI FieldURI="item:Size"/>'
            '<t:FieldURI FieldURI="message:IsRead"/></t:AdditionalProperties>'
            f'</m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="{_PAGE_ITEMS_MAX}" Offset="{offset}" '
            f'BasePoint="Beginning"/><m:ParentFolderIds><t:FolderId Id={attribute(folder_id)}/></m:ParentFolderIds>'
            "</m:FindItem>"
        )
        page = session.one("FindItem", mailbox, body).find(f"{M}RootFolder")
        found = [] if page is None else page.findall(f"{T}Items/*")
        for item in found:
            size_bytes = int(item.findtext(f"{T}Size") or 0)
            is_read = item.findtext(f"{T}IsRead") != "false"
            yield ListedItem(_id(item), str(item.findtext(f"{T}ItemClass") or ""), size_bytes, is_read)
        offset += len(found)
        is_last = page is None or not found or page.get("IncludesLastItemInRange") != "false"


def read(session: UserSession, mailbox: str, items: Sequence[ListedItem]) -> Iterator[ReadItem]:
    """Yield items in canonical form, in no particular order; raises SessionError."""
    for is_message in (True, False):
        for batch in _batches([item for item in items if item.is_message == is_message]):
            shape = _message_shape(session) if is_message else _whole_shape(session)
            refs = "".join(f"<t:ItemId Id={attribute(item.item_id)}/>" for item in batch)
            body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{refs}</m:ItemIds></m:GetItem>"
            messages = session.answers("GetItem", mailbox, body)
            if len(messages) != len(batch):
                raise SessionError("ShortAnswer", f"GetItem: {len(messages)} answers for {len(batch)} items")
            for message in messages:
                refuse_unless_done("GetItem", message)
                item = message.find(f"{M}Items/*")
                if item is None:
                    raise SessionError("MalformedAnswer", "GetItem: an answer without its item")
                yield _read_item(session, mailbox, item, is_message=is_message)


def _batches(items: list[ListedItem]) -> Iterator[list[ListedItem]]:
    batch: list[ListedItem] = []
    size_bytes = 0
    for item in items:
        if batch and (len(batch) == BATCH_ITEMS_MAX or size_bytes + item.size_bytes > BATCH_SIZE_BYTES_MAX):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += item.size_bytes
    if batch:
        yield batch


def _message_shape(session: UserSession) -> str:
    names = (*_MESSAGE_FIELDS, "item:Flag") if session.address.has_flag_element else _MESSAGE_FIELDS
    uris = "".join(f'<t:FieldURI FieldURI="{name}"/>' for name in names)
    return f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}{_STAMP_URI}</t:AdditionalProperties>"


def _whole_shape(session: UserSession) -> str:
    flag = '<t:FieldURI FieldURI="item:Flag"/>' if session.address.has_flag_element else ""
    return (
        f"<t:BaseShape>AllProperties</t:BaseShape><t:AdditionalProperties>{flag}{_STAMP_URI}</t:AdditionalProperties>"
    )


def _read_item(session: UserSession, mailbox: str, item: Element, *, is_message: bool) -> ReadItem:
    is_stamped = any(
        (uri := extended.find(f"{T}ExtendedFieldURI")) is not None
        and uri.get("PropertyName") == STAMP.name
        and str(uri.get("PropertySetId")).lower() == STAMP.set_id
        for extended in item.iterfind(f"{T}ExtendedProperty")
    )
    if is_message:
        canonical = from_message(_decoded(item.findtext(f"{T}MimeContent")), _shown(item, (), ()))
    else:
        attachments = tuple(_attachments(session, mailbox, item))
        canonical = from_elements(_shown(item, tuple(_elements(item)), attachments))
    return ReadItem(_id(item), canonical, is_stamped)


def _shown(
    item: Element, elements: tuple[tuple[str, str], ...], attachments: tuple[CanonicalAttachment, ...]
) -> ShownItem:
    def value(name: str, default: str = "") -> str:
        found = item.findtext(f"{T}{name}")
        return default if found is None else str(found)

    return ShownItem(
        item_class=value("ItemClass"),
        subject=value("Subject"),
        body=value("Body"),
        sent=value("DateTimeSent"),
        received=value("DateTimeReceived"),
        is_draft=value("IsDraft") == "true",
        is_read=value("IsRead", "true") == "true",
        flag=ShownFlag(
            status=value(f"Flag/{T}FlagStatus", "NotFlagged"),
            start=value(f"Flag/{T}StartDate"),
            due=value(f"Flag/{T}DueDate"),
            completed=value(f"Flag/{T}CompleteDate"),
        ),
        categories=tuple(str(c.text or "") for c in item.iterfind(f"{T}Categories/{T}String")),
        importance=value("Importance", "Normal"),
        sensitivity=value("Sensitivity", "Normal"),
        elements=elements,
        attachments=attachments,
    )


def _elements(item: Element, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every element that is neither volatile nor compared by itself."""
    for child in item:
        name = etree_name(child)
        if name in VOLATILE_ELEMENTS or (not path and name in _FIELDS_APART):
            continue
        attributes = "".join(f"[{key!s}={value!s}]" for key, value in sorted(child.items()) if key != "ChangeKey")
        here = f"{path}/{name}{attributes}"
        if len(child):
            yield from _elements(child, here)
        else:
            yield here, str(child.text or "")


def etree_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _attachments(session: UserSession, mailbox: str, item: Element) -> Iterator[CanonicalAttachment]:
    found = item.findall(f"{T}Attachments/*/{T}AttachmentId")
    if not found:
        return
    refs = "".join(f"<t:AttachmentId Id={attribute(str(reference.get('Id')))}/>" for reference in found)
    body = (
        "<m:GetAttachment><m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:AttachmentShape>"
        f"<m:AttachmentIds>{refs}</m:AttachmentIds></m:GetAttachment>"
    )
    for message in session.answers("GetAttachment", mailbox, body):
        refuse_unless_done("GetAttachment", message)
        attachment = message.find(f"{M}Attachments/*")
        if attachment is not None:
            yield CanonicalAttachment(
                name=str(attachment.findtext(f"{T}Name") or ""),
                content_id=str(attachment.findtext(f"{T}ContentId") or "").strip("<>"),
                sha256=_attachment_digest(attachment),
            )


def _attachment_digest(attachment: Element) -> str:
    content = attachment.findtext(f"{T}Content")
    if content is not None:
        return hashlib.sha256(_decoded(content)).hexdigest()
    inner = next((child for child in attachment if child.find(f"{T}ItemClass") is not None), None)
    if inner is None:
        return ""
    mime = inner.findtext(f"{T}MimeContent")
    canonical = (
        from_message(_decoded(mime), _shown(inner, (), ()))
        if mime
        else from_elements(_shown(inner, tuple(_elements(inner)), ()))
    )
    return canonical.digest().hex()


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error as error:
        raise SessionError("MalformedAnswer", "content that is not base64") from error


def _id(item: Element) -> str:
    reference = item.find(f"{T}ItemId")
    return "" if reference is None else str(reference.get("Id"))
