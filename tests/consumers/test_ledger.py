from collections.abc import Callable
from typing import Any

from consumers.intents import blank
from consumers.ledger import Ledger
from schemas.state import TargetFolder, TargetMailbox


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
