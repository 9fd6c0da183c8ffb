"""MoveItem: items into another folder, each under a new id.

Versions: all; ReturnNewItemIds from 2010 SP1. Behaviour: new ids are answered for moves inside a mailbox only; a dead
id answers ErrorItemNotFound; atomic for each item unless the switch `move_atomic` is off: then the copies are committed
first and the originals vanish a moment later. Skipped: nothing known.
"""

import asyncio
from typing import Final

from lxml import etree

from deploy.lab.exchange.attendant import attend
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.fields import kind_of
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.soap import EwsError, response

_BETWEEN_STEPS_SECONDS: Final = 0.02


async def answer(call: Call) -> str:
    """Answer one MoveItem request."""
    originals: list[int] = []
    with call.server.writing(call.operation):
        messages = call.each(call.children("ItemIds"), lambda node: _move(call, node, originals), "<m:Items/>")
    if originals:
        await asyncio.sleep(_BETWEEN_STEPS_SECONDS)
        with call.server.writing(call.operation):
            for number in originals:
                _remove_original(call, number)
    return response(call.operation, messages)


def _move(call: Call, node: etree._Element, originals: list[int]) -> str:
    mailbox, folder = call.target("ToFolderId")
    item = call.item(node)
    foreign = mailbox.number != item.mailbox
    if foreign:
        call.server.admit(mailbox, item.size)
    if call.server.switches.move_atomic:
        call.server.move(item, folder)
        moved = item
    else:
        originals.append(item.number)
        moved = call.server.items.copy(item, folder)
        call.server.tell_item("CreatedEvent", moved)
    attend(call.server, moved)
    return _moved_xml(call, moved, foreign=foreign)


def _moved_xml(call: Call, item: Item, *, foreign: bool) -> str:
    if foreign or call.request.findtext("{*}ReturnNewItemIds") == "false":
        return "<m:Items/>"
    kind = kind_of(item.item_class)
    return f"<m:Items><t:{kind}>{call.item_id_xml(item)}</t:{kind}></m:Items>"


def _remove_original(call: Call, number: int) -> None:
    try:
        item = call.server.items.find(number)
    except EwsError:
        return
    call.server.items.remove(item)
    call.server.tell_item("DeletedEvent", item)
