from typing import Any

import pytest

from deploy.lab.exchange.item_elements import WRITERS, item_id_xml, mime_bytes, value_xml
from deploy.lab.exchange.view import View


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Subject", "a<b", "<t:Subject>a&lt;b</t:Subject>"),
        ("Categories", ["x"], "<t:Categories><t:String>x</t:String></t:Categories>"),
        ("Categories", [], ""),
        ("Recurrence", {"xml": "<t:Recurrence/>"}, "<t:Recurrence/>"),
        ("Flag", {"FlagStatus": "Flagged"}, "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>"),
        ("PhoneNumbers", {"entries": {"HomePhone": "1"}},
         '<t:PhoneNumbers><t:Entry Key="HomePhone">1</t:Entry></t:PhoneNumbers>'),
        ("PhoneNumbers", {"entries": {}}, ""),
        ("ToRecipients", [], ""),
        ("From", [], ""),
    ],
)  # fmt: skip
def test_values_become_elements(name: str, value: Any, expected: str) -> None:
    assert value_xml(name, value) == expected


def test_every_writer_answers_for_an_item_without_properties(exchange: Any) -> None:
    server = exchange.server
    with server.writing("Test"):
        item = server.items.new(server.folders.mailboxes["a@example.com"].distinguished["inbox"], "IPM.Note")
        server.items.insert(item, b"")
    view = View(server.items, server.identity, (15, 2), "Best", 1.0)
    for name, write in WRITERS.items():
        xml = write(item, view)
        assert xml == "" or xml.startswith(f"<t:{name}"), name
    assert item_id_xml(item, server.identity) == WRITERS["ItemId"](item, view)


def test_only_drafts_get_a_new_date(exchange: Any) -> None:
    server = exchange.server
    for flags, replaced in ((8, True), (1, False)):
        ident = exchange.message(b"Date: Mon, 1 Jan 2001 00:00:00 +0000\r\n\r\nx", flags=flags)
        item = server.items.find(server.identity.item_reference(ident).number)
        mime = mime_bytes(item, View(server.items, server.identity, (15, 0), "Best", 0.0))
        assert (b"1 Jan 1970" in mime) is replaced
