from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from producers.capture import Dirt
from producers.publisher import Publisher
from schemas.change import Change, Chunk, ItemSaved
from schemas.codec import decode
from schemas.ports import PartitionLost
from schemas.state import IndexEntry, MailboxRecord, SourceFolder

if TYPE_CHECKING:
    from .conftest import Rig

LARGE = b"0123456789" * 100_000


def publisher(rig: Rig) -> Publisher:
    return Publisher(rig.owned, rig.topics, "15.0.1", lambda: rig.now)


def test_sequences_are_dense_over_parts(rig: Rig) -> None:
    capture = rig.capture()
    for _ in range(3):
        rig.source.add(rig.source.inbox)
        rig.round(capture)
    assert [c.sequence for c in rig.changes()] == [1, 2, 3, 4]
    assert capture.index.record.next_sequence == len(rig.changes()) + 1


def test_chunks_stand_right_before_their_change_under_its_key(rig: Rig) -> None:
    rig.source.add(rig.source.inbox, LARGE)
    rig.round(rig.capture())
    records = [(r.key, decode(r.value or b"")) for r in rig.owned.log[rig.topics.changes]]
    folder, first, second, change = records
    assert isinstance(folder[1], Change)
    assert isinstance(first[1], Chunk)
    assert isinstance(second[1], Chunk)
    assert isinstance(change[1], Change)
    assert isinstance(change[1].operation, ItemSaved)
    assert [first[1].index, second[1].index, first[1].count] == [0, 1, 2]
    assert first[1].body + second[1].body == LARGE
    assert first[0] == second[0] == change[0]


def test_a_change_is_committed_with_its_index_entry_its_cursor_and_its_sequence(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.round(rig.capture())
    stored = [decode(v) for (topic, _), v in rig.owned.state.items() if topic != rig.topics.changes]
    (record,) = (s for s in stored if isinstance(s, MailboxRecord))
    (folder,) = (s for s in stored if isinstance(s, SourceFolder))
    assert record.next_sequence == len(rig.changes()) + 1
    assert folder.cursor
    (entry,) = (s for s in stored if isinstance(s, IndexEntry))
    assert entry.item in {c.operation.ref.item for c in rig.changes() if isinstance(c.operation, ItemSaved)}


def test_nothing_exists_of_a_transaction_that_failed_and_its_spool_is_released(rig: Rig) -> None:
    rig.source.add(rig.source.inbox, LARGE)
    capture = rig.capture()
    (part,) = list(capture.parts(Dirt()))
    (body,) = part.spooled.values()
    rig.owned.failing.append("lost")
    with pytest.raises(PartitionLost):
        publisher(rig).publish([(capture, part)], {rig.orders_topic: 7})
    assert not rig.owned.state
    assert not rig.changes()
    assert not rig.owned.positions
    assert body.file.closed


def test_the_position_of_orders_is_committed_with_the_parts(rig: Rig) -> None:
    capture = rig.capture()
    parts = [(capture, p) for p in capture.parts(Dirt())]
    assert publisher(rig).publish(parts, {rig.orders_topic: 7}) == len(rig.changes())
    assert rig.owned.positions == {rig.orders_topic: 7}


def test_positions_alone_are_committed_and_nothing_at_all_is_no_transaction(rig: Rig) -> None:
    rig.owned.failing.append("lost")
    assert publisher(rig).publish([], {}) == 0
    rig.owned.failing.clear()
    assert publisher(rig).publish([], {rig.orders_topic: 3}) == 0
    assert rig.owned.positions == {rig.orders_topic: 3}


def test_parts_of_several_mailboxes_go_in_one_transaction_each_with_its_own_sequence(rig: Rig) -> None:
    one, two = rig.capture(), rig.capture()
    two.index.record = replace(two.index.record, mailbox="two", next_sequence=9)
    parts = [(c, p) for c in (one, two) for p in c.parts(Dirt())]
    publisher(rig).publish(parts, {})
    assert [(c.mailbox, c.sequence) for c in rig.changes()] == [(rig.mailbox, 1), ("two", 9)]
