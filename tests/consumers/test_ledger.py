import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from consumers.intents import blank
from consumers.ledger import Ledger
from schemas.state import ItemState, TargetFolder, TargetMailbox


def folder(folder_id: str) -> TargetFolder:
    return TargetFolder(
        folder_id=folder_id,
        target_id=f"{folder_id}-t",
        parent_id="",
        name="Work",
        folder_class="IPF.Note",
        distinguished="",
        created=True,
        generation=1,
        sequence=1,
    )


def test_a_mailbox_nobody_wrote_is_fresh_and_an_item_or_folder_unknown(ledger: Ledger) -> None:
    assert ledger.mailbox("m") == TargetMailbox(mailbox="m")
    assert ledger.item("m", "a") is None
    assert ledger.folder("m", "f") is None


def test_newer_records_hide_committed_ones_and_dropped_ones_are_gone(
    ledger: Ledger, owned: Any, commit: Callable[..., None]
) -> None:
    ledger.put_item("m", blank("a", "f"))
    ledger.put_item("m", blank("b", "f"))
    ledger.put_folder("m", folder("f"))
    commit(ledger, owned)
    ledger.put_item("m", blank("c", "f"))
    ledger.drop_item("m", "a")
    ledger.drop_folder("m", "f")
    assert [r.item for r in ledger.items("m")] == ["b", "c"]
    assert ledger.item("m", "a") is None
    assert list(ledger.folders("m")) == []


def test_draining_gives_every_open_record_once_and_tombstones_for_dropped_ones(ledger: Ledger) -> None:
    ledger.put_item("m", blank("a", "f"))
    ledger.put_item("m", blank("a", "g"))
    ledger.drop_item("m", "b")
    drained = {r.key: r.value for r in ledger.drain()}
    assert drained.keys() == {"m/item/a", "m/item/b"}
    assert drained["m/item/b"] is None
    assert ledger.is_dirty


def test_after_settling_the_committed_state_is_what_shows(
    ledger: Ledger, owned: Any, commit: Callable[..., None]
) -> None:
    ledger.put_item("m", blank("a", "f"))
    commit(ledger, owned)
    assert not ledger.is_dirty
    assert ledger.drain() == []
    assert ledger.item("m", "a") == blank("a", "f")


def test_what_came_while_a_transaction_was_written_waits_for_the_next(ledger: Ledger) -> None:
    ledger.put_item("m", blank("a", "f"))
    ledger.put_item("m", blank("b", "f"))
    ledger.drain()
    ledger.put_item("m", blank("a", "g"))
    ledger.put_item("m", blank("c", "f"))
    ledger.settle()
    assert sorted(r.key for r in ledger.drain()) == ["m/item/a", "m/item/c"]


def test_items_of_one_mailbox_are_not_those_of_another(ledger: Ledger, owned: Any, commit: Callable[..., None]) -> None:
    ledger.put_item("m", blank("a", "f"))
    ledger.put_item("n", blank("b", "f"))
    commit(ledger, owned)
    assert [r.item for r in ledger.items("m")] == ["a"]


def test_mailboxes_are_the_restored_ones_in_their_newest_state(
    ledger: Ledger, owned: Any, commit: Callable[..., None]
) -> None:
    ledger.put_mailbox(TargetMailbox(mailbox="m"))
    ledger.put_item("m", blank("a", "f"))
    commit(ledger, owned)
    ledger.put_mailbox(TargetMailbox(mailbox="m", generation=3))
    assert [m.generation for m in ledger.mailboxes()] == [3]


def test_an_item_counts_as_held_while_the_target_has_it(
    ledger: Ledger, owned: Any, commit: Callable[..., None]
) -> None:
    ledger.put_item("m", replace(blank("a", "f"), target_id="a-t"))
    ledger.put_item("m", replace(blank("b", "f"), target_id="b-t"))
    commit(ledger, owned)
    ledger.drop_item("m", "b")
    ledger.put_item("m", replace(blank("c", "f"), target_id="c-t"))
    ledger.put_item("m", replace(blank("left out", "f"), state=ItemState.LEFT_OUT))
    ledger.put_item("n", replace(blank("d", "f"), target_id="d-t"))
    assert ledger.count_held("m") == 2


@pytest.fixture
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_switching_often")
@pytest.mark.parametrize(
    ("look", "times"),
    [(lambda ledger: ledger.count_held("m"), 50), (lambda ledger: list(ledger.mailboxes()), 500)],
    ids=["counting", "mailboxes"],
)
def test_a_lane_may_look_while_its_neighbour_writes(ledger: Ledger, look: Callable[[Ledger], Any], times: int) -> None:
    for number in range(1000):
        ledger.put_item("m", replace(blank(f"{number}", "f"), target_id="t"))
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            ledger.put_item("n", blank(f"{number % 5000}", "f"))
            if number % 5000 == 0:
                ledger.drain()
                ledger.settle()
                for again in range(1000):
                    ledger.put_item("m", replace(blank(f"{again}", "f"), target_id="t"))

    neighbour = threading.Thread(target=write)
    neighbour.start()
    try:
        for _ in range(times):
            look(ledger)
    finally:
        is_over.set()
        neighbour.join()
