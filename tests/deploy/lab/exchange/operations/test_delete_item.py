from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def delete(ident: str, kind: str) -> str:
    return f'<m:DeleteItem DeleteType="{kind}"><m:ItemIds><t:ItemId Id="{ident}"/></m:ItemIds></m:DeleteItem>'


@pytest.mark.parametrize(
    ("kind", "place"),
    [("HardDelete", None), ("SoftDelete", "recoverableitemsdeletions"), ("MoveToDeletedItems", "deleteditems")],
)
def test_each_kind_of_deletion_leaves_the_item_where_it_says(exchange: Any, kind: str, place: str | None) -> None:
    ident = exchange.message(MIME)
    assert exchange.codes(delete(ident, kind)) == ["NoError"]
    assert exchange.changes("inbox")[0] == []
    for folder in ("recoverableitemsdeletions", "deleteditems"):
        assert len(exchange.changes(folder)[0]) == (folder == place)


def test_a_second_deletion_finds_nothing(exchange: Any) -> None:
    ident = exchange.message(MIME)
    assert [exchange.codes(delete(ident, "SoftDelete")) for _ in range(2)] == [["NoError"], ["ErrorItemNotFound"]]


def test_deleting_counts_down_the_folder_and_moves_its_probes(exchange: Any) -> None:
    ident = exchange.message(MIME, flags=0)
    mailbox = exchange.server.folders.mailboxes["a@example.com"]
    inbox = mailbox.distinguished["inbox"]
    size = mailbox.size
    assert (inbox.total, inbox.unread, inbox.deleted) == (1, 1, 0)
    exchange.post(delete(ident, "HardDelete"))
    assert (inbox.total, inbox.unread, inbox.deleted) == (0, 0, 1)
    assert mailbox.size < size
