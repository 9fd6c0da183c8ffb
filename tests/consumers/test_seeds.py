from dataclasses import replace
from typing import Any

import pytest

from consumers.intents import blank
from consumers.ledger import Ledger
from consumers.plan import Do
from consumers.seeds import stale_folders, stale_items
from consumers.subscription import Received
from schemas.change import ItemDeleted, SeedEnd
from schemas.state import TargetFolder

END = SeedEnd(begun=5, items=0)


@pytest.fixture
def received(making: Any) -> Received:
    made: Received = making.received(making.change(END, 9, 2), 40)
    return made


def put_item(ledger: Ledger, mailbox: str, item: str, generation: int, sequence: int) -> None:
    ledger.put_item(mailbox, replace(blank(item, "inbox-s"), generation=generation, sequence=sequence))


def put_folder(ledger: Ledger, mailbox: str, folder_id: str, parent_id: str, sequence: int) -> None:
    folder = TargetFolder(
        folder_id=folder_id,
        target_id="",
        parent_id=parent_id,
        name="",
        folder_class="",
        distinguished="",
        created=True,
        generation=2,
        sequence=sequence,
    )
    ledger.put_folder(mailbox, folder)


def test_items_last_named_before_the_seed_are_stale(ledger: Ledger, received: Received) -> None:
    mailbox = received.change.mailbox
    put_item(ledger, mailbox, "older generation", 1, 99)
    put_item(ledger, mailbox, "before", 2, 4)
    put_item(ledger, mailbox, "named", 2, 6)
    put_item(ledger, "ffffffffffffffffffff", "of another mailbox", 1, 1)
    steps = stale_items(ledger, received, END, 10)
    assert [s.operation.ref.item for s in steps] == ["before", "older generation"]
    assert all(isinstance(s.operation, ItemDeleted) and s.action.do is Do.DELETE for s in steps)


def test_stale_items_come_in_bounded_portions(ledger: Ledger, received: Received) -> None:
    for number in range(5):
        put_item(ledger, received.change.mailbox, str(number), 1, 1)
    assert len(stale_items(ledger, received, END, 2)) == 2
    assert len(stale_items(ledger, received, END, 5)) == 5


def test_nothing_is_stale_in_a_ledger_that_holds_nothing(ledger: Ledger, received: Received) -> None:
    assert stale_items(ledger, received, END, 10) == []
    assert stale_folders(ledger, received.change, END) == []


def test_stale_folders_come_children_first_and_named_ones_stay(ledger: Ledger, received: Received) -> None:
    mailbox = received.change.mailbox
    put_folder(ledger, mailbox, "a-top", "", 4)
    put_folder(ledger, mailbox, "b-child", "a-top", 4)
    put_folder(ledger, mailbox, "c-grandchild", "b-child", 4)
    put_folder(ledger, mailbox, "named", "", 6)
    found = [f.folder_id for f in stale_folders(ledger, received.change, END)]
    assert found == ["c-grandchild", "b-child", "a-top"]


def test_folders_that_name_each_other_as_parents_end_all_the_same(ledger: Ledger, received: Received) -> None:
    put_folder(ledger, received.change.mailbox, "one", "two", 4)
    put_folder(ledger, received.change.mailbox, "two", "one", 4)
    assert {f.folder_id for f in stale_folders(ledger, received.change, END)} == {"one", "two"}
