"""The tail of a source: what it holds beyond what was captured, read without writing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.promotion.tail import Committed, Left, tail_of
from producers.contents import ContentReader
from producers.index import MailboxIndex
from schemas.ports import CallRefused
from schemas.state import Order

from .memory_source import ADDRESS

if TYPE_CHECKING:
    from .conftest import Rig


def tail(rig: Rig) -> list[Left]:
    index = MailboxIndex.restore(rig.mailbox, rig.topics, Committed(0, rig.owned.state))
    contents = ContentReader(rig.source, rig.spool, rig.forms)
    return tail_of(rig.source, ADDRESS, index, contents, lambda: rig.now)


@pytest.fixture
def closed(rig: Rig) -> Rig:
    """A mailbox of three items that was closed by plan."""
    for _ in range(3):
        rig.source.add(rig.source.inbox)
    rig.spin(10)
    rig.order(
        Order(
            mailbox=rig.mailbox, kind="CLOSE", items=(), target="one", reason="", issued_at=0, until=60_000,
            promotion="p", planned=True,
        )
    )  # fmt: skip
    rig.spin(20)
    rig.rest()
    return rig


def test_a_source_nobody_touched_has_an_empty_tail(closed: Rig) -> None:
    assert tail(closed) == []


def test_everything_that_happened_since_is_in_the_tail(closed: Rig) -> None:
    first, second, third = list(closed.source.items_by_id)
    closed.source.delete(first)
    work = closed.source.add_folder("Work")
    moved = closed.source.move(second, work)
    closed.source.edit(third)
    new = closed.source.add(closed.source.inbox)
    found = {(left.kind, left.item_id) for left in tail(closed)}
    assert {("ItemMoved", moved), ("ItemSaved", third), ("ItemSaved", new), ("ItemDeleted", "")} <= found
    assert "FolderSaved" in {kind for kind, _ in found}


def test_reading_a_tail_writes_nothing_and_finds_the_same_again(closed: Rig) -> None:
    closed.source.add(closed.source.inbox)
    state, said = dict(closed.owned.state), len(closed.changes())
    assert tail(closed) == tail(closed) != []
    assert closed.owned.state == state
    assert len(closed.changes()) == said


def test_what_the_source_does_not_hand_out_is_in_the_tail(closed: Rig) -> None:
    item_id = closed.source.add(closed.source.inbox)
    closed.source.items_by_id[item_id].refusals["export"] = "ErrorServerBusy"
    assert [left.kind for left in tail(closed)] == ["unclear"]


def test_a_folder_that_cannot_be_read_is_in_the_tail(closed: Rig) -> None:
    closed.source.add(closed.source.inbox)

    def refuse() -> None:
        raise CallRefused("ErrorAccessDenied", "refused")

    closed.source.before("items", refuse)
    found = tail(closed)
    assert ("unread folder", closed.source.inbox) in {(left.kind, left.folder_id) for left in found}


def test_a_source_that_does_not_answer_has_no_tail(closed: Rig) -> None:
    def refuse() -> None:
        raise CallRefused("connection-refused", "dead")

    closed.source.before("probe", refuse)
    with pytest.raises(CallRefused):
        tail(closed)
