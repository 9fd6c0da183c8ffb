from typing import Any

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import EwsError


def call(exchange: Any, **values: Any) -> Call:
    mailbox = exchange.server.folders.mailboxes["a@example.com"]
    request = etree.fromstring("<GetItem/>")
    return Call(exchange.server, "GetItem", request, mailbox, (15, 2), impersonates=True, **values)


NODES = [etree.fromstring(f"<n{number}/>") for number in range(3)]


def test_every_part_has_its_answer_in_order(exchange: Any) -> None:
    def handle(node: etree._Element) -> str:
        if node.tag == "n1":
            raise EwsError("ErrorItemNotFound", "gone")
        return f"<{node.tag}/>"

    made = call(exchange)
    messages = made.each(NODES, handle, "<empty/>")
    assert [("<n0/>" in messages[0]), ("ErrorItemNotFound" in messages[1] and "<empty/>" in messages[1])] == [
        True,
        True,
    ]
    assert "<n2/>" in messages[2]
    assert made.parts_count == 3


def test_refused_parts_are_not_handled(exchange: Any) -> None:
    handled: list[str] = []
    error = EwsError("ErrorServerBusy")

    def handle(node: etree._Element) -> str:
        handled.append(str(node.tag))
        return ""

    call(exchange, refused={1: error}).each(NODES, handle)
    assert handled == ["n0", "n2"]
    call(exchange, refused_all=error).each(NODES, handle)
    assert handled == ["n0", "n2"]
