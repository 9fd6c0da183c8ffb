"""The elements of an item in answers: one writer for each property, an empty text where the item has none."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from deploy.lab.exchange.fields import KINDS, MAILBOX_LISTS, TEXT_LISTS, kind_of
from deploy.lab.exchange.headers import date_header, readable
from deploy.lab.exchange.identity import Identity, change_key
from deploy.lab.exchange.items import Item, utc_text
from deploy.lab.exchange.properties import FROM_ME, SUBMITTED, UNMODIFIED, UNSENT
from deploy.lab.exchange.rendering import render
from deploy.lab.exchange.soap import element, escape
from deploy.lab.exchange.view import View

_RIGHTS: Final = (
    "<t:EffectiveRights><t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents>"
    "<t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify>"
    "<t:Read>true</t:Read></t:EffectiveRights>"
)
ADDRESS_PARTS: Final = ("Street", "City", "State", "CountryOrRegion", "PostalCode")

Writer = Callable[[Item, View], str]


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
    if value and isinstance(value[0], str) and name in TEXT_LISTS:
        return f"<t:{name}>{''.join([element('String', one) for one in value])}</t:{name}>"
    return f"<t:{name}>{mailbox_xml(value)}</t:{name}>" if value else ""


def _entry_xml(key: str, entry: Any) -> str:
    if isinstance(entry, str):
        return f'<t:Entry Key="{escape(key)}">{escape(entry)}</t:Entry>'
    inner = "".join(element(name, entry[name]) for name in ADDRESS_PARTS if name in entry)
    return f'<t:Entry Key="{escape(key)}">{inner}</t:Entry>'


def _stored(name: str, default: str | None = None) -> Writer:
    fallback = element(name, default) if default is not None else ""

    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        value = item.fields.get(name)
        return value_xml(name, value) if value is not None else fallback

    return write


def _computed(name: str, compute: Callable[[Item, View], str]) -> Writer:
    return lambda item, view: element(name, compute(item, view))


def _of_item(name: str, compute: Callable[[Item], str]) -> Writer:
    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        return element(name, compute(item))

    return write


def _constant(xml: str) -> Writer:
    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        return xml

    return write


def _flag_bit(name: str, bit: int) -> Writer:
    yes, no = element(name, "true"), element(name, "false")

    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        return yes if int(item.fields.get("MessageFlags", 0)) & bit else no

    return write


def _body_writer(name: str) -> Writer:
    def write(item: Item, view: View) -> str:
        body = view.body(item).as_kind("Text" if name == "TextBody" else view.body_type)
        return f'<t:{name} BodyType="{body.kind}">{escape(body.text)}</t:{name}>'

    return write


def item_id_xml(item: Item, identity: Identity) -> str:
    """Return the ItemId element of an item."""
    return f'<t:ItemId Id="{identity.item(item.mailbox, item.number)}" ChangeKey="{change_key(item.change)}"/>'


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
    topic = item.fields.get("ConversationTopic") or item.fields.get("InternetMessageId") or item.search_key.hex()
    raw = b"\x00\x03\x24" + hashlib.blake2b(f"{view.owner(item)}\n{topic.casefold()}".encode(), digest_size=24).digest()
    return f'<t:ConversationId Id="{base64.b64encode(raw).decode()}"/>'


def _flag(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
    return value_xml("Flag", item.fields.get("Flag") or {"FlagStatus": "NotFlagged"})


def _names_of(name: str) -> Callable[[Item], str]:
    return lambda item: "; ".join(one[0] or one[1] for one in item.fields.get(name, ()))


def _store_id(item: Item, view: View) -> str:
    return base64.b64encode(view.identity.server + item.number.to_bytes(8, "big")).decode()


WRITERS: Final[dict[str, Writer]] = {name: _stored(name) for names in KINDS.values() for name in names}
WRITERS.update(
    {
        "MimeContent": _mime,
        "ItemId": lambda item, view: item_id_xml(item, view.identity),
        "ParentFolderId": lambda item, view: f'<t:ParentFolderId Id="{view.folder_id(item)}"/>',
        "ItemClass": _of_item("ItemClass", lambda item: item.item_class),
        "Sensitivity": _stored("Sensitivity", "Normal"),
        "Importance": _stored("Importance", "Normal"),
        "Body": _body_writer("Body"),
        "UniqueBody": _body_writer("UniqueBody"),
        "NormalizedBody": _body_writer("NormalizedBody"),
        "TextBody": _body_writer("TextBody"),
        "Attachments": _attachments,
        "DateTimeReceived": _of_item("DateTimeReceived", lambda item: item.received),
        "Size": _of_item("Size", lambda item: str(item.size)),
        "IsSubmitted": _flag_bit("IsSubmitted", SUBMITTED),
        "IsDraft": _flag_bit("IsDraft", UNSENT),
        "IsFromMe": _flag_bit("IsFromMe", FROM_ME),
        "IsUnmodified": _flag_bit("IsUnmodified", UNMODIFIED),
        "IsResend": _constant("<t:IsResend>false</t:IsResend>"),
        "InternetMessageHeaders": _internet_headers,
        "DateTimeCreated": _of_item("DateTimeCreated", lambda item: item.created),
        "ReminderIsSet": _stored("ReminderIsSet", "false"),
        "DisplayCc": _of_item("DisplayCc", _names_of("CcRecipients")),
        "DisplayTo": _of_item("DisplayTo", _names_of("ToRecipients")),
        "DisplayBcc": _of_item("DisplayBcc", _names_of("BccRecipients")),
        "HasAttachments": _has_attachments,
        "Culture": _stored("Culture", "en-US"),
        "EffectiveRights": _constant(_RIGHTS),
        "LastModifiedName": _computed("LastModifiedName", lambda item, view: view.owner(item)),
        "LastModifiedTime": _of_item("LastModifiedTime", lambda item: item.modified),
        "IsAssociated": _of_item("IsAssociated", lambda item: "true" if item.associated else "false"),
        "ConversationId": _conversation,
        "Flag": _flag,
        "StoreEntryId": _computed("StoreEntryId", _store_id),
        "InstanceKey": _computed("InstanceKey", _store_id),
        "IsRead": _of_item("IsRead", lambda item: "true" if item.is_read else "false"),
        "IsReadReceiptRequested": _stored("IsReadReceiptRequested", "false"),
        "IsDeliveryReceiptRequested": _stored("IsDeliveryReceiptRequested", "false"),
    }
)
