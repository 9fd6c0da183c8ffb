"""A transaction stays small however much there is to say, and dying between two parts loses nothing (issue 13, 25)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from producers import feed, item_look, taking_over
from producers.index import MailboxIndex
from schemas.change import FolderDeleted, FolderSaved, ItemDeleted, ItemSaved, SeedBegin, SeedEnd
from schemas.identity import mailbox_id
from schemas.state import IndexEntry, MailboxRecord, Order, SourceFolder, TargetMailbox
from schemas.turning import Known

from .memory_source import ADDRESS
from .replica import assert_equal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.ports import Outgoing

    from .conftest import Rig

RECORDS_MAX = 2_900
MANY = 3_000
PARTS = range(24)
FAILURES = ("lost", "applied")


@pytest.fixture
def sizes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each transaction had."""
    counted: list[int] = []
    transact = rig.owned.transact

    def count(records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:
        counted.append(len(records))
        transact(records, positions)

    monkeypatch.setattr(rig.owned, "transact", count)
    return counted


@pytest.fixture
def small(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A copied mailbox with nested folders, and parts of two records."""
    monkeypatch.setattr(item_look, "PART_RECORDS_MAX", 2)
    monkeypatch.setattr(feed, "TRANSACTION_RECORDS_MAX", 2)
    outer = rig.source.add_folder("Outer")
    inner = rig.source.add_folder("Inner", outer)
    for folder in (rig.source.inbox, rig.source.inbox, outer, inner, inner):
        rig.source.add(folder)
    rig.spin(60)
    rig.rest()
    rig.spin(10)
    return rig


def order(rig: Rig, kind: str, *items: str) -> None:
    rig.order(Order(mailbox=rig.mailbox, kind=kind, items=items, target="", reason="r", issued_at=rig.now))


def fill(rig: Rig, count: int = MANY) -> list[str]:
    ids = [rig.source.add(rig.source.inbox, b"x") for _ in range(count)]
    rig.spin(40)
    rig.rest()
    rig.spin(5)
    return ids


def settle(rig: Rig, spins: int = 60) -> None:
    for _ in range(3):
        rig.rest()
        rig.spin(spins)


def assert_dense(rig: Rig) -> None:
    assert [c.sequence for c in rig.changes()] == list(range(1, len(rig.changes()) + 1))


# -- bounded ---------------------------------------------------------------------------------------------------------


def test_a_seed_is_said_in_bounded_transactions(rig: Rig, sizes: list[int]) -> None:
    fill(rig)
    sizes.clear()
    order(rig, "SEED")
    rig.spin(30)
    assert max(sizes) < RECORDS_MAX
    assert isinstance(rig.changes()[-1].operation, SeedEnd)
    assert_equal(rig)


def test_an_emptied_folder_is_said_in_bounded_transactions(rig: Rig, sizes: list[int]) -> None:
    ids = fill(rig)
    sizes.clear()
    for item_id in ids:
        rig.source.delete(item_id)
    settle(rig)
    assert max(sizes) < RECORDS_MAX
    assert_equal(rig)


@pytest.mark.parametrize("is_deleted", [False, True], ids=["made", "deleted with what is in it"])
def test_thousands_of_folders_are_said_in_bounded_transactions(rig: Rig, sizes: list[int], *, is_deleted: bool) -> None:
    top = rig.source.add_folder("Top")
    for number in range(MANY):
        rig.source.add_folder(f"Folder {number}", top)
    settle(rig, 20)
    if is_deleted:
        rig.source.delete_folder(top)
        settle(rig, 20)
    assert max(sizes) < RECORDS_MAX
    assert_equal(rig)


def test_what_a_lost_cursor_shows_to_be_gone_is_said_in_bounded_transactions(rig: Rig, sizes: list[int]) -> None:
    ids = fill(rig)
    sizes.clear()
    rig.source.lose_cursors()
    for item_id in ids:
        rig.source.delete(item_id)
    settle(rig)
    assert max(sizes) < RECORDS_MAX
    assert_equal(rig)


def test_orders_beyond_one_transaction_wait_for_the_next_and_none_is_lost(rig: Rig, sizes: list[int]) -> None:
    fill(rig, 10)
    sizes.clear()
    wanted = [f"{number:032x}" for number in range(MANY)]
    for start in range(0, MANY, 500):
        order(rig, "WANT", *wanted[start : start + 500])
    rig.spin(20)
    assert max(sizes) < RECORDS_MAX
    assert {c.operation.ref.item for c in rig.changes() if isinstance(c.operation, ItemDeleted)} == set(wanted)
    assert rig.owned.positions[rig.orders_topic] == MANY // 500


def test_thousands_of_mailboxes_begin_and_beat_in_bounded_transactions(rig: Rig, sizes: list[int]) -> None:
    rig.is_capturing = False
    rig.registered |= {mailbox_id(f"m{n}@source.test"): f"m{n}@source.test" for n in range(MANY)}
    rig.spin(10, 10)
    written = {key for topic, key in rig.owned.state if topic == rig.topics.mailboxes}
    assert written == rig.registered.keys()
    assert max(sizes) < RECORDS_MAX


def test_what_an_order_did_goes_with_its_position_however_many_mailboxes_are_due(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "TRANSACTION_RECORDS_MAX", 2)
    others = {mailbox_id(f"m{n}@source.test"): f"m{n}@source.test" for n in range(6)}
    rig.registered = others | rig.registered
    rig.spin(80)
    rig.now += 60_000
    order(rig, "PAUSE")
    rig.owned.failing += ["applied"]
    rig.spin(1)
    assert rig.owned.positions[rig.orders_topic] == 1
    assert MailboxIndex.restore(rig.mailbox, rig.topics, rig.owned).record.paused


def test_a_mailbox_that_is_seeded_does_not_starve_the_ones_after_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_look, "PART_RECORDS_MAX", 20)
    monkeypatch.setattr(feed, "TRANSACTION_RECORDS_MAX", 20)
    other = mailbox_id("ben@source.test")
    for _ in range(200):
        rig.source.add(rig.source.inbox)
    rig.registered = {rig.mailbox: ADDRESS, other: "ben@source.test"}
    rig.spin(8)
    assert {c.mailbox for c in rig.changes()} == {rig.mailbox, other}


def test_a_mailbox_is_taken_over_in_bounded_transactions(rig: Rig, sizes: list[int]) -> None:
    known = Known(source=MailboxRecord(mailbox="m"), target=TargetMailbox(mailbox="m"))
    index = MailboxIndex(MailboxRecord(mailbox=rig.mailbox))
    for number in range(MANY):
        index.put_folder(
            SourceFolder(folder_id=f"f{number}", parent_id="", name="n", folder_class="IPF.Note", distinguished="")
        )
        index.put(
            IndexEntry(
                item=f"{number:032x}", item_id=f"i{number}", folder_id="f", change_key="c", search_key="",
                fingerprint="", digest="", marks=None,
            )
        )  # fmt: skip
    index.drain(rig.topics)
    taken = Order(mailbox=rig.mailbox, kind="TAKE_OVER", items=(), target="one", reason="r", issued_at=0)
    taking_over.take_over(index, known, taken, rig.topics, lambda records: rig.owned.transact(records, {}), rig.now)
    rig.owned.transact(index.drain(rig.topics), {})
    assert sum(sizes) == 2 * MANY
    assert max(sizes) < RECORDS_MAX


@pytest.mark.slow
@pytest.mark.skipif("MAILSHADOW_FUZZ" not in os.environ, reason="minutes: make fuzz")
def test_a_hundred_thousand_items_are_copied_seeded_and_deleted_in_bounded_transactions(
    rig: Rig, sizes: list[int]
) -> None:
    count = 100_000
    ids = [rig.source.add(rig.source.inbox, b"x") for _ in range(count)]
    rig.source.page_items_max = count
    rig.spin(300)
    order(rig, "SEED")
    rig.spin(300)
    assert sum(isinstance(c.operation, SeedEnd) for c in rig.changes()) == 2
    for item_id in ids:
        rig.source.delete(item_id)
    settle(rig, 100)
    assert sum(isinstance(c.operation, ItemDeleted) for c in rig.changes()) == count
    assert max(sizes) < RECORDS_MAX


# -- dead between two parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("number", PARTS)
def test_a_seed_names_everything_whichever_of_its_transactions_is_lost(small: Rig, failure: str, number: int) -> None:
    begun = len(small.changes())
    order(small, "SEED")
    small.owned.failing += [""] * number + [failure]
    settle(small)
    said = [c.operation for c in small.changes()[begun:]]
    assert [type(o) for o in said].count(SeedBegin) == [type(o) for o in said].count(SeedEnd) == 1
    items = [o.ref.item_id for o in said if isinstance(o, ItemSaved)]
    assert set(items) == set(small.source.items_by_id)
    folders = [o.folder_id for o in said if isinstance(o, FolderSaved)]
    assert set(folders) == set(small.source.folders)
    assert_dense(small)
    assert_equal(small)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("number", PARTS)
@pytest.mark.parametrize("act", ["emptied", "folders deleted", "cursors lost"])
def test_deletions_are_said_once_whichever_transaction_of_a_burst_is_lost(
    small: Rig, act: str, failure: str, number: int
) -> None:
    source = small.source
    begun, deleted = len(small.changes()), set(source.items_by_id)
    if act == "folders deleted":
        deleted = {i for i, item in source.items_by_id.items() if item.folder_id != source.inbox}
        source.delete_folder(next(f for f, s in source.folders.items() if s.seen.name == "Outer"))
    else:
        for item_id in list(source.items_by_id):
            source.delete(item_id)
    if act == "cursors lost":
        source.lose_cursors()
    small.owned.failing += [""] * number + [failure]
    settle(small)
    said = [c.operation for c in small.changes()[begun:]]
    gone = [o.ref.item_id for o in said if isinstance(o, ItemDeleted)]
    assert sorted(gone) == sorted(deleted)
    assert len([o for o in said if isinstance(o, FolderDeleted)]) == (2 if act == "folders deleted" else 0)
    assert_dense(small)
    assert_equal(small)


@pytest.mark.parametrize("again_after", range(8))
def test_a_seed_ordered_while_one_is_being_marked_names_everything_from_its_own_beginning(
    small: Rig, again_after: int
) -> None:
    order(small, "SEED")
    small.spin(again_after)
    order(small, "SEED")
    settle(small)
    said = [c.operation for c in small.changes()]
    last = max(n for n, o in enumerate(said) if isinstance(o, SeedBegin))
    assert {o.folder_id for o in said[last:] if isinstance(o, FolderSaved)} == set(small.source.folders)
    first_item = next(n for n, o in enumerate(said) if n > last and isinstance(o, ItemSaved))
    assert all(n < first_item for n, o in enumerate(said) if isinstance(o, FolderSaved))
    assert_equal(small)


def test_the_last_page_of_a_listing_is_compared_before_the_cursor_that_ends_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.capture.PAGES_A_PART_MAX", 1)
    gone = rig.source.add(rig.source.inbox)
    rig.source.add(rig.source.inbox)
    rig.spin(20)
    rig.source.lose_cursors()
    rig.source.delete(gone)
    turns: list[Callable[[], None]] = [rig.crash] * 12
    for turn in turns:
        rig.rest()
        rig.spin(1)
        turn()
    settle(rig)
    assert_equal(rig)
