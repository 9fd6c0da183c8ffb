"""Which properties an answer carries, and their XML: ItemShape compiled to a list of writers per item kind."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.bodies import Body, body_of
from deploy.lab.exchange.content import Content, unpack
from deploy.lab.exchange.fields import CONTENT_ONLY, KINDS, MAILBOX_LISTS, SINCE_2013, kind_of, name_of_uri
from deploy.lab.exchange.headers import date_header, readable
from deploy.lab.exchange.identity import Identity, change_key
from deploy.lab.exchange.items import Item, Items, utc_text
from deploy.lab.exchange.properties import (
    FROM_ME,
    SUBMITTED,
    UNMODIFIED,
    UNSENT,
    Path,
    property_xml,
    read_path,
    read_value,
)
from deploy.lab.exchange.rendering import render
from deploy.lab.exchange.soap import EwsError, RequestFault, T, element, escape, local_name

_DEFAULT: Final = frozenset(
    {
        "ItemId", "Subject", "Sensitivity", "DateTimeReceived", "Size", "Importance", "InReplyTo", "IsSubmitted",
        "IsDraft", "DateTimeSent", "DateTimeCreated", "HasAttachments", "Attachments", "Body", "From", "IsRead",
        "ToRecipients", "CcRecipients", "Start", "End", "Location", "FileAs", "DisplayName", "EmailAddresses",
        "PhoneNumbers", "DueDate", "Status", "PercentComplete", "StartDate", "ItemClass",
    }
)  # fmt: skip
_INDEXED: Final = {
    "contacts:EmailAddress": "EmailAddresses",
    "contacts:PhoneNumber": "PhoneNumbers",
    "contacts:ImAddress": "ImAddresses",
    "distributionlist:Members:Member": "Members",
    "item:InternetMessageHeader": "InternetMessageHeaders",
}
_RIGHTS: Final = (
    "<t:EffectiveRights><t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents>"
    "<t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify>"
    "<t:Read>true</t:Read></t:EffectiveRights>"
)
_PREVIEW_LENGTH: Final = 255
_SHAPES_MAX: Final = 256

Writer = Callable[[Item, "View"], str]


class View:
    """What writers need beside the item: ids, the server's generation, and content read at most once an item."""

    __slots__ = ("_body", "_content", "_content_row", "_items", "body_type", "generation", "identity", "now")

    def __init__(
        self, items: Items, identity: Identity, generation: tuple[int, int], body_type: str, now: float
    ) -> None:
        self._items = items
        self.identity = identity
        self.generation = generation
        self.body_type = body_type
        self.now = now
        self._content: Content | None = None
        self._content_row = 0
        self._body: Body | None = None

    def content(self, item: Item) -> Content:
        """Return the item's content."""
        if self._content is None or self._content_row != item.row:
            self._content, self._content_row, self._body = unpack(self._items.content(item)), item.row, None
        return self._content

    def body(self, item: Item) -> Body:
        """Return the item's best body, empty where it has none."""
        content = self.content(item)
        if self._body is None:
            self._body = body_of(content) or Body("Text", "")
        return self._body

    def folder_id(self, item: Item) -> str:
        """Return the FolderId of the folder that holds the item."""
        return self._items.folder_of(item).id

    def owner(self, item: Item) -> str:
        """Return the address of the item's mailbox."""
        return self._items.folders.by_number[item.mailbox].address


class Shape:
    """A compiled ItemShape: `xml(item, view)` writes one item."""

    __slots__ = ("_extended", "_names", "_writers", "body_type", "everything", "reads_mime")

    def __init__(self, node: etree._Element | None, generation: tuple[int, int], *, listing: bool) -> None:
        """Compile an ItemShape element; raises `EwsError` or `RequestFault` for paths that name nothing."""
        base = (node.findtext(f"{T}BaseShape") if node is not None else None) or "AllProperties"
        self.body_type = (node.findtext(f"{T}BodyType") if node is not None else None) or "Best"
        self.everything = base == "AllProperties"
        names: set[str] = {"ItemId"} | (set(_DEFAULT) if base == "Default" else set())
        extended: dict[str, Path] = {}
        asked: set[str] = set()
        paths = node.find(f"{T}AdditionalProperties") if node is not None else None
        for path in paths if paths is not None else ():
            if local_name(path) == "ExtendedFieldURI":
                found = read_path(path)
                extended[found.key] = found
            else:
                asked.add(_asked_name(path))
        if node is not None and node.findtext(f"{T}IncludeMimeContent") == "true":
            asked.add("MimeContent")
        if listing:
            # Real servers leave these out of lists; FindItem refuses them by name before it comes here.
            asked -= CONTENT_ONLY
        self.reads_mime = "MimeContent" in asked
        hidden = (
            CONTENT_ONLY
            if listing
            else frozenset({"MimeContent", "UniqueBody", "NormalizedBody", "TextBody"})
        )
        self._names = (
            set(WRITERS) - hidden if self.everything else names - (CONTENT_ONLY if listing else set())
        ) | asked
        if generation < (15, 0):
            self._names -= SINCE_2013
        self._extended = tuple(extended.values())
        self._writers: dict[str, tuple[Writer, ...]] = {}

    def xml(self, item: Item, view: View) -> str:
        """Return the element of one item with the asked properties it has."""
        kind = kind_of(item.item_class)
        writers = self._writers.get(kind)
        if writers is None:
            writers = self._writers[kind] = tuple(self._compile(kind))
        return f"<t:{kind}>{''.join([write(item, view) for write in writers])}</t:{kind}>"

    def _compile(self, kind: str) -> list[Writer]:
        writers: list[Writer] = []
        for name in KINDS[kind]:
            if name == "ExtendedProperty":
                writers += [_extended_writer(path) for path in self._extended]
            elif name in self._names:
                writers.append(WRITERS[name])
        return writers


def _asked_name(path: etree._Element) -> str:
    uri = path.get("FieldURI", "")
    if local_name(path) == "IndexedFieldURI":
        if uri.startswith("contacts:PhysicalAddress:"):
            return "PhysicalAddresses"
        name = _INDEXED.get(uri)
    else:
        name = name_of_uri(uri)
    if name is None:
        raise RequestFault(
            "ErrorSchemaValidation", f"The request failed schema validation: '{uri}' is no property here."
        )
    return name


def _extended_writer(path: Path) -> Writer:
    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        value = read_value(item, path.key)
        return property_xml(path, value) if value is not None else ""

    return write


def mailbox_xml(mailbox: list[str]) -> str:
    """One Mailbox element of `[name, address, routing]`."""
    name, address, routing = mailbox
    inner = element("Name", name or address) + (element("EmailAddress", address) if address else "")
    return f"<t:Mailbox>{inner}{element('RoutingType', routing) if routing else ''}</t:Mailbox>"


def value_xml(name: str, value: Any) -> str:
    """Return the element of a stored field, whatever the form of its value."""
    if isinstance(value, str):
        return f"<t:{name}>{escape(value)}</t:{name}>"
    if isinstance(value, dict):
        if "xml" in value:
            return str(value["xml"])
        if "entries" in value:
            inner = "".join(_entry_xml(key, entry) for key, entry in value["entries"].items())
        else:
            inner = "".join(element(key, text) for key, text in value.items())
        return f"<t:{name}>{inner}</t:{name}>" if inner else ""
    if name in MAILBOX_LISTS:
        return f"<t:{name}>{''.join([mailbox_xml(one) for one in value])}</t:{name}>" if value else ""
    if value and isinstance(value[0], str) and name in {"Categories", "Companies", "Children", "Contacts"}:
        return f"<t:{name}>{''.join([element('String', one) for one in value])}</t:{name}>"
    return f"<t:{name}>{mailbox_xml(value)}</t:{name}>" if value else ""


def _entry_xml(key: str, entry: Any) -> str:
    if isinstance(entry, str):
        return f'<t:Entry Key="{escape(key)}">{escape(entry)}</t:Entry>'
    inner = "".join(element(name, entry[name]) for name in ADDRESS_PARTS if name in entry)
    return f'<t:Entry Key="{escape(key)}">{inner}</t:Entry>'


ADDRESS_PARTS: Final = ("Street", "City", "State", "CountryOrRegion", "PostalCode")


def _stored(name: str, default: str | None = None) -> Writer:
    fallback = element(name, default) if default is not None else ""

    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        value = item.fields.get(name)
        return value_xml(name, value) if value is not None else fallback

    return write


def _computed(name: str, compute: Callable[[Item, View], str]) -> Writer:
    return lambda item, view: element(name, compute(item, view))


def _flag_bit(name: str, bit: int) -> Writer:
    yes, no = element(name, "true"), element(name, "false")
    return lambda item, view: yes if int(item.fields.get("MessageFlags", 0)) & bit else no  # noqa: ARG005


def _body_writer(name: str) -> Writer:
    def write(item: Item, view: View) -> str:
        body = view.body(item).as_kind("Text" if name == "TextBody" else view.body_type)
        return f'<t:{name} BodyType="{body.kind}">{escape(body.text)}</t:{name}>'

    return write


def item_id_xml(item: Item, identity: Identity) -> str:
    """Return the ItemId element of an item."""
    return (
        f'<t:ItemId Id="{identity.item(item.mailbox, item.number)}" ChangeKey="{change_key(item.change)}"/>'
    )


def mime_bytes(item: Item, view: View) -> bytes:
    """Return the MIME of an item as this server's generation writes it at this moment."""
    draft = int(item.fields.get("MessageFlags", 0)) & UNSENT and kind_of(item.item_class) == "Message"
    date = date_header(utc_text(view.now)) if draft else ""
    return render(view.content(item), view.generation, date)


def _mime(item: Item, view: View) -> str:
    text = base64.b64encode(mime_bytes(item, view)).decode("ascii")
    return f'<t:MimeContent CharacterSet="UTF-8">{text}</t:MimeContent>'


def attachment_id_xml(item: Item, number: int, identity: Identity, root: str = "") -> str:
    """Return the AttachmentId element of an attachment; `root` adds the RootItemId attributes."""
    return f'<t:AttachmentId Id="{identity.attachment(item.mailbox, item.number, number)}"{root}/>'


def attachment_head_xml(entry: dict[str, Any]) -> str:
    """Return the elements that FileAttachment and ItemAttachment share, after the id."""
    inner = element("Name", entry["name"]) + element("ContentType", entry["type"])
    inner += element("ContentId", entry["content_id"]) if "content_id" in entry else ""
    inner += element("ContentLocation", entry["location"]) if "location" in entry else ""
    return inner


def _attachments(item: Item, view: View) -> str:
    pieces = []
    for entry in item.fields.get("Attachments", ()):
        kind = "ItemAttachment" if entry.get("item") else "FileAttachment"
        late = ""
        if view.generation >= (14, 0):
            inline = "true" if entry.get("inline") else "false"
            late = f"{element('Size', str(entry['size']))}{element('LastModifiedTime', item.modified)}"
            late += element("IsInline", inline)
        ident = attachment_id_xml(item, entry["number"], view.identity)
        pieces.append(f"<t:{kind}>{ident}{attachment_head_xml(entry)}{late}</t:{kind}>")
    return f"<t:Attachments>{''.join(pieces)}</t:Attachments>" if pieces else ""


def _internet_headers(item: Item, view: View) -> str:
    inner = "".join(
        f'<t:InternetMessageHeader HeaderName="{escape(name)}">{escape(readable(value))}</t:InternetMessageHeader>'
        for name, value in view.content(item).root.headers
    )
    return f"<t:InternetMessageHeaders>{inner}</t:InternetMessageHeaders>" if inner else ""


def _has_attachments(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
    real = any(not entry.get("inline") for entry in item.fields.get("Attachments", ()))
    return element("HasAttachments", "true" if real else "false")


def _conversation(item: Item, view: View) -> str:
    topic = (
        item.fields.get("ConversationTopic") or item.fields.get("InternetMessageId") or item.search_key.hex()
    )
    raw = (
        b"\x00\x03\x24"
        + hashlib.blake2b(f"{view.owner(item)}\n{topic.casefold()}".encode(), digest_size=24).digest()
    )
    return f'<t:ConversationId Id="{base64.b64encode(raw).decode()}"/>'


def _flag(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
    return value_xml("Flag", item.fields.get("Flag") or {"FlagStatus": "NotFlagged"})


def _names_of(name: str) -> Callable[[Item, View], str]:
    return lambda item, view: "; ".join(one[0] or one[1] for one in item.fields.get(name, ()))  # noqa: ARG005


def _store_id(item: Item, view: View) -> str:
    return base64.b64encode(view.identity.server + item.number.to_bytes(8, "big")).decode()


WRITERS: Final[dict[str, Writer]] = {name: _stored(name) for names in KINDS.values() for name in names}
WRITERS.update(
    {
        "MimeContent": _mime,
        "ItemId": lambda item, view: item_id_xml(item, view.identity),
        "ParentFolderId": lambda item, view: f'<t:ParentFolderId Id="{view.folder_id(item)}"/>',
        "ItemClass": _computed("ItemClass", lambda item, view: item.item_class),  # noqa: ARG005
        "Sensitivity": _stored("Sensitivity", "Normal"),
        "Importance": _stored("Importance", "Normal"),
        "Body": _body_writer("Body"),
        "UniqueBody": _body_writer("UniqueBody"),
        "NormalizedBody": _body_writer("NormalizedBody"),
        "TextBody": _body_writer("TextBody"),
        "Attachments": _attachments,
        "DateTimeReceived": _computed("DateTimeReceived", lambda item, view: item.received),  # noqa: ARG005
        "Size": _computed("Size", lambda item, view: str(item.size)),  # noqa: ARG005
        "IsSubmitted": _flag_bit("IsSubmitted", SUBMITTED),
        "IsDraft": _flag_bit("IsDraft", UNSENT),
        "IsFromMe": _flag_bit("IsFromMe", FROM_ME),
        "IsUnmodified": _flag_bit("IsUnmodified", UNMODIFIED),
        "IsResend": lambda item, view: "<t:IsResend>false</t:IsResend>",  # noqa: ARG005
        "InternetMessageHeaders": _internet_headers,
        "DateTimeCreated": _computed("DateTimeCreated", lambda item, view: item.created),  # noqa: ARG005
        "ReminderIsSet": _stored("ReminderIsSet", "false"),
        "DisplayCc": _computed("DisplayCc", _names_of("CcRecipients")),
        "DisplayTo": _computed("DisplayTo", _names_of("ToRecipients")),
        "DisplayBcc": _computed("DisplayBcc", _names_of("BccRecipients")),
        "HasAttachments": _has_attachments,
        "Culture": _stored("Culture", "en-US"),
        "EffectiveRights": lambda item, view: _RIGHTS,  # noqa: ARG005
        "LastModifiedName": _computed("LastModifiedName", lambda item, view: view.owner(item)),
        "LastModifiedTime": _computed("LastModifiedTime", lambda item, view: item.modified),  # noqa: ARG005
        "IsAssociated": _computed("IsAssociated", lambda item, view: "true" if item.associated else "false"),  # noqa: ARG005
        "ConversationId": _conversation,
        "Flag": _flag,
        "StoreEntryId": _computed("StoreEntryId", _store_id),
        "InstanceKey": _computed("InstanceKey", _store_id),
        "Preview": _computed(
            "Preview", lambda item, view: str(item.fields.get("Preview", ""))[:_PREVIEW_LENGTH]
        ),
        "IsRead": _computed("IsRead", lambda item, view: "true" if item.is_read else "false"),  # noqa: ARG005
        "IsReadReceiptRequested": _stored("IsReadReceiptRequested", "false"),
        "IsDeliveryReceiptRequested": _stored("IsDeliveryReceiptRequested", "false"),
    }
)

_COMPILED: Final[dict[tuple[bytes, tuple[int, int], bool], Shape]] = {}


def refuse_content(node: etree._Element | None) -> None:
    """Refuse bodies, MIME and attachments in a FindItem shape; raises `EwsError` (ErrorInvalidPropertyRequest)."""
    for path in node.iterfind(f"{T}AdditionalProperties/{T}FieldURI") if node is not None else ():
        if name_of_uri(path.get("FieldURI") or "") in CONTENT_ONLY:
            raise EwsError(
                "ErrorInvalidPropertyRequest", "The property can not be requested in a list of items."
            )


def compiled(node: etree._Element | None, generation: tuple[int, int], *, listing: bool = False) -> Shape:
    """Return the compiled form of an ItemShape element, kept for the next request that asks for the same."""
    key = (etree.tostring(node) if node is not None else b"", generation, listing)
    shape = _COMPILED.get(key)
    if shape is None:
        if len(_COMPILED) >= _SHAPES_MAX:
            _COMPILED.clear()
        shape = _COMPILED[key] = Shape(node, generation, listing=listing)
    return shape
