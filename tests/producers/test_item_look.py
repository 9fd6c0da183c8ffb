from __future__ import annotations

from typing import TYPE_CHECKING

from producers import round as decisions
from producers.contents import ContentReader
from producers.index import MailboxIndex
from producers.item_look import CANDIDATES_MAX, DESCRIBE_ITEMS_MAX, LEARN_AFTER_MS, Drafts, ItemLook, Part
from schemas.change import ItemDeleted, ItemMoved, ItemRef, ItemSaved
from schemas.state import MailboxRecord

if TYPE_CHECKING:
    from .conftest import Rig

REF = ItemRef(item="i", item_id="id", folder_id="a", change_key="", search_key="", fingerprint="")


class Bench:
    """A look with its own index and drafts."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.index = MailboxIndex(MailboxRecord(mailbox="m"))
        self.drafts = Drafts()
        reader = ContentReader(rig.source, rig.spool, rig.forms)
        self.items = ItemLook(rig.source, "", self.index, reader, self.drafts, lambda: rig.now)

    def look(self, *item_ids: str) -> list[type]:
        parts = [*self.items.look(self.rig.source.inbox, list(item_ids)), self.drafts.take()]
        return [type(o) for p in parts for o in p.operations]


def test_what_was_drafted_is_handed_out_once() -> None:
    drafts = Drafts()
    drafts.add(ItemDeleted(ref=REF))
    assert drafts.take().operations == [ItemDeleted(ref=REF)]
    assert drafts.take() == Part()


def test_a_part_is_full_by_bytes_or_by_count() -> None:
    assert not Part().is_full
    assert Part(size_bytes=32_000_000).is_full
    assert Part(operations=[ItemDeleted(ref=REF)] * 2_000).is_full


def test_a_new_item_is_saved_and_known(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    assert bench.look(item_id) == [ItemSaved]
    assert bench.index.by_item_id(item_id)


def test_one_that_left_is_taken_once_for_two_alike_that_arrive(rig: Rig) -> None:
    bench, other = Bench(rig), rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    bench.look(item_id)
    copy_id = rig.source.copy(item_id, other)
    moved_id = rig.source.move(item_id, other)
    assert bench.look(copy_id, moved_id).count(ItemMoved) == 1
    assert len(bench.index.entries) == len([copy_id, moved_id])


def test_an_origin_that_is_alive_makes_a_copy(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    bench.look(item_id)
    copy_id = rig.source.copy(item_id, rig.source.inbox)
    assert bench.look(copy_id) == [ItemSaved]


def test_a_pending_deletion_comes_back_as_a_move(rig: Rig) -> None:
    bench, other = Bench(rig), rig.source.add_folder("Other")
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    bench.look(item_id)
    new_id = rig.source.move(item_id, other)
    decisions.see_gone(bench.index, item_id)
    assert bench.look(new_id) == [ItemMoved]
    assert not bench.index.pending


def test_no_more_candidates_are_asked_for_than_the_limit(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    copies = [rig.source.copy(item_id, rig.source.inbox) for _ in range(CANDIDATES_MAX + 5)]
    bench.look(item_id, *copies)
    new_id = rig.source.copy(item_id, rig.source.inbox)
    rig.source.calls.clear()
    bench.look(new_id)
    asked = [ids for method, (_, ids) in rig.source.calls if method == "describe" and isinstance(ids, tuple)]
    assert max(map(len, asked)) == CANDIDATES_MAX


def test_who_is_gone_is_asked_in_bounded_calls(rig: Rig) -> None:
    bench = Bench(rig)
    alive = rig.source.add(rig.source.inbox)
    asked = [alive, *(f"gone-{n}" for n in range(DESCRIBE_ITEMS_MAX + 1))]
    assert bench.items.gone_among(asked) == set(asked) - {alive}
    sizes = [len(ids) for _, (_, ids) in rig.source.calls if isinstance(ids, tuple)]
    assert sizes == [DESCRIBE_ITEMS_MAX, 2, DESCRIBE_ITEMS_MAX, 1]


def test_one_odd_answer_does_not_make_a_living_item_gone(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    item = rig.source.items_by_id.pop(item_id)
    rig.source.before("describe", lambda: None)
    rig.source.before("describe", lambda: rig.source.items_by_id.update({item_id: item}))
    assert bench.items.gone_among([item_id]) == set()


def test_what_lives_in_another_folder_is_gone_from_this_one(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    assert bench.items.gone_among([item_id], rig.source.inbox) == set()
    assert bench.items.gone_among([item_id], "another") == {item_id}


def test_an_item_read_right_after_a_write_gets_its_fingerprint_once_at_rest(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    bench.look(item_id)
    assert bench.items.next_due_at() == rig.now + LEARN_AFTER_MS
    rig.now += LEARN_AFTER_MS
    bench.items.learn_rest()
    entry = bench.index.by_item_id(item_id)
    assert entry
    assert entry.fingerprint
    assert bench.items.next_due_at() is None


def test_one_written_again_meanwhile_learns_nothing(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    bench.look(item_id)
    rig.source.edit(item_id)
    rig.now += LEARN_AFTER_MS
    bench.items.learn_rest()
    entry = bench.index.by_item_id(item_id)
    assert entry
    assert not entry.fingerprint


def test_what_is_owed_is_due_at_its_time_and_looked_at_again(rig: Rig) -> None:
    bench = Bench(rig)
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["export"] = "ErrorServerBusy"
    assert bench.look(item_id) == []
    due_at = bench.items.next_due_at()
    assert due_at
    assert due_at > rig.now
    rig.source.items_by_id[item_id].refusals = {}
    assert list(bench.items.retry_owed()) == []
    assert not bench.drafts.take().operations
    rig.now = due_at
    assert list(bench.items.retry_owed()) == []
    assert [type(o) for o in bench.drafts.take().operations] == [ItemSaved]
