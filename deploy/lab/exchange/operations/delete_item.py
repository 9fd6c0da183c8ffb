"""DeleteItem: hard, soft, or into Deleted Items.

Versions: all. Behaviour: a soft deletion moves the item to Recoverable Items (Deletions) under a new id; dead ids
answer ErrorItemNotFound. Skipped: cancellations to attendees and "not read" receipts are never sent.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.fields import kind_of
from deploy.lab.exchange.soap import EwsError


def answer(call: Call) -> str:
    """Answer one DeleteItem request."""
    delete_type = call.flag("DeleteType") or ""
    cancellations = call.flag("SendMeetingCancellations")

    def one(node: etree._Element) -> str:
        if delete_type not in {"HardDelete", "SoftDelete", "MoveToDeletedItems"}:
            raise EwsError("ErrorInvalidRequest", "DeleteType must be HardDelete, SoftDelete or MoveToDeletedItems.")
        item = call.item(node)
        kind = kind_of(item.item_class)
        if kind == "CalendarItem" and cancellations is None:
            raise EwsError("ErrorSendMeetingCancellationsRequired", "SendMeetingCancellations is required here.")
        if kind == "Task" and call.flag("AffectedTaskOccurrences") is None:
            raise EwsError("ErrorAffectedTaskOccurrencesRequired", "AffectedTaskOccurrences is required here.")
        call.server.delete(item, delete_type)
        return ""

    return call.write(call.children("ItemIds"), one)
