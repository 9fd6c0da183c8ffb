from typing import Any

from deploy.lab.exchange.bodies import Body
from deploy.lab.exchange.view import View


def test_content_is_read_once_an_item_and_never_mixed_up(exchange: Any) -> None:
    server = exchange.server
    found = []
    for text in (b"one", b"two"):
        ident = exchange.message(b"Subject: x\r\n\r\n" + text)
        found.append(server.items.find(server.identity.item_reference(ident).number))
    view = View(server.items, server.identity, (15, 0), "Best", 0.0)
    assert view.body(found[0]) == Body("Text", "one")
    assert view.content(found[0]) is view.content(found[0])
    assert view.body(found[1]) == Body("Text", "two")
    assert view.body(found[0]) == Body("Text", "one")
    assert view.owner(found[0]) == "a@example.com"
    assert view.folder_id(found[0]) == exchange.folder("inbox")
