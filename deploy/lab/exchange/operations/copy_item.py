"""CopyItem: copies of items in another folder.

Versions: all; ReturnNewItemIds from 2010 SP1. Behaviour: a copy has a new id and the SearchKey of its original; new ids
are answered inside a mailbox only. Skipped: nothing known.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.fields import kind_of
from deploy.lab.exchange.subscriptions import Event


def answer(call: Call) -> str:
    """Answer one CopyItem request."""

    def one(node: etree._Element) -> str:
        mailbox, folder = call.target("ToFolderId")
        item = call.item(node)
        call.server.admit(mailbox, item.size)
        twin = call.server.items.copy(item, folder)
        if twin.mailbox != item.mailbox:
            call.server.tell_item("CreatedEvent", twin)
            return "<m:Items/>"
        call.server.tell(
            Event("CopiedEvent", twin.mailbox, twin.folder, twin.number, old_folder=item.folder, old_number=item.number)
        )
        kind = kind_of(twin.item_class)
        return f"<m:Items><t:{kind}>{call.item_id_xml(twin)}</t:{kind}></m:Items>"

    return call.write(call.children("ItemIds"), one, "<m:Items/>")
