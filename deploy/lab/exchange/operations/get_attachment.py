"""GetAttachment: attachments with their content.

Versions: all. Behaviour: files byte for byte; an attached item as its elements and, where asked for, its MIME.
Skipped: nested AttachmentIds of attachments inside attached items.
"""

import base64

from lxml import etree

from deploy.lab.exchange.bodies import body_of, decoded
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import Part, unpack
from deploy.lab.exchange.editing import find_attachment
from deploy.lab.exchange.fields import KINDS
from deploy.lab.exchange.headers import fields_of
from deploy.lab.exchange.item_elements import attachment_head_xml, attachment_id_xml, value_xml
from deploy.lab.exchange.mime import parse_mime
from deploy.lab.exchange.soap import EwsError, T, element, escape


def answer(call: Call) -> str:
    """Answer one GetAttachment request."""
    shape = call.child("AttachmentShape")
    with_mime = shape is not None and shape.findtext(f"{T}IncludeMimeContent") == "true"

    def one(node: etree._Element) -> str:
        reference = call.server.identity.attachment_reference(node.get("Id") or "")
        item = call.permitted(call.server.items.find(reference.number))
        found = find_attachment(item, unpack(call.server.items.content(item)), reference.attachment)
        if found is None:
            raise EwsError("ErrorItemNotFound", "The item has no such attachment.")
        entry, part = found
        ident = attachment_id_xml(item, reference.attachment, call.server.identity)
        head = ident + attachment_head_xml(entry)
        if entry.get("item"):
            inner = embedded_xml(part, entry.get("element", ""), with_mime=with_mime)
            return f"<m:Attachments><t:ItemAttachment>{head}{inner}</t:ItemAttachment></m:Attachments>"
        data = base64.b64encode(decoded(part)).decode("ascii")
        late = element("Size", str(entry["size"])) + element("LastModifiedTime", item.modified)
        late += element("IsInline", "true" if entry.get("inline") else "false")
        content = f"{late}<t:Content>{data}</t:Content>"
        return f"<m:Attachments><t:FileAttachment>{head}{content}</t:FileAttachment></m:Attachments>"

    return call.answer(call.children("AttachmentIds"), one, "<m:Attachments/>")


def embedded_xml(part: Part, element_xml: str, *, with_mime: bool) -> str:
    """Return the element of an attached item: as it was given, or read from its MIME."""
    data = decoded(part)
    mime = f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(data).decode("ascii")}</t:MimeContent>'
    if element_xml and not with_mime:
        return element_xml
    content = parse_mime(data)
    fields = fields_of(content.root.headers)
    body = body_of(content)
    pieces = [mime if with_mime else "", element("ItemClass", "IPM.Note")]
    for name in KINDS["Message"]:
        if name == "Body" and body is not None:
            pieces.append(f'<t:Body BodyType="{body.kind}">{escape(body.text)}</t:Body>')
        elif name in fields:
            pieces.append(value_xml(name, fields[name]))
    return f"<t:Message>{''.join(pieces)}</t:Message>"
