from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.partition.reader import PartitionReader, read_to_end
from schemas.ports import Incoming, Outgoing, PartitionLost

if TYPE_CHECKING:
    from .conftest import Ground

pytestmark = pytest.mark.slow
READ_SECONDS = 5.0


def write(ground: Ground, *keys: str) -> None:
    owned = ground.owner()
    owned.transact([Outgoing(ground.topics.changes, k, k.encode() or None) for k in keys], {})


def read_all(reader: PartitionReader, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count and (records := reader.read(100, READ_SECONDS)):
        found += [r.key for r in records]
    return found


def test_an_empty_partition_yields_its_end_at_once(ground: Ground) -> None:
    assert list(read_to_end(ground.settings, ground.topics.changes, 0, None, lambda: True)) == [0]


def test_records_come_in_order_and_then_the_end_past_control_records(ground: Ground) -> None:
    write(ground, "a", "b")
    write(ground, "c")
    *records, end = read_to_end(ground.settings, ground.topics.changes, 0, None, lambda: True)
    assert [r.key for r in records if isinstance(r, Incoming)] == ["a", "b", "c"]
    assert isinstance(end, int)
    last = records[-1]
    assert isinstance(last, Incoming)
    assert end > last.offset + 1
    assert last.appended_at > 0


def test_reading_begins_where_it_is_told_to(ground: Ground) -> None:
    write(ground, "a", "b", "c")
    records = list(read_to_end(ground.settings, ground.topics.changes, 0, 1, lambda: True))
    assert [r.key for r in records if isinstance(r, Incoming)] == ["b", "c"]


def test_nobody_who_does_not_want_it_any_more_goes_on_restoring(ground: Ground) -> None:
    write(ground, "a")
    with pytest.raises(PartitionLost, match="given up"):
        list(read_to_end(ground.settings, ground.topics.changes, 0, None, lambda: False))


def test_a_topic_that_is_not_there_is_lost_not_empty(ground: Ground) -> None:
    with pytest.raises(PartitionLost, match="nowhere"):
        list(read_to_end(ground.settings, "nowhere", 0, None, lambda: True))


def test_a_reader_goes_on_from_its_offset_and_knows_its_position(ground: Ground) -> None:
    write(ground, "a", "b", "c")
    reader = PartitionReader(ground.settings, ground.topics.changes, 0, 1)
    try:
        assert reader.position == 1
        assert read_all(reader, 2) == ["b", "c"]
        assert reader.position == 3
        write(ground, "d")
        assert read_all(reader, 1) == ["d"]
        reader.seek(0)
        assert read_all(reader, 4) == ["a", "b", "c", "d"]
    finally:
        reader.close()


@pytest.mark.parametrize("offset", [None, 10**9], ids=["none committed", "beyond the end"])
def test_without_a_usable_offset_the_log_is_read_from_its_start(ground: Ground, offset: int | None) -> None:
    write(ground, "a", "b")
    reader = PartitionReader(ground.settings, ground.topics.changes, 0, offset)
    try:
        assert read_all(reader, 2) == ["a", "b"]
    finally:
        reader.close()


def test_lag_is_what_is_not_read_yet(ground: Ground) -> None:
    write(ground, "a", "b")
    reader = PartitionReader(ground.settings, ground.topics.changes, 0, 0)
    try:
        read_all(reader, 2)
        assert reader.lag_records() <= 1
    finally:
        reader.close()
