from typing import Any

import pytest

from consumers.folder_map import FolderMap
from consumers.ledger import Ledger
from consumers.seeds import stale_folders
from schemas.change import FolderDeleted, FolderSaved, SeedEnd
from schemas.ports import AnswerUnknown, CallRefused


class Mapping:
    """A folder map of one mailbox, spoken to in folder names."""

    def __init__(self, target: Any, ledger: Ledger, making: Any) -> None:
        self.target, self.ledger, self.making = target, ledger, making
        self.folders = FolderMap(target, ledger, lambda: None)
        self.sequence = 0
        self.top_id = target.root(making.address, "msgfolderroot")

    def save(self, folder_id: str, name: str, parent_id: str = "", distinguished: str = "") -> None:
        self.sequence += 1
        saved = FolderSaved(
            folder_id=folder_id,
            parent_id=parent_id,
            name=name,
            folder_class="IPF.Note",
            distinguished=distinguished,
        )
        self.folders.save(self.making.address, self.making.change(saved, self.sequence), saved)

    def delete(self, folder_id: str, *, in_seed: bool = False) -> None:
        deleted = FolderDeleted(folder_id=folder_id)
        self.folders.delete(self.making.address, self.making.mailbox, deleted, in_seed=in_seed)

    def target_id(self, folder_id: str) -> str:
        return self.folders.target_id(self.making.mailbox, folder_id)


@pytest.fixture
def mapping(target: Any, ledger: Ledger, making: Any) -> Mapping:
    return Mapping(target, ledger, making)


def test_a_distinguished_folder_maps_to_its_like_whatever_its_name(mapping: Mapping) -> None:
    mapping.save("inbox-s", "Posteingang", distinguished="inbox")
    assert mapping.target_id("inbox-s") == mapping.target.root(mapping.making.address, "inbox")
    mapping.delete("inbox-s")
    assert mapping.target.folder(mapping.making.address, f"{mapping.making.address}:inbox") is not None


def test_a_new_folder_is_made_below_the_one_that_stands_for_its_parent(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans", "work-s")
    assert mapping.target.tree() == {"msgfolderroot/Work", "msgfolderroot/Work/Plans"}
    assert mapping.target_id("plans-s") != mapping.target_id("work-s")


def test_a_folder_of_the_same_name_is_adopted_and_never_deleted(mapping: Mapping) -> None:
    adopted_id = mapping.target.add_folder(mapping.top_id, "WORK")
    mapping.save("work-s", "Work")
    assert mapping.target_id("work-s") == adopted_id
    mapping.delete("work-s")
    assert mapping.target.tree() == {"msgfolderroot/WORK"}
    with pytest.raises(CallRefused, match="names a folder the log did not"):
        mapping.target_id("work-s")


def test_a_rename_and_a_move_keep_the_target_folder(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans", "work-s")
    before = mapping.target_id("plans-s")
    mapping.save("plans-s", "Ideas")
    assert mapping.target_id("plans-s") == before
    assert mapping.target.tree() == {"msgfolderroot/Work", "msgfolderroot/Ideas"}


def test_two_folders_can_swap_names_and_places(mapping: Mapping) -> None:
    mapping.save("one-s", "One")
    mapping.save("two-s", "Two", "one-s")
    one, two = mapping.target_id("one-s"), mapping.target_id("two-s")
    mapping.save("two-s", "One (was two)")
    mapping.save("one-s", "Two", "two-s")
    mapping.save("two-s", "One")
    assert mapping.target.tree() == {"msgfolderroot/One", "msgfolderroot/One/Two"}
    assert (mapping.target_id("one-s"), mapping.target_id("two-s")) == (one, two)


def test_names_exchanged_in_one_round_end_as_at_the_source(mapping: Mapping) -> None:
    mapping.save("one-s", "One")
    mapping.save("two-s", "Two")
    one = mapping.target_id("one-s")
    mapping.save("one-s", "Two")
    mapping.save("two-s", "One")
    assert mapping.target.tree() == {"msgfolderroot/One", "msgfolderroot/Two"}
    assert mapping.target.path(one) == "msgfolderroot/Two"


def test_a_folder_nobody_of_us_made_keeps_its_name_when_ours_wants_it(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    foreign_id = mapping.target.add_folder(mapping.top_id, "Plans")
    mapping.save("work-s", "Plans")
    assert mapping.target.path(foreign_id) == "msgfolderroot/Plans"
    assert mapping.target.path(mapping.target_id("work-s")) != "msgfolderroot/Plans"


def test_a_move_takes_place_although_a_foreign_folder_has_the_name_there(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans")
    mapping.target.add_folder(mapping.target_id("work-s"), "Plans")
    mapping.save("plans-s", "Plans", "work-s")
    assert mapping.target.folders[mapping.target_id("plans-s")].parent_id == mapping.target_id("work-s")


def test_a_folder_with_something_in_it_is_not_deleted(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans")
    mapping.target.add_item(mapping.target_id("work-s"), b"mine")
    mapping.target.add_folder(mapping.target_id("plans-s"), "Mine")
    mapping.delete("work-s")
    mapping.delete("plans-s")
    assert mapping.target.tree() == {"msgfolderroot/Work", "msgfolderroot/Plans", "msgfolderroot/Plans/Mine"}


def test_a_folder_deleted_in_a_seed_stays_mapped_until_the_seeds_end_while_something_lies_in_it(
    mapping: Mapping,
) -> None:
    mapping.save("work-s", "Work")
    item_id = mapping.target.add_item(mapping.target_id("work-s"), b"ours, under a key the seed does not name")
    mapping.delete("work-s", in_seed=True)
    end = SeedEnd(begun=1, items=0)
    assert stale_folders(mapping.ledger, mapping.making.change(end, 9), end) == [FolderDeleted(folder_id="work-s")]
    mapping.target.delete(mapping.making.address, [item_id], hard=True)
    mapping.delete("work-s")
    assert mapping.target.tree() == set()


def test_an_empty_folder_we_made_is_deleted_and_a_repetition_is_nothing(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.delete("work-s")
    mapping.delete("work-s")
    assert mapping.target.tree() == set()


def test_a_folder_deleted_at_the_target_is_made_anew_with_its_parents(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans", "work-s")
    for folder_id in ("plans-s", "work-s"):
        mapping.target.delete_folder(mapping.making.address, mapping.target_id(folder_id))
    mapping.folders.restore(mapping.making.address, mapping.making.mailbox, "plans-s")
    assert mapping.target.tree() == {"msgfolderroot/Work", "msgfolderroot/Work/Plans"}


@pytest.mark.parametrize("is_new", [True, False])
def test_a_folder_whose_parent_was_deleted_at_the_target_comes_into_a_new_one(mapping: Mapping, is_new: bool) -> None:  # noqa: FBT001 - a case
    """Users at a promoted target delete what the old source's tail still works in (`make cycles`, seed 2)."""
    mapping.save("work-s", "Work")
    mapping.save("plans-s", "Plans", "work-s")
    if not is_new:
        mapping.save("old-s", "Old")
    for name in ("plans-s", "work-s"):
        mapping.target.delete_folder(mapping.making.address, mapping.target_id(name))
    mapping.save("new-s" if is_new else "old-s", "New", "plans-s")
    assert mapping.target.tree() == {
        "msgfolderroot/Work", "msgfolderroot/Work/Plans", "msgfolderroot/Work/Plans/New"
    }  # fmt: skip


def test_an_adopted_folder_that_was_made_anew_is_ours_although_the_answer_was_lost(mapping: Mapping) -> None:
    adopted_id = mapping.target.add_folder(mapping.top_id, "Work")
    mapping.save("work-s", "Work")
    mapping.target.delete_folder(mapping.making.address, adopted_id)

    def lose_answer(name: str, when: str) -> None:
        if (name, when) == ("create_folder", "after"):
            raise AnswerUnknown("reset", "the connection broke")

    mapping.target.hook = lose_answer
    with pytest.raises(AnswerUnknown):
        mapping.folders.restore(mapping.making.address, mapping.making.mailbox, "work-s")
    mapping.target.hook = lambda _name, _when: None
    mapping.folders.restore(mapping.making.address, mapping.making.mailbox, "work-s")
    assert mapping.target.tree() == {"msgfolderroot/Work"}
    mapping.delete("work-s")
    assert mapping.target.tree() == set()


def test_an_older_state_of_a_folder_changes_nothing(mapping: Mapping) -> None:
    mapping.save("work-s", "Work")
    mapping.save("work-s", "New name")
    mapping.sequence = 0
    mapping.save("work-s", "Work")
    assert mapping.target.tree() == {"msgfolderroot/New name"}


def test_a_distinguished_folder_is_asked_for_once(mapping: Mapping) -> None:
    mapping.target.calls.clear()
    for _ in range(3):
        mapping.folders.root(mapping.making.address, "drafts")
    assert mapping.target.calls == ["root"]
