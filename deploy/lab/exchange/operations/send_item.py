"""SendItem: drafts sent.

Versions: all. Behaviour: the draft vanishes; with SaveItemToFolder a new item appears in Sent Items (or the named
folder), because the draft bit cannot change; recipients on this server get a copy and a NewMail event.
Skipped: recipients elsewhere get nothing; no non-delivery reports.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.content import unpack
from deploy.lab.exchange.delivery import deliver, stamp_message
from deploy.lab.exchange.identity import change_of
from deploy.lab.exchange.properties import UNSENT
from deploy.lab.exchange.soap import EwsError


def answer(call: Call) -> str:
    """Answer one SendItem request."""
    saves = call.flag("SaveItemToFolder") == "true"

    def one(node: etree._Element) -> str:
        server = call.server
        draft = call.item(node)
        if not int(draft.fields.get("MessageFlags", 0)) & UNSENT:
            raise EwsError("ErrorInvalidOperation", "The item is no draft.")
        key = node.get("ChangeKey")
        if key and change_of(key) != draft.change and server.switches.change_keys_enforced:
            raise EwsError("ErrorStaleObject", "The change key of the draft is old.")
        folder = call.mailbox.distinguished["sentitems"]
        if call.child("SavedItemFolderId") is not None:
            folder = call.target("SavedItemFolderId", "ErrorSavedItemFolderNotFound")[1]
        content = unpack(server.items.content(draft))
        sent = server.items.new(folder, draft.item_class)
        sent.search_key, sent.fields, sent.extended = (
            draft.search_key,
            dict(draft.fields),
            dict(draft.extended),
        )
        stamp_message(server, sent, content, server.folders.by_number[draft.mailbox].address)
        deliver(server, sent, content, server.folders.by_number[draft.mailbox].address)
        if saves:
            server.items.insert(sent, content.pack())
            server.tell_item("CreatedEvent", sent)
        server.items.remove(draft)
        server.tell_item("DeletedEvent", draft)
        return ""

    return call.write(call.children("ItemIds"), one)
