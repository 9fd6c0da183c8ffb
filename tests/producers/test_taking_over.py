"""A feed that takes a mailbox over says what differs and nothing else; one whose source returns says its tail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from producers import taking_over
from schemas.change import (
    Barrier,
    Handover,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemOperation,
    ItemSaved,
    Marks,
    Operation,
    SeedBegin,
    Version,
)
from schemas.codec import decode
from schemas.identity import Stamp
from schemas.ports import CallRefused
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Order,
    SourceFolder,
    SourceRole,
    TargetFolder,
    TargetMailbox,
)
from schemas.topics import mailbox_key
from schemas.turning import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Rig

READ, UNREAD = Marks(is_read=True), Marks(is_read=False)


def record_of(rig: Rig) -> MailboxRecord:
    found = decode(rig.owned.get(rig.topics.mailboxes, mailbox_key(rig.mailbox)) or b"")
    assert isinstance(found, MailboxRecord)
    return found


def order(rig: Rig, kind: str, promotion: str) -> None:
    rig.order(
        Order(
            mailbox=rig.mailbox, kind=kind, items=(), target="one", reason="test", issued_at=500, until=60_500,
            promotion=promotion,
        )
    )  # fmt: skip


def said(rig: Rig, generation: int) -> list[Operation]:
    return [c.operation for c in rig.changes() if c.generation == generation]


def refuse() -> None:
    raise CallRefused("connection-refused", "dead")


# -- taken over ------------------------------------------------------------------------------------------------------


@pytest.fixture
def promoted(rig: Rig) -> Iterator[Rig]:
    """A server that was a target, with three items a replay made there, and what the other direction knows of them."""
    rig.is_back = True
    rig.known = Known(source=MailboxRecord(mailbox="m"), target=TargetMailbox(mailbox="m"))
    work = rig.source.add_folder("Work")
    for folder_id, name, distinguished in ((rig.source.inbox, "Inbox", "inbox"), (work, "Work", "")):
        rig.known.folders[f"{name}-s"] = SourceFolder(
            folder_id=f"{name}-s", parent_id="", name=name, folder_class="IPF.Note", distinguished=distinguished
        )
        rig.known.target_folders[f"{name}-s"] = TargetFolder(
            folder_id=f"{name}-s", target_id=folder_id, parent_id="", name=name, folder_class="IPF.Note",
            distinguished=distinguished, created=True, generation=1, sequence=1,
        )  # fmt: skip
    for name in "abc":
        _mirrored(rig, rig.known, name)
    rig.rest()
    yield rig
    assert not [c for c in rig.changes() if isinstance(c.operation, SeedBegin)], "nothing is copied"


def _mirrored(rig: Rig, known: Known, name: str, folder_id: str = "") -> None:
    item = name * 32
    stored = rig.source.items_by_id[rig.source.add(folder_id or rig.source.inbox)]
    stored.stamp = str(Stamp("t", item, "1"))
    known.entries[item] = IndexEntry(
        item=item, item_id=f"{name}-s", folder_id="Inbox-s", change_key=f"{name}-ck", search_key="", fingerprint="",
        digest="", marks=UNREAD,
    )  # fmt: skip
    known.records[item] = ItemRecord(
        item=item, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key=f"{name}-ck",
        folder_id="Inbox-s", marks=UNREAD, target_id=stored.item_id, target_change_key=stored.change_key, nonce="1",
    )  # fmt: skip


def held(rig: Rig, name: str) -> str:
    return next(i for i, item in rig.source.items_by_id.items() if f":{name * 32}:" in item.stamp)


def test_before_it_is_taken_over_nothing_is_captured_and_nothing_asked(promoted: Rig) -> None:
    promoted.spin(20)
    assert promoted.changes() == []
    assert promoted.source.calls == []
    order(promoted, "SEED", "")
    promoted.spin(5)
    assert promoted.changes() == []


def test_a_mailbox_that_was_never_taken_over_can_t_be_reopened_into_a_first_copy(promoted: Rig) -> None:
    order(promoted, "REOPEN", "p2")
    promoted.spin(20)
    assert promoted.changes() == []


def test_of_what_both_servers_hold_equal_nothing_is_said(promoted: Rig) -> None:
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(20)
    (begin,) = said(promoted, 1)
    assert begin == Handover(previous=None, promotion="p2", reason="test")
    assert (record_of(promoted).role, record_of(promoted).handed) == (SourceRole.MIRRORING, "p2")
    assert record_of(promoted).certain_up_to > 0
    assert not [call for call, _ in promoted.source.calls if call in {"export", "portable"}]


def test_what_users_did_meanwhile_is_said_once_and_a_move_is_a_move(promoted: Rig) -> None:
    promoted.source.move(held(promoted, "a"), next(f for f in promoted.source.folders if f != promoted.source.inbox))
    promoted.source.delete(held(promoted, "b"))
    promoted.source.edit(held(promoted, "c"))
    new = promoted.source.add(promoted.source.inbox)
    promoted.rest()
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(20)
    operations = [o for o in said(promoted, 1) if isinstance(o, ItemOperation)]
    kinds = sorted((type(o).__name__, o.ref.item[0] if o.ref.item_id != new else "new") for o in operations)
    # the move gave it a new ChangeKey, so that its content is said too: the replay compares it
    assert kinds == [
        ("ItemDeleted", "b"),
        ("ItemMoved", "a"),
        ("ItemSaved", "a"),
        ("ItemSaved", "c"),
        ("ItemSaved", "new"),
    ]
    before = len(promoted.changes())
    promoted.crash()
    promoted.spin(20)
    assert len(promoted.changes()) == before


def test_what_differed_when_the_roles_turned_flows_to_the_old_source(promoted: Rig) -> None:
    assert promoted.known
    entry = promoted.known.entries["a" * 32]
    promoted.known.entries["a" * 32] = IndexEntry(
        item=entry.item, item_id=entry.item_id, folder_id=entry.folder_id, change_key="", search_key="",
        fingerprint="", digest="", marks=READ,
    )  # fmt: skip
    del promoted.known.entries["b" * 32]
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(20)
    marked = [o for o in said(promoted, 1) if isinstance(o, ItemMarked)]
    saved = [o for o in said(promoted, 1) if isinstance(o, ItemSaved)]
    assert [(o.ref.item, o.marks) for o in marked] == [("a" * 32, UNREAD)]
    assert [(o.ref.item, o.targets) for o in saved] == [("b" * 32, ("one",))]


@pytest.mark.parametrize("is_overruled", [True, False])
@pytest.mark.parametrize(("here", "there"), [("Inbox", "Work"), ("Work", "Inbox")])
def test_an_item_that_the_old_source_holds_in_another_folder_is_moved_there_to_where_it_is_here(
    promoted: Rig, here: str, there: str, *, is_overruled: bool
) -> None:
    """Both sides changed it and the old source moved it too: here it stayed where it was."""
    assert promoted.known
    folder_id = promoted.known.target_folders[f"{here}-s"].target_id
    _mirrored(promoted, promoted.known, "d", folder_id)
    promoted.known.entries["d" * 32] = replace(promoted.known.entries["d" * 32], folder_id=f"{there}-s")
    if is_overruled:
        promoted.known.overruled.add("d" * 32)
    promoted.rest()
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(20)
    operations = [o for o in said(promoted, 1) if isinstance(o, ItemOperation)]
    assert [type(o) for o in operations] == [ItemMoved, ItemSaved][: 1 + is_overruled]
    assert {(o.ref.item, o.ref.folder_id) for o in operations} == {("d" * 32, folder_id)}


def test_a_user_s_copy_of_an_item_of_ours_is_a_new_item(promoted: Rig) -> None:
    copy = promoted.source.items_by_id[promoted.source.copy(held(promoted, "a"), promoted.source.inbox)]
    copy.stamp = str(Stamp("t", "a" * 32, "1"))
    promoted.rest()
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(20)
    (saved,) = [o for o in said(promoted, 1) if isinstance(o, ItemSaved)]
    assert (saved.ref.item_id, saved.ref.item != "a" * 32) == (copy.item_id, True)
    assert not [o for o in said(promoted, 1) if isinstance(o, ItemMoved | ItemDeleted)]


@pytest.mark.parametrize("failure", ["lost", "applied"])
@pytest.mark.parametrize("number", range(4))
def test_dead_anywhere_in_it_the_same_comes_of_it(
    promoted: Rig, failure: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking_over, "COMMIT_ENTRIES_MAX", 1)
    order(promoted, "TAKE_OVER", "p2")
    promoted.owned.failing += [""] * number + [failure]
    promoted.spin(20)
    assert [type(o) for o in said(promoted, record_of(promoted).generation)] == [Handover]
    assert record_of(promoted).handed == "p2"
    promoted.source.mark(held(promoted, "a"), READ)
    promoted.rest()
    promoted.spin(20)
    assert [c.sequence for c in promoted.changes()] == list(range(1, len(promoted.changes()) + 1))


def test_it_is_taken_over_once_by_a_promotion_and_only_behind_its_barrier(promoted: Rig) -> None:
    order(promoted, "TAKE_OVER", "p2")
    promoted.spin(5)
    order(promoted, "TAKE_OVER", "p2")
    order(promoted, "TAKE_OVER", "p3")
    promoted.spin(5)
    assert (record_of(promoted).generation, record_of(promoted).handed) == (1, "p2")
    order(promoted, "CLOSE", "p3")
    promoted.spin(2)
    order(promoted, "TAKE_OVER", "p3")
    promoted.spin(5)
    assert (record_of(promoted).generation, record_of(promoted).handed) == (2, "p3")
    assert said(promoted, 2) == [Handover(previous=None, promotion="p3", reason="test")]


# -- the tail --------------------------------------------------------------------------------------------------------


@pytest.fixture
def returned(rig: Rig) -> Rig:
    """A source that ended its role without being read, and went on for a while."""
    first = rig.source.add(rig.source.inbox)
    rig.spin(10)
    order(rig, "CLOSE", "p1")
    rig.spin(2)
    rig.source.mark(first, READ)
    rig.source.add(rig.source.inbox)
    rig.rest()
    rig.spin(10)
    return rig


def test_the_tail_is_a_generation_of_its_own_that_names_the_barrier_and_ends_with_one(returned: Rig) -> None:
    barrier = record_of(returned).barrier
    order(returned, "MERGE", "p2")
    returned.spin(20)
    first, *tail, last = said(returned, 2)
    assert first == Handover(previous=barrier, promotion="p2", reason="test")
    assert sorted(type(o).__name__ for o in tail) == ["ItemMarked", "ItemSaved"]
    assert isinstance(last, Barrier)
    assert last.complete
    record = record_of(returned)
    assert (record.role, record.returned, record.promotion) == (SourceRole.FENCED, "p2", "p1")
    assert record.barrier == Version(generation=2, sequence=len(tail) + 2) == returned.changes()[-1].version


def test_what_the_target_wants_of_the_tail_is_answered_before_the_barrier(returned: Rig) -> None:
    (item,) = {c.operation.ref.item for c in returned.changes() if isinstance(c.operation, ItemSaved)}
    order(returned, "MERGE", "p2")
    returned.spin(1, milliseconds=500)
    returned.rest(0)
    returned.order(
        Order(mailbox=returned.mailbox, kind="WANT", items=(item,), target="one", reason="gone there", issued_at=1)
    )
    returned.spin(20)
    saved = [o for o in said(returned, 2) if isinstance(o, ItemSaved) and o.ref.item == item]
    assert [o.targets for o in saved] == [("one",)]
    assert isinstance(said(returned, 2)[-1], Barrier)


def test_a_merge_is_obeyed_once_and_only_behind_a_barrier(returned: Rig) -> None:
    order(returned, "MERGE", "p2")
    order(returned, "MERGE", "p2")
    returned.spin(20)
    assert record_of(returned).generation == 2
    order(returned, "MERGE", "p2")
    returned.spin(20)
    assert (record_of(returned).generation, record_of(returned).role) == (2, SourceRole.FENCED)
    order(returned, "REOPEN", "p1")
    returned.spin(20)
    generation = record_of(returned).generation
    order(returned, "MERGE", "p4")
    returned.spin(5)
    assert (record_of(returned).generation, record_of(returned).role) == (generation, SourceRole.MIRRORING)


def test_a_seed_is_refused_while_the_tail_is_read(returned: Rig) -> None:
    order(returned, "MERGE", "p2")
    order(returned, "SEED", "")
    returned.spin(20)
    kinds = sorted(type(o).__name__ for o in said(returned, 2))
    assert kinds == ["Barrier", "Handover", "ItemMarked", "ItemSaved"]


@pytest.mark.parametrize("failure", ["lost", "applied"])
@pytest.mark.parametrize("number", range(5))
def test_dead_anywhere_while_the_tail_is_read_it_is_said_once(returned: Rig, failure: str, number: int) -> None:
    order(returned, "MERGE", "p2")
    returned.owned.failing += [""] * number + [failure]
    returned.spin(30)
    kinds = sorted(type(o).__name__ for o in said(returned, 2))
    assert kinds == ["Barrier", "Handover", "ItemMarked", "ItemSaved"]
    assert [c.sequence for c in returned.changes() if c.generation == 2] == [1, 2, 3, 4]


def test_a_source_that_is_still_dead_ends_the_merge_with_a_barrier_that_says_so(returned: Rig) -> None:
    returned.source.before("probe", refuse)
    order(returned, "MERGE", "p2")
    for _ in range(70):
        returned.source.before("hierarchy", refuse)
        returned.source.before("probe", refuse)
        returned.spin(1)
    record = record_of(returned)
    assert (record.role, record.returned) == (SourceRole.FENCED, "p2")
    barrier = returned.changes()[-1].operation
    assert isinstance(barrier, Barrier)
    assert not barrier.complete
    assert record.certain_up_to < record.closed_at


def test_a_feed_that_captures_nothing_leaves_a_merge_to_one_that_does(returned: Rig) -> None:
    returned.crash()
    returned.is_capturing = False
    order(returned, "MERGE", "p2")
    returned.spin(5)
    assert (record_of(returned).role, record_of(returned).returned) == (SourceRole.FENCED, "")


def test_a_close_of_before_the_return_that_is_read_again_fences_nothing(returned: Rig) -> None:
    """The group's offset is gone after a week, and the orders of the last 14 days are read again."""
    order(returned, "MERGE", "r1")
    returned.spin(20)
    returned.known = Known(source=record_of(returned), target=TargetMailbox(mailbox="m"))
    order(returned, "TAKE_OVER", "r1")
    returned.spin(20)
    assert record_of(returned).role == SourceRole.MIRRORING
    returned.crash()
    returned.now += 8 * 86_400_000
    returned.owned.positions.pop(returned.orders_topic)
    returned.spin(60)
    assert record_of(returned).role == SourceRole.MIRRORING
