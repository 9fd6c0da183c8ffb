from typing import Any

import pytest
from lxml import etree

from deploy.lab.exchange.mailbox_server import refuse_wrong_folder
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.subscriptions import Event

T = "http://schemas.microsoft.com/exchange/services/2006/types"


def test_events_go_out_when_the_transaction_is_committed_and_not_before(exchange: Any) -> None:
    server = exchange.server
    found = server.subscriptions.add(1, None, frozenset({"CreatedEvent"}), streaming=True)
    with server.writing("Test"):
        server.tell(Event("CreatedEvent", 1, 3, 99))
        assert not found.waiting
    assert len(found.waiting) == 1

    def fail() -> None:
        with server.writing("Test"):
            server.tell(Event("CreatedEvent", 1, 3, 99))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(found.waiting) == 1


def test_a_distinguished_folder_may_name_its_mailbox(exchange: Any) -> None:
    node = etree.fromstring(
        f'<DistinguishedFolderId xmlns="{T}" Id="inbox"><Mailbox><EmailAddress>b@example.com</EmailAddress></Mailbox>'
        "</DistinguishedFolderId>"
    )
    own = exchange.server.folders.mailboxes["a@example.com"]
    assert exchange.server.folder(node, own)[0].address == "b@example.com"
    assert exchange.server.folder(etree.fromstring('<DistinguishedFolderId Id="inbox"/>'), own)[0] is own


@pytest.mark.parametrize(
    ("folder", "item_class", "refused"),
    [
        ("inbox", "IPM.Note", False),
        ("inbox", "IPM.Anything", False),
        ("inbox", "IPM.Task", True),
        ("tasks", "IPM.Task.Custom", False),
        ("contacts", "IPM.DistList", False),
        ("calendar", "IPM.Contact", True),
        ("deleteditems", "IPM.Contact", False),
        ("root", "IPM.Contact", False),
    ],
)
def test_classes_go_where_their_kind_of_folder_is(
    exchange: Any, folder: str, item_class: str, *, refused: bool
) -> None:
    found = exchange.server.folders.mailboxes["a@example.com"].distinguished[folder]
    if refused:
        with pytest.raises(EwsError, match="ErrorCannotCreate"):
            refuse_wrong_folder(found, item_class)
    else:
        refuse_wrong_folder(found, item_class)
