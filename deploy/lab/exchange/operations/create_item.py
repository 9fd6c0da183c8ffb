"""CreateItem: items from elements, from MIME, or both; saved, sent, or sent and saved.

Versions: all. Behaviour: MIME becomes properties (`mime.py`) and is not kept; elements beside it win; a message saved
without PidTagMessageFlags is a draft; SendOnly and SendAndSaveCopy deliver to mailboxes of this server.
Skipped: reply, forward and meeting response objects except SuppressReadReceipt; vCard and iCalendar inside MimeContent;
invitations are counted as sent but not delivered.
"""

from typing import Final

from lxml import etree

from deploy.lab.exchange.attendant import attend
from deploy.lab.exchange.bodies import body_part, describe_all, rebuild
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import Content, Part
from deploy.lab.exchange.delivery import deliver, stamp_message
from deploy.lab.exchange.editing import compose, replace_body, replace_headers
from deploy.lab.exchange.fields import kind_of
from deploy.lab.exchange.folders import Folder
from deploy.lab.exchange.headers import fields_of
from deploy.lab.exchange.incoming import Incoming, read_item
from deploy.lab.exchange.item_elements import attachment_id_xml
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mailbox_server import refuse_wrong_folder
from deploy.lab.exchange.mime import parse_mime
from deploy.lab.exchange.operations.create_attachment import attach
from deploy.lab.exchange.properties import NEVER_DELIVERED, UNSENT, write_value
from deploy.lab.exchange.soap import EwsError, T, local_name

_HOMES: Final = {
    "CalendarItem": "calendar",
    "Contact": "contacts",
    "DistributionList": "contacts",
    "Task": "tasks",
}
_SECURE_CLASSES: Final = {
    "multipart/signed": "IPM.Note.SMIME.MultipartSigned",
    "application/pkcs7-mime": "IPM.Note.SMIME",
    "application/x-pkcs7-mime": "IPM.Note.SMIME",
}
_MAIL: Final = frozenset({"Message", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"})


def answer(call: Call) -> str:
    """Answer one CreateItem request."""
    disposition = call.flag("MessageDisposition")
    invitations = call.flag("SendMeetingInvitations")

    def one(node: etree._Element) -> str:
        kind = local_name(node)
        if kind == "SuppressReadReceipt":
            return _suppress_receipt(call, node)
        if kind in _MAIL and disposition is None:
            raise EwsError("ErrorMessageDispositionRequired", "MessageDisposition is required for messages.")
        if kind == "CalendarItem" and invitations is None:
            raise EwsError("ErrorSendMeetingInvitationsRequired", "SendMeetingInvitations is required here.")
        return _create(call, node, disposition or "SaveOnly")

    return call.write(call.children("Items"), one, "<m:Items/>")


def _suppress_receipt(call: Call, node: etree._Element) -> str:
    reference = node.find(f"{T}ReferenceItemId")
    if reference is None:
        raise EwsError("ErrorMissingInformationReferenceItemId", "The response object names no item.")
    item = call.permitted(call.server.item(reference))
    item.fields["ReceiptSuppressed"] = "true"
    call.server.items.update(item, None, read_flag_only=True, new_change=False)
    return "<m:Items/>"


def _create(call: Call, node: etree._Element, disposition: str) -> str:
    incoming = read_item(node)
    folder = _folder(call, incoming, disposition)
    item, content = build(call, folder, incoming)
    refuse_wrong_folder(folder, item.item_class)
    for attachment in incoming.attachments:
        content, _ = attach(item, content, attachment)
    sends = disposition != "SaveOnly" and incoming.kind in _MAIL
    if sends:
        stamp_message(call.server, item, content, call.mailbox.address)
        deliver(call.server, item, content, call.mailbox.address)
        if disposition == "SendOnly":
            return "<m:Items/>"
    packed = content.pack()
    call.server.admit(call.server.folders.by_number[folder.mailbox], len(packed))
    call.server.items.insert(item, packed)
    call.server.tell_item("CreatedEvent", item)
    attend(call.server, item)
    return f"<m:Items>{_created_xml(call, item)}</m:Items>"


def _created_xml(call: Call, item: Item) -> str:
    kind = kind_of(item.item_class)
    attachments = ""
    for entry in item.fields.get("Attachments", ()):
        tag = "ItemAttachment" if entry.get("item") else "FileAttachment"
        attachments += f"<t:{tag}>{attachment_id_xml(item, entry['number'], call.server.identity)}</t:{tag}>"
    wrapped = f"<t:Attachments>{attachments}</t:Attachments>" if attachments else ""
    return f"<t:{kind}>{call.item_id_xml(item)}{wrapped}</t:{kind}>"


def _folder(call: Call, incoming: Incoming, disposition: str) -> Folder:
    if call.child("SavedItemFolderId") is not None:
        return call.target("SavedItemFolderId", "ErrorSavedItemFolderNotFound")[1]
    home = _HOMES.get(kind_of(incoming.item_class))
    return call.mailbox.distinguished[home or ("drafts" if disposition == "SaveOnly" else "sentitems")]


def build(call: Call, folder: Folder, incoming: Incoming) -> tuple[Item, Content]:
    """Return a new item with its content, not stored yet; raises `EwsError` for values that cannot be."""
    item = call.server.items.new(folder, incoming.item_class)
    mail = incoming.kind in _MAIL
    if mail:
        item.fields["MessageFlags"] = UNSENT
    item.is_read = 1
    if incoming.mime is not None:
        content = _from_mime(item, incoming)
    else:
        item.fields.update(incoming.fields)
        content = _from_elements(call, item, incoming, mail=mail)
    if not call.server.switches.delivery_time_kept_for_saved_items:
        item.fields[NEVER_DELIVERED] = "true"
    for key, value in incoming.extended:
        write_value(item, key, value, creating=True)
    if incoming.is_read is not None:
        item.is_read = int(incoming.is_read)
    return item, content


def _from_mime(item: Item, incoming: Incoming) -> Content:
    content = parse_mime(incoming.mime or b"")
    item.item_class = _signed_class(content, item.item_class)
    item.fields.update(fields_of(content.root.headers))
    described = describe_all(content)
    if described:
        item.fields["Attachments"] = described
    if incoming.fields:
        item.fields.update(incoming.fields)
        replace_headers(content, item, set(incoming.fields))
    if incoming.body is not None:
        content = replace_body(content, *incoming.body)
    return content


def _signed_class(content: Content, item_class: str) -> str:
    """Return what a plain message becomes when its MIME is signed or encrypted (MS-OXOSMIME)."""
    if item_class != "IPM.Note":
        return item_class
    return _SECURE_CLASSES.get(content.root.media_type, item_class)


def _from_elements(call: Call, item: Item, incoming: Incoming, *, mail: bool) -> Content:
    if mail:
        stamp_message(call.server, item, None, call.mailbox.address)
    headers = compose(item)
    body = body_part(*incoming.body) if incoming.body is not None else None
    return rebuild(Content(Part(headers, "text/plain")), body, [])
