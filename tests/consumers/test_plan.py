from typing import Any

import pytest

from consumers.plan import Action, Do, plan
from schemas.change import ItemDeleted, ItemMarked, ItemMoved, ItemUnreadable, Marks
from schemas.state import ItemRecord, ItemState

UNREAD, READ = Marks(is_read=False), Marks(is_read=True)


def record(state: ItemState, target_id: str, sequence: int = 5, reason: str = "") -> ItemRecord:
    return ItemRecord(
        item="a",
        state=state,
        generation=1,
        sequence=sequence,
        source_change_key="ck",
        folder_id="inbox-s",
        marks=UNREAD,
        target_id=target_id,
        target_change_key="tk",
        nonce="1",
        reason=reason,
    )


RECORDS = {
    "unknown": None,
    "present": record(ItemState.PRESENT, "id"),
    "parked with older content": record(ItemState.PARKED, "id"),
    "parked without content": record(ItemState.PARKED, ""),
    "wanted": record(ItemState.WANTED, ""),
    "left out by its folder": record(ItemState.LEFT_OUT, "", reason="folder"),
    "left out by its class": record(ItemState.LEFT_OUT, "", reason="class"),
    "newer": record(ItemState.PRESENT, "id", sequence=9),
}

SKIP, RECORD, PARK, WANT = Action(Do.SKIP), Action(Do.RECORD), Action(Do.PARK), Action(Do.WANT)
PLACE, OVER, MARK, MOVE = Action(Do.PLACE), Action(Do.PLACE, "id"), Action(Do.MARK), Action(Do.MOVE)
DELETE, DISCARD = Action(Do.DELETE), Action(Do.DISCARD)

TABLE: dict[str, tuple[Action, ...]] = {
    # columns: the records above, in their order
    "saved with new content": (PLACE, OVER, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved without a change key": (PLACE, OVER, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again, nothing new": (PLACE, RECORD, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again, new marks": (PLACE, MARK, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again, other folder": (PLACE, MOVE, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again, other folder and marks": (PLACE, OVER, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again because we asked": (PLACE, OVER, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "saved again because another asked": (PLACE, RECORD, OVER, PLACE, PLACE, PLACE, PLACE, SKIP),
    "marked": (WANT, MARK, MARK, RECORD, RECORD, RECORD, RECORD, SKIP),
    "marked as it is": (WANT, RECORD, RECORD, RECORD, RECORD, RECORD, RECORD, SKIP),
    "moved": (WANT, MOVE, MOVE, RECORD, RECORD, WANT, RECORD, SKIP),
    "moved to where it is": (WANT, RECORD, RECORD, RECORD, RECORD, WANT, RECORD, SKIP),
    "deleted": (SKIP, DELETE, DELETE, DISCARD, DISCARD, DISCARD, DISCARD, SKIP),
    "unreadable": (PARK, RECORD, PARK, PARK, PARK, RECORD, RECORD, SKIP),
    "unreadable in a newer state": (PARK, PARK, PARK, PARK, PARK, RECORD, RECORD, SKIP),
    "unreadable although another asked": (PARK, RECORD, PARK, PARK, PARK, RECORD, RECORD, SKIP),
    "unreadable although we asked": (PARK, PARK, PARK, PARK, PARK, RECORD, RECORD, SKIP),
}


@pytest.fixture
def operations(making: Any) -> dict[str, Any]:
    same, elsewhere = making.ref("a", change_key="ck"), making.ref("a", "work-s", "ck")
    other = making.ref("a", change_key="ck-2")
    return {
        "saved with new content": making.saved(other, b"new"),
        "saved without a change key": making.saved(making.ref("a"), b"new"),
        "saved again, nothing new": making.saved(same, b"same"),
        "saved again, new marks": making.saved(same, b"same", READ),
        "saved again, other folder": making.saved(elsewhere, b"same"),
        "saved again, other folder and marks": making.saved(elsewhere, b"same", READ),
        "saved again because we asked": making.saved(same, b"same", targets=("t",)),
        "saved again because another asked": making.saved(same, b"same", targets=("other",)),
        "marked": ItemMarked(ref=other, marks=READ),
        "marked as it is": ItemMarked(ref=other, marks=UNREAD),
        "moved": ItemMoved(ref=elsewhere, from_folder_id="inbox-s"),
        "moved to where it is": ItemMoved(ref=same, from_folder_id="work-s"),
        "deleted": ItemDeleted(ref=same),
        "unreadable": ItemUnreadable(ref=same, reason="ErrorCorruptData"),
        "unreadable in a newer state": ItemUnreadable(ref=other, reason="ErrorCorruptData"),
        "unreadable although another asked": ItemUnreadable(ref=same, reason="ErrorCorruptData", targets=("other",)),
        "unreadable although we asked": ItemUnreadable(ref=same, reason="ErrorCorruptData", targets=("t",)),
    }


@pytest.mark.parametrize("column", range(len(RECORDS)), ids=list(RECORDS))
@pytest.mark.parametrize("row", TABLE)
def test_every_change_meets_every_record_with_the_action_of_the_table(
    making: Any, operations: dict[str, Any], row: str, column: int
) -> None:
    operation = operations[row]
    known = list(RECORDS.values())[column]
    assert plan(making.change(operation, 9), operation, known, "t") == TABLE[row][column]


def test_the_table_knows_every_operation(operations: dict[str, Any]) -> None:
    assert operations.keys() == TABLE.keys()


@pytest.mark.parametrize("column", range(len(RECORDS)), ids=list(RECORDS))
@pytest.mark.parametrize("row", TABLE)
def test_what_leaves_the_scope_is_withdrawn_where_it_is_held_and_else_remembered_unless_it_is_gone(
    making: Any, operations: dict[str, Any], row: str, column: int
) -> None:
    operation = operations[row]
    known = list(RECORDS.values())[column]
    found = plan(making.change(operation, 9), operation, known, "t", "age")
    if TABLE[row][column] == SKIP or row == "deleted":
        assert found == TABLE[row][column]
    else:
        is_held = known is not None and bool(known.target_id)
        assert found == Action(Do.WITHDRAW if is_held else Do.LEAVE_OUT, left_out="age")
