"""GetItem: items by id with the properties of an ItemShape.

Versions: all. Behaviour: one answer an id, in order; dead ids answer ErrorItemNotFound; MIME is rendered anew at every
fetch. Skipped: OccurrenceItemId and RecurringMasterItemId, FilterHtmlContent and the other HTML filters of the shape.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.shapes import compiled


def answer(call: Call) -> str:
    """Answer one GetItem request."""
    shape = compiled(call.child("ItemShape"), call.generation)
    view = call.view(shape.body_type)

    def one(node: etree._Element) -> str:
        return f"<m:Items>{shape.xml(call.item(node), view)}</m:Items>"

    return call.answer(call.children("ItemIds"), one, "<m:Items/>")
