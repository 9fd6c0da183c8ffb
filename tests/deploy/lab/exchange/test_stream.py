import pytest

from deploy.lab.exchange.items import Item
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.stream import read_stream, write_stream

ITEM = Item(
    1, 1, 1, 1, 0, 1, 1, 1, 1, "IPM.Note", 1, 9, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z",
    b"k" * 16, {"Subject": "s"}, {"{x}/name:n:String": "v", "0x1080:Integer": "5"},
)  # fmt: skip


def test_a_stream_holds_the_whole_item() -> None:
    found = read_stream(write_stream(ITEM, b"content", (14, 1), named_properties=True), (15, 2))
    assert (found.item_class, found.is_read, found.fields, found.extended) == (
        "IPM.Note",
        1,
        ITEM.fields,
        ITEM.extended,
    )
    assert (found.search_key, found.content, found.modified) == (ITEM.search_key, b"content", ITEM.modified)


def test_named_properties_can_be_left_out() -> None:
    found = read_stream(write_stream(ITEM, b"", (15, 0), named_properties=False), (15, 0))
    assert found.extended == {"0x1080:Integer": "5"}


def test_newer_cut_and_changed_streams_are_refused() -> None:
    stream = write_stream(ITEM, b"content", (15, 1), named_properties=True)
    for damaged, generation in (
        (stream, (15, 0)),
        (stream[:-1], (15, 1)),
        (stream + b"x", (15, 1)),
        (b"y" + stream, (15, 1)),
        (b"", (15, 1)),
    ):
        with pytest.raises(EwsError, match="ErrorCorruptData"):
            read_stream(damaged, generation)
