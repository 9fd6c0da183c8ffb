"""UploadItems: items from the streams of ExportItems.

Versions: from 2010 SP1; a stream of a newer server generation is refused with ErrorCorruptData, as is a damaged one.
Behaviour: CreateNew, Update and UpdateOrCreate; marks, dates, attachments and properties travel whole; the SearchKey is
new (switch `upload_keeps_search_key`). An Update replaces everything, named properties of the old item too (switch
`upload_update_keeps_named_properties`). Skipped: nothing known.
"""

import binascii

from lxml import etree

from deploy.lab.exchange.attendant import attend
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folders import Folder
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.soap import EwsError, T
from deploy.lab.exchange.stream import Exported, read_stream


def answer(call: Call) -> str:
    """Answer one UploadItems request."""
    return call.write(call.children("Items"), lambda node: _upload(call, node))


def _upload(call: Call, node: etree._Element) -> str:
    parent = node.find(f"{T}ParentFolderId")
    if parent is None:
        raise EwsError("ErrorParentFolderIdRequired", "The upload names no parent folder.")
    mailbox, folder = call.folder(parent)
    try:
        stream = binascii.a2b_base64(node.findtext(f"{T}Data") or "")
    except (binascii.Error, ValueError) as error:
        raise EwsError("ErrorCorruptData", "The data is not base64.") from error
    exported = read_stream(stream, call.server.version.generation)
    call.server.admit(mailbox, len(exported.content))
    action, ident = node.get("CreateAction"), node.find(f"{T}ItemId")
    if action in {"Update", "UpdateOrCreate"}:
        found = _existing(call, ident, folder)
        if found is not None:
            return _item_id(call, _replace(call, found, exported))
        if action == "Update":
            raise EwsError("ErrorItemNotFound", "The item to update was not found in the folder.")
    elif action != "CreateNew":
        raise EwsError("ErrorInvalidRequest", "CreateAction must be CreateNew, Update or UpdateOrCreate.")
    associated = node.get("IsAssociated") == "true" if node.get("IsAssociated") else exported.associated
    item = call.server.items.new(folder, exported.item_class, associated=associated)
    _fill(call, item, exported)
    if call.server.switches.upload_keeps_search_key:
        item.search_key = exported.search_key
    call.server.items.insert(item, exported.content)
    call.server.tell_item("CreatedEvent", item)
    attend(call.server, item)
    return _item_id(call, item)


def _fill(call: Call, item: Item, exported: Exported) -> None:
    item.item_class, item.is_read = exported.item_class, exported.is_read
    item.received, item.created = exported.received, exported.created
    if call.server.switches.move_keeps_modified_time:
        item.modified = exported.modified
    item.fields, item.extended = exported.fields, exported.extended


def _existing(call: Call, ident: etree._Element | None, folder: Folder) -> Item | None:
    if ident is None:
        return None
    try:
        item = call.item(ident)
    except EwsError as error:
        if error.code == "ErrorItemNotFound":
            return None
        raise
    return item if item.folder == folder.number else None


def _replace(call: Call, item: Item, exported: Exported) -> Item:
    kept = item.extended if call.server.switches.upload_update_keeps_named_properties else {}
    _fill(call, item, exported)
    item.extended = {**kept, **exported.extended}
    call.server.items.update(item, exported.content, read_flag_only=False)
    call.server.tell_item("ModifiedEvent", item)
    return item


def _item_id(call: Call, item: Item) -> str:
    ident = call.server.identity.item(item.mailbox, item.number)
    return f'<m:ItemId Id="{ident}" ChangeKey="{change_key(item.change)}"/>'
