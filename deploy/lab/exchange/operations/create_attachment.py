"""CreateAttachment: files and items attached to an item.

Versions: all. Behaviour: the item gets a new ChangeKey, which the answer names; an attached item is kept as MIME where
it came as MIME and as its elements otherwise. Skipped: ReferenceAttachment.
"""

from typing import Any

from lxml import etree

from deploy.lab.exchange.bodies import body_part, file_part, rebuild
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import Content, Part, unpack
from deploy.lab.exchange.editing import add_attachment
from deploy.lab.exchange.headers import HEADER_OF_FIELD, header_of
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.incoming import content_bytes, read_item
from deploy.lab.exchange.item_elements import attachment_id_xml
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.rendering import render
from deploy.lab.exchange.soap import EwsError, T, fragment, local_name


def attach(item: Item, content: Content, node: etree._Element) -> tuple[Content, int]:
    """Return the content with one more attachment, and its number; raises `EwsError` for one that cannot be."""
    name = node.findtext(f"{T}Name") or ""
    kind = node.findtext(f"{T}ContentType") or ""
    content_id = node.findtext(f"{T}ContentId") or ""
    inline = node.findtext(f"{T}IsInline") == "true"
    extra: dict[str, Any] = {"inline": True} if inline else {}
    location = node.findtext(f"{T}ContentLocation")
    if location:
        extra["location"] = location
    if local_name(node) == "FileAttachment":
        part = file_part(name, kind or "application/octet-stream", content_bytes(node), content_id, inline=inline)
        return add_attachment(item, content, part, {"name": name, **extra})
    if local_name(node) != "ItemAttachment":
        raise EwsError("ErrorInvalidRequest", "Only FileAttachment and ItemAttachment can be created (see SKIPPED.md).")
    inner = [child for child in node if isinstance(child.tag, str) and len(child)]
    if not inner:
        raise EwsError("ErrorMissingItemForCreateItemAttachment", "The ItemAttachment holds no item.")
    mime, element = _embedded(inner[-1])
    part = Part([*file_part(name, "message/rfc822", b"").headers], "message/rfc822", "", mime)
    return add_attachment(item, content, part, {"name": name, "item": True, "element": element, **extra})


def _embedded(node: etree._Element) -> tuple[bytes, str]:
    """Return the MIME of an item inside an attachment, and its element without the MIME."""
    incoming = read_item(node)
    for child in list(node):
        if local_name(child) == "MimeContent":
            node.remove(child)
    if incoming.mime is not None:
        return incoming.mime, fragment(node)
    headers = [header_of(name, incoming.fields.get(name)) for name in HEADER_OF_FIELD]
    root = Part([header for header in headers if header is not None], "text/plain")
    body = body_part(*incoming.body) if incoming.body is not None else None
    return render(rebuild(Content(root), body, []), (15, 0)), fragment(node)


def answer(call: Call) -> str:
    """Answer one CreateAttachment request."""
    parent = call.child("ParentItemId")

    def one(node: etree._Element) -> str:
        if parent is None:
            raise EwsError("ErrorInvalidRequest", "The request names no parent item.")
        item = call.permitted(call.server.item(parent))
        content, number = attach(item, unpack(call.server.items.content(item)), node)
        packed = content.pack()
        call.server.admit(call.server.folders.by_number[item.mailbox], len(packed))
        call.server.items.update(item, packed, read_flag_only=False)
        call.server.tell_item("ModifiedEvent", item)
        root = f' RootItemId="{call.server.identity.item(item.mailbox, item.number)}"'
        root += f' RootItemChangeKey="{change_key(item.change)}"'
        ident = attachment_id_xml(item, number, call.server.identity, root)
        return f"<m:Attachments><t:{local_name(node)}>{ident}</t:{local_name(node)}></m:Attachments>"

    return call.write(call.children("Attachments"), one, "<m:Attachments/>")
