"""ExportItems: whole items as opaque streams.

Versions: from 2010 SP1. Behaviour: a stream carries everything, marks and named properties too (switch
`export_keeps_named_properties`), and differs at each export; by fault injection it ends in "=== Truncated Data ===".
Skipped: nothing known.
"""

import base64
from typing import Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.stream import write_stream

_TRUNCATION: Final = b"=== Truncated Data ==="


def answer(call: Call) -> str:
    """Answer one ExportItems request."""
    server = call.server

    def one(node: etree._Element) -> str:
        item = call.item(node)
        stream = write_stream(
            item,
            server.items.content(item),
            server.version.generation,
            named_properties=server.switches.export_keeps_named_properties,
        )
        if call.truncates_exports:
            stream = stream[: len(stream) // 2] + _TRUNCATION
        return f"{_item_id(node, item.change)}<m:Data>{base64.b64encode(stream).decode('ascii')}</m:Data>"

    return call.answer(call.children("ItemIds"), one)


def _item_id(node: etree._Element, change: int) -> str:
    return f'<m:ItemId Id="{node.get("Id")}" ChangeKey="{change_key(change)}"/>'
