from typing import Any

import pytest

from deploy.lab.exchange.items import Item, keyword, keywords_of, utc_text
from deploy.lab.exchange.soap import EwsError


def insert(exchange: Any, folder: str = "inbox", **fields: Any) -> Item:
    server = exchange.server
    with server.writing("Test"):
        item: Item = server.items.new(server.folders.mailboxes["a@example.com"].distinguished[folder], "IPM.Note")
        item.fields.update(fields)
        server.items.insert(item, b"content")
    return item


def test_an_item_is_read_as_it_was_written(exchange: Any) -> None:
    item = insert(exchange, Subject="s", Categories=["a"])
    assert exchange.server.items.find(item.number) == item
    assert exchange.server.items.content(item) == b"content"
    with pytest.raises(EwsError, match="ErrorItemNotFound"):
        exchange.server.items.find(item.number + 1)


def test_counts_follow_every_write(exchange: Any) -> None:
    server = exchange.server
    mailbox = server.folders.mailboxes["a@example.com"]
    inbox, junk = mailbox.distinguished["inbox"], mailbox.distinguished["junkemail"]
    item = insert(exchange)
    assert (inbox.total, inbox.unread, mailbox.size) == (1, 1, item.size)
    with server.writing("Test"):
        item.is_read = 1
        server.items.update(item, None, read_flag_only=True)
        server.items.move(item, junk, keeps_modified=True)
        server.items.copy(item, inbox)
    assert [(one.total, one.unread, one.deleted) for one in (inbox, junk)] == [(1, 0, 1), (1, 0, 0)]
    with server.writing("Test"):
        server.items.remove(item)
    assert (junk.total, junk.deleted, mailbox.size) == (0, 1, item.size)


def test_every_write_has_its_own_sequence_and_most_a_new_change(exchange: Any) -> None:
    item = insert(exchange)
    before = (item.modified_sequence, item.change)
    with exchange.server.writing("Test"):
        exchange.server.items.update(item, None, read_flag_only=True, new_change=False)
    assert item.modified_sequence > before[0]
    assert (item.change, item.content_sequence) == (before[1], before[0])


def test_keywords_find_items_in_their_folder_only(exchange: Any) -> None:
    item = insert(exchange, InternetMessageId="<A@b>")
    items, folder = exchange.server.items, item.folder
    assert [found.number for found in items.by_keywords(folder, 0, [keyword("m", "<a@B>")])] == [item.number]
    assert items.by_keywords(folder + 1, 0, [keyword("m", "<a@B>")]) == []
    assert items.by_keywords(folder, 1, [keyword("m", "<a@B>")]) == []
    assert items.by_keywords(folder, 0, [keyword("m", f"<{number}@x>") for number in range(1200)]) == []
    with exchange.server.writing("Test"):
        exchange.server.items.remove(item)
    assert exchange.server.store.database.execute("SELECT count(*) FROM keywords").fetchone() == (0,)


def test_long_values_are_indexed_by_their_beginning() -> None:
    assert len(keyword("x", "y" * 5000)) < 300
    item = Item(
        1, 1, 1, 1, 0, 1, 1, 1, 1, "c", 1, 1, "r", "c", "m", b"k", {}, {"{g}/n:String": "V", "{g}/n:Binary": "x"}
    )
    assert keywords_of(item) == {"k:6b", "{g}/n:String:v"}


def test_times_have_no_fractions() -> None:
    assert utc_text(1_000_000_000.9) == "2001-09-09T01:46:40Z"
