"""UpdateItem: single properties of items set, appended to or deleted.

Versions: all; SuppressReadReceipts from 2013 SP1. Behaviour: every write gives a new ChangeKey (of the read flag alone
by the switch `read_flag_changes_change_key`); NeverOverwrite with an old ChangeKey is refused (switch
`change_keys_enforced`); reading a message that asked for a receipt sends one unless suppressed; PidTagMessageFlags is
taken and changes nothing; MimeContent leaves the other properties as they are, or by the switch
`mime_update_rebuilds_item` makes the item anew, with only what the same update sets. Skipped: sending the updated
message (MessageDisposition other than SaveOnly saves only), updates of single occurrences.
"""

from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.bodies import describe_all
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import Content, unpack
from deploy.lab.exchange.delivery import receipt_is_due, send_receipt
from deploy.lab.exchange.editing import replace_body, replace_headers
from deploy.lab.exchange.fields import DICTIONARIES, kind_of, name_of_uri
from deploy.lab.exchange.headers import HEADER_OF_FIELD, fields_of
from deploy.lab.exchange.identity import change_of
from deploy.lab.exchange.incoming import Incoming, read_field
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mime import parse_mime
from deploy.lab.exchange.properties import canonical, read_path, write_value
from deploy.lab.exchange.soap import EwsError, T, local_name

_DICTIONARY_URIS: Final = {
    "contacts:EmailAddress": "EmailAddresses",
    "contacts:PhoneNumber": "PhoneNumbers",
    "contacts:ImAddress": "ImAddresses",
}
_ADDRESS_URI: Final = "contacts:PhysicalAddress:"
_REFUSED: Final = frozenset({"ItemId", "ParentFolderId", "Size", "DateTimeCreated", "LastModifiedTime", "IsDraft"})


class _Update:
    """The pending changes of one item."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.changed: set[str] = set()
        self.body: tuple[str, str] | None = None
        self.mime: bytes | None = None
        self.appended_body = ""
        self.read: bool | None = None
        self.other = False
        self.extended: list[tuple[str, str | list[str] | None]] = []


def answer(call: Call) -> str:
    """Answer one UpdateItem request."""
    suppressed = call.flag("SuppressReadReceipts") == "true"
    resolution = call.flag("ConflictResolution") or "AutoResolve"

    def one(node: etree._Element) -> str:
        return _update(call, node, resolution, suppressed=suppressed)

    return call.write(call.children("ItemChanges"), one, "<m:Items/>")


def _update(call: Call, node: etree._Element, resolution: str, *, suppressed: bool) -> str:
    ident = node.find(f"{T}ItemId")
    if ident is None:
        raise EwsError("ErrorInvalidIdMalformed", "The change names no item (occurrences: see SKIPPED.md).")
    item = call.item(ident)
    _refuse_conflict(call, item, ident.get("ChangeKey"), resolution)
    update = _Update(item)
    for change in node.iterfind(f"{T}Updates/*"):
        _read_change(update, change)
    was_read = item.is_read
    if update.mime is not None and call.server.switches.mime_update_rebuilds_item:
        _forget_all_but(update)
    if update.read is not None:
        item.is_read = int(update.read)
    if update.read and not was_read and receipt_is_due(call.server, item, suppressed=suppressed):
        send_receipt(call.server, item)
    read_only = update.read is not None and not (update.changed or update.other or update.body or update.mime)
    content = _content(call, update)
    for key, given in update.extended:
        write_value(item, key, given, creating=False)
    call.server.items.update(
        item,
        content,
        read_flag_only=read_only and not update.appended_body,
        new_change=not read_only or call.server.switches.read_flag_changes_change_key,
    )
    call.server.tell_item("ModifiedEvent", item)
    kind = kind_of(item.item_class)
    return (
        f"<m:Items><t:{kind}>{call.item_id_xml(item)}</t:{kind}></m:Items>"
        "<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"
    )


def _refuse_conflict(call: Call, item: Item, key: str | None, resolution: str) -> None:
    if resolution == "AlwaysOverwrite":
        return
    if not key:
        if call.server.switches.change_keys_enforced:
            raise EwsError("ErrorChangeKeyRequired", "A change key is required for this operation.")
        return
    stale = change_of(key) != item.change
    if stale and resolution == "NeverOverwrite" and call.server.switches.change_keys_enforced:
        text = "The change key passed in the request does not match the current change key for the item."
        raise EwsError("ErrorIrresolvableConflict", text)


def _read_change(update: _Update, change: etree._Element) -> None:
    action = local_name(change)
    parts = [child for child in change if isinstance(child.tag, str)]
    if not parts:
        raise EwsError("ErrorIncorrectUpdatePropertyCount", "An update names no property.")
    path = parts[0]
    value = parts[1] if len(parts) > 1 else None
    if local_name(path) == "ExtendedFieldURI":
        _extended(update, path, value, action)
        return
    uri = path.get("FieldURI") or ""
    if local_name(path) == "IndexedFieldURI":
        _entry(update, uri, path.get("FieldIndex") or "", value, action)
        return
    name = name_of_uri(uri)
    if name is None or name in _REFUSED:
        raise EwsError("ErrorInvalidPropertySet", "The property cannot be set.")
    if action == "DeleteItemField":
        _delete(update, name)
        return
    if value is None or len(value) != 1:
        raise EwsError("ErrorIncorrectUpdatePropertyCount", "An update must set exactly one property.")
    incoming = Incoming(local_name(value), update.item.item_class)
    read_field(incoming, value[0])
    if action == "AppendToItemField":
        _append(update, incoming)
    else:
        _set(update, incoming)


def _set(update: _Update, incoming: Incoming) -> None:
    item = update.item
    if incoming.is_read is not None:
        update.read = incoming.is_read
    elif incoming.body is not None:
        update.body = incoming.body
    elif incoming.mime is not None:
        update.mime = incoming.mime
    else:
        if incoming.item_class != item.item_class:
            item.item_class, update.other = incoming.item_class, True
        item.fields.update(incoming.fields)
        update.changed |= incoming.fields.keys()
        update.other = update.other or bool(incoming.fields)


def _append(update: _Update, incoming: Incoming) -> None:
    if incoming.body is not None:
        update.appended_body += incoming.body[1]
        update.other = True
        return
    for name, value in incoming.fields.items():
        before: Any = update.item.fields.get(name)
        update.item.fields[name] = before + value if isinstance(before, list) and isinstance(value, list) else value
        update.changed.add(name)


def _delete(update: _Update, name: str) -> None:
    if name == "Body":
        update.body = ("Text", "")
    else:
        update.item.fields.pop(name, None)
        update.changed.add(name)


def _extended(update: _Update, path: etree._Element, value: etree._Element | None, action: str) -> None:
    found = read_path(path)
    if action == "DeleteItemField":
        update.extended.append((found.key, None))
    else:
        node = value.find(f"{T}ExtendedProperty") if value is not None else None
        if node is None:
            raise EwsError("ErrorInvalidExtendedPropertyValue", "The update gives no value for its property.")
        many = node.find(f"{T}Values")
        single = found.kind.removesuffix("Array")
        if many is not None:
            given: str | list[str] = [canonical(single, one.text or "") for one in many]
        else:
            given = canonical(found.kind, node.findtext(f"{T}Value") or "")
        update.extended.append((found.key, given))
    update.other = True


def _entry(update: _Update, uri: str, index: str, value: etree._Element | None, action: str) -> None:
    name = "PhysicalAddresses" if uri.startswith(_ADDRESS_URI) else _DICTIONARY_URIS.get(uri)
    if name is None or name not in DICTIONARIES:
        raise EwsError("ErrorInvalidPropertySet", "The indexed property cannot be set.")
    entries = update.item.fields.setdefault(name, {"entries": {}})["entries"]
    node = value.find(f".//{T}Entry") if value is not None else None
    if name == "PhysicalAddresses":
        part = uri.removeprefix(_ADDRESS_URI)
        address = entries.setdefault(index, {})
        if action == "DeleteItemField" or node is None:
            address.pop(part, None)
        else:
            address[part] = node.findtext(f"{T}{part}") or ""
    elif action == "DeleteItemField" or node is None:
        entries.pop(index, None)
    else:
        entries[index] = node.text or ""
    update.changed.add(name)


def _from_mime(update: _Update, mime: bytes) -> Content:
    """Return the content of a message whose MIME is replaced; what the same update sets by element wins."""
    content = parse_mime(mime)
    fields = update.item.fields
    described = describe_all(content)
    fields.pop("Attachments", None)
    if described:
        fields["Attachments"] = described
    for name, value in fields_of(content.root.headers).items():
        if name not in update.changed:
            fields[name] = value
    return content


def _forget_all_but(update: _Update) -> None:
    """Make an item anew from the MIME it is given: a sent message, received when its Date says, with what is set."""
    item = update.item
    item.fields = {name: value for name, value in item.fields.items() if name in update.changed}
    item.extended.clear()
    dated = fields_of(parse_mime(update.mime or b"").root.headers).get("DateTimeSent")
    item.received = dated or item.received
    item.is_read = 1


def _content(call: Call, update: _Update) -> bytes | None:
    """Return the item's new content, or None where the changes leave it as it is."""
    headers = update.changed & HEADER_OF_FIELD.keys()
    if update.body is None and update.mime is None and not headers and not update.appended_body:
        return None
    content = unpack(call.server.items.content(update.item)) if update.mime is None else _from_mime(update, update.mime)
    if headers:
        replace_headers(content, update.item, headers)
    if update.appended_body:
        body = update.body or ("Text", "")
        if update.body is None:
            view = call.view().body(update.item)
            body = (view.kind, view.text)
        update.body = (body[0], body[1] + update.appended_body)
    if update.body is not None:
        content = replace_body(content, *update.body)
    packed = content.pack()
    call.server.admit(call.server.folders.by_number[update.item.mailbox], len(packed))
    return packed
