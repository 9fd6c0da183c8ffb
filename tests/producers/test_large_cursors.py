"""A cursor larger than a record is kept in pieces, and a piece that is missing makes it no cursor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from producers.index import MailboxIndex
from producers.large_cursors import INLINE_CHARACTERS_MAX, PIECE_SIZE_BYTES
from schemas.state import MailboxRecord, SourceFolder
from schemas.topics import cursors_prefix

from .memory_source import MemorySource
from .replica import assert_equal

if TYPE_CHECKING:
    from .conftest import MemoryOwned, Rig

RECORD_SIZE_BYTES_MAX = 1_000_000
LARGE = "cursor" * 500_000
FOLDER = SourceFolder(folder_id="in/box", parent_id="", name="A", folder_class="", distinguished="", complete=True)


def keep(rig: Rig, index: MailboxIndex, cursor: str, hierarchy_cursor: str = "") -> None:
    index.put_folder(replace(FOLDER, cursor=cursor))
    index.record = replace(index.record, hierarchy_cursor=hierarchy_cursor)
    rig.owned.transact([*index.drain(rig.topics), *index.own_records(rig.topics)], {})


def restored(rig: Rig) -> tuple[str, str]:
    index = MailboxIndex.restore("m", rig.topics, rig.owned)
    return index.folders[FOLDER.folder_id].cursor, index.record.hierarchy_cursor


def pieces(rig: Rig) -> list[str]:
    return [key for key, _ in rig.owned.scan(rig.topics.source_state, cursors_prefix("m"))]


def largest(owned: MemoryOwned) -> int:
    return max(len(record.value or b"") for records in owned.log.values() for record in records)


@pytest.mark.parametrize("length", [0, 10, INLINE_CHARACTERS_MAX, INLINE_CHARACTERS_MAX + 1, 3 * PIECE_SIZE_BYTES])
def test_a_cursor_of_any_length_is_what_it_was(rig: Rig, length: int) -> None:
    keep(rig, MailboxIndex(MailboxRecord(mailbox="m")), LARGE[:length], LARGE[1 : length + 1])
    assert restored(rig) == (LARGE[:length], LARGE[1 : length + 1])
    assert largest(rig.owned) < RECORD_SIZE_BYTES_MAX


def test_a_cursor_that_shrinks_leaves_no_piece_behind(rig: Rig) -> None:
    index = MailboxIndex(MailboxRecord(mailbox="m"))
    keep(rig, index, LARGE, LARGE)
    keep(rig, MailboxIndex.restore("m", rig.topics, rig.owned), "small", LARGE[: INLINE_CHARACTERS_MAX + 1])
    assert restored(rig) == ("small", LARGE[: INLINE_CHARACTERS_MAX + 1])
    assert len(pieces(rig)) == 1


def test_a_folder_that_is_removed_takes_its_pieces_along(rig: Rig) -> None:
    index = MailboxIndex(MailboxRecord(mailbox="m"))
    keep(rig, index, LARGE)
    index.remove_folder(FOLDER.folder_id)
    rig.owned.transact(index.drain(rig.topics), {})
    assert pieces(rig) == []


def test_pieces_that_did_not_change_are_not_written_again(rig: Rig) -> None:
    keep(rig, MailboxIndex(MailboxRecord(mailbox="m")), LARGE, LARGE)
    index = MailboxIndex.restore("m", rig.topics, rig.owned)
    written = len(rig.owned.log[rig.topics.source_state])
    keep(rig, index, LARGE, LARGE)
    index.put_folder(replace(FOLDER, cursor=LARGE, probe="other"))
    rig.owned.transact(index.drain(rig.topics), {})
    assert len(rig.owned.log[rig.topics.source_state]) == written + 1


def test_a_missing_piece_means_that_the_folder_is_read_from_the_start(rig: Rig) -> None:
    keep(rig, MailboxIndex(MailboxRecord(mailbox="m")), LARGE, LARGE)
    del rig.owned.state[rig.topics.source_state, pieces(rig)[-1]]
    assert "" in restored(rig)


def test_a_feed_goes_on_with_cursors_larger_than_a_record(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = MemorySource._positions
    monkeypatch.setattr(rig.source, "_positions", lambda cursor: positions(rig.source, cursor.partition("~")[0]))
    answer, hierarchy = rig.source.items, rig.source.hierarchy

    def grown(cursor: str) -> str:
        return f"{cursor}~{LARGE}"

    monkeypatch.setattr(rig.source, "items", lambda *asked: replace(page := answer(*asked), cursor=grown(page.cursor)))
    monkeypatch.setattr(
        rig.source, "hierarchy", lambda *asked: replace(page := hierarchy(*asked), cursor=grown(page.cursor))
    )
    for number in range(20):
        rig.source.add(rig.source.inbox)
        rig.spin(3)
        if number % 5 == 0:
            rig.crash()
    assert_equal(rig)
    assert largest(rig.owned) < RECORD_SIZE_BYTES_MAX
