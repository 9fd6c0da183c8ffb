"""DeleteAttachment: attachments taken off their items.

Versions: all. Behaviour: the item gets a new ChangeKey, which the answer names. Skipped: nothing known.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import unpack
from deploy.lab.exchange.editing import remove_attachment
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.soap import EwsError


def answer(call: Call) -> str:
    """Answer one DeleteAttachment request."""
    server = call.server

    def one(node: etree._Element) -> str:
        reference = server.identity.attachment_reference(node.get("Id") or "")
        item = call.permitted(server.items.find(reference.number))
        content = remove_attachment(item, unpack(server.items.content(item)), reference.attachment)
        if content is None:
            raise EwsError("ErrorItemNotFound", "The item has no such attachment.")
        server.items.update(item, content.pack(), read_flag_only=False)
        server.tell_item("ModifiedEvent", item)
        ident = server.identity.item(item.mailbox, item.number)
        return f'<m:RootItemId RootItemId="{ident}" RootItemChangeKey="{change_key(item.change)}"/>'

    return call.write(call.children("AttachmentIds"), one)
