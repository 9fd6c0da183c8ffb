"""Item elements of requests: what CreateItem, UpdateItem and item attachments give, as fields and properties."""

import binascii
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.fields import (
    CLASS_OF_KIND,
    DICTIONARIES,
    MAILBOX_LISTS,
    MAILBOXES,
    NAMES,
    READ_ONLY,
    TEXT_LISTS,
)
from deploy.lab.exchange.properties import Value, canonical_time, read_property
from deploy.lab.exchange.soap import EwsError, T, fragment, local_name

_TIMES: Final = frozenset(
    {
        "DateTimeSent", "DateTimeReceived", "Start", "End", "OriginalStart", "DueDate", "StartDate", "CompleteDate",
        "ReminderDueBy", "ReminderNextTime", "Birthday", "WeddingAnniversary", "AssignedTime", "PostedTime",
        "RecurrenceId", "DateTimeStamp", "AppointmentReplyTime", "RetentionDate",
    }
)  # fmt: skip


@dataclass(slots=True)
class Incoming:
    """One item element: what it sets, with bodies, MIME and attachments apart from the light fields."""

    kind: str
    item_class: str
    fields: dict[str, Any] = field(default_factory=dict)
    extended: list[tuple[str, Value]] = field(default_factory=list)
    body: tuple[str, str] | None = None
    mime: bytes | None = None
    is_read: bool | None = None
    attachments: list[etree._Element] = field(default_factory=list)


def read_item(node: etree._Element) -> Incoming:
    """Read an item element; raises `EwsError` for values that cannot be."""
    kind = local_name(node)
    if kind not in CLASS_OF_KIND:
        raise EwsError("ErrorInvalidItemForOperationCreateItem", f"'{kind}' is no item that can be created.")
    found = Incoming(kind, CLASS_OF_KIND[kind])
    for child in node:
        if isinstance(child.tag, str):
            read_field(found, child)
    return found


def read_field(into: Incoming, node: etree._Element) -> None:
    """Read one element of an item; raises `EwsError` for a value that cannot be."""
    name = local_name(node)
    if name == "MimeContent":
        into.mime = _base64(node.text or "", "ErrorMimeContentInvalidBase64String")
    elif name == "ItemClass":
        into.item_class = node.text or into.item_class
    elif name == "Body":
        into.body = ("HTML" if node.get("BodyType") == "HTML" else "Text", node.text or "")
    elif name == "IsRead":
        into.is_read = (node.text or "").strip() in {"true", "1"}
    elif name == "ExtendedProperty":
        path, value = read_property(node)
        into.extended.append((path.key, value))
    elif name == "Attachments":
        into.attachments = [child for child in node if isinstance(child.tag, str)]
    elif name in NAMES and name not in READ_ONLY:
        into.fields[name] = _value(name, node)


def _base64(text: str, code: str) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as error:
        raise EwsError(code, "The content is not base64.") from error


def content_bytes(node: etree._Element) -> bytes:
    """Return the bytes of a FileAttachment's Content element; raises `EwsError`."""
    return _base64(node.findtext(f"{T}Content") or "", "ErrorInvalidAttachmentId")


def _value(name: str, node: etree._Element) -> Any:
    children = [child for child in node if isinstance(child.tag, str)]
    if name in MAILBOX_LISTS:
        return [_mailbox(child) for child in children]
    if name in MAILBOXES:
        return _mailbox(children[0]) if children else []
    if name in TEXT_LISTS:
        return [child.text or "" for child in children]
    if name in DICTIONARIES:
        return {"entries": {child.get("Key", ""): _entry(child) for child in children}}
    if name == "Flag":
        return {local_name(child): child.text or "" for child in children}
    return _plain(name, node)


def _plain(name: str, node: etree._Element) -> Any:
    if len(node) or node.attrib:
        return {"xml": fragment(node)}
    text = node.text or ""
    if name not in _TIMES or not text:
        return text
    try:
        return canonical_time(text)
    except ValueError:
        return _date(text)


def _date(text: str) -> str:
    day = text.strip()[:10]
    try:
        return canonical_time(f"{day}T00:00:00Z")
    except ValueError as error:
        raise EwsError("ErrorInvalidPropertySet", "A time of the item is no time.") from error


def _mailbox(node: etree._Element) -> list[str]:
    address = node.findtext(f"{T}EmailAddress") or ""
    name = node.findtext(f"{T}Name") or ""
    return [name, address, node.findtext(f"{T}RoutingType") or ("SMTP" if address else "")]


def _entry(node: etree._Element) -> str | dict[str, str]:
    if len(node):
        return {local_name(child): child.text or "" for child in node if isinstance(child.tag, str)}
    return node.text or ""
