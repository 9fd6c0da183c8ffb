from dataclasses import replace
from typing import Any

import pytest

from consumers.folder_map import FolderMap
from consumers.intents import blank
from consumers.ledger import Ledger
from consumers.recovery import MARK_ATTEMPTS_MAX, Finding, Recovery
from consumers.target import Refused
from schemas.change import FolderSaved, Marks
from schemas.codec import decode
from schemas.ports import CallRefused
from schemas.state import Intent, IntentKind, ItemRecord, ItemState, Orphan, TargetMailbox

UNREAD, READ = Marks(is_read=False), Marks(is_read=True)


class Bench:
    """A mailbox with two folders, and records whose intents are open."""

    def __init__(self, target: Any, ledger: Ledger, making: Any) -> None:
        self.target, self.ledger, self.making = target, ledger, making
        self.folders = FolderMap(target, ledger, lambda: None)
        self.committed: list[ItemRecord | None] = []
        self.recovery = Recovery(target, ledger, self.folders, "abc", self._commit)
        for number, name in enumerate(("Work", "Plans"), 1):
            saved = FolderSaved(
                folder_id=f"{name}-s", parent_id="", name=name, folder_class="IPF.Note", distinguished=""
            )
            self.folders.save(making.address, making.change(saved, number), saved)
        self.staging_id = target.add_folder(target.root(making.address, "root"), "staging", is_hidden=True)

    def _commit(self) -> None:
        self.committed.append(self.ledger.item(self.making.mailbox, self.making.key("a")))

    def folder(self, name: str) -> str:
        return self.folders.target_id(self.making.mailbox, f"{name}-s")

    def stamp(self, nonce: str) -> str:
        return f"abc:{self.making.key('a')}:{nonce}"

    def item(self, folder_id: str, nonce: str, content: bytes = b"x") -> str:
        return str(self.target.add_item(folder_id, content, self.stamp(nonce)))

    def settle(self, kind: IntentKind, target_id: str, **other: Any) -> Any:
        """Settle an intent of an item that is recorded in Work with the nonce `old`."""
        intent = Intent(
            kind=kind,
            generation=1,
            sequence=9,
            nonce="new" if kind in {IntentKind.PLACE, IntentKind.MARK} else "old",
            target_id=target_id,
            change_key=self.key_of(target_id),
            folder_id="Work-s" if kind in {IntentKind.MARK, IntentKind.DELETE} else "Plans-s",
            replaced_id="",
            source_change_key="",
            marks=READ,
        )
        record = replace(
            blank(self.making.key("a"), "Work-s"),
            state=ItemState.PRESENT,
            target_id=target_id,
            nonce="old",
            intent=replace(intent, **other),
        )
        self.ledger.put_item(self.making.mailbox, record)
        return self.recovery.settle(self.making.address, self.making.mailbox, record)

    def ledger_orphans(self) -> list[Orphan]:
        found = (decode(r.value) for r in self.ledger.drain() if r.value)
        return [r for r in found if isinstance(r, Orphan)]

    def key_of(self, item_id: str) -> str:
        return str(self.target.items[item_id].change_key) if item_id in self.target.items else "dead"

    def where(self) -> list[tuple[str, str]]:
        return sorted((self.target.path(i.folder_id), i.stamp.split(":")[2]) for i in self.target.items.values())


@pytest.fixture
def bench(target: Any, ledger: Ledger, making: Any) -> Bench:
    return Bench(target, ledger, making)


def test_a_placement_that_was_done_is_found_by_its_nonce(bench: Bench) -> None:
    placed = bench.item(bench.folder("Plans"), "new")
    settled = bench.settle(IntentKind.PLACE, "dead")
    assert (settled.finding, settled.done.item_id) == (Finding.DONE, placed)
    assert "move" not in bench.target.calls


def test_a_placement_that_was_not_done_is_done_from_staging(bench: Bench) -> None:
    settled = bench.settle(IntentKind.PLACE, bench.item(bench.staging_id, "new"))
    assert settled.finding is Finding.DONE
    assert bench.where() == [("msgfolderroot/Plans", "new")]


def test_a_placement_whose_staged_item_is_gone_is_staged_again(bench: Bench) -> None:
    assert bench.settle(IntentKind.PLACE, "dead").finding is Finding.AGAIN


def test_a_placement_that_arrives_between_two_looks_is_found_by_the_second(bench: Bench) -> None:
    staged = bench.item(bench.staging_id, "new")

    def arrive(name: str, when: str) -> None:
        if (name, when) == ("move", "before") and staged in bench.target.items:
            item = bench.target.items.pop(staged)
            item.folder_id = bench.folder("Plans")
            bench.target.items["arrived"] = item

    bench.target.hook = arrive
    settled = bench.settle(IntentKind.PLACE, staged)
    assert (settled.finding, settled.done.item_id) == (Finding.DONE, "arrived")


def test_what_a_placement_replaces_goes_by_its_id_alone_because_the_old_stamp_may_be_on_somebodys_copy(
    bench: Bench,
) -> None:
    bench.item(bench.folder("Plans"), "new")
    replaced_id = bench.item(bench.folder("Work"), "old")
    copy_id = bench.item(bench.folder("Plans"), "old")
    bench.settle(IntentKind.PLACE, "dead", replaced_id=replaced_id)
    assert replaced_id not in bench.target.items
    bench.settle(IntentKind.PLACE, "dead", replaced_id=replaced_id)
    assert copy_id in bench.target.items
    assert [r.target_id for r in bench.ledger_orphans()] == [copy_id]


def test_two_items_of_one_nonce_are_never_adopted(bench: Bench) -> None:
    for _ in range(2):
        bench.item(bench.folder("Plans"), "new")
    settled = bench.settle(IntentKind.PLACE, "dead")
    assert (settled.finding, settled.reason) == (Finding.PARKED, "ambiguous-stamp")


def test_a_move_that_was_done_is_found_and_one_that_was_not_is_done(bench: Bench) -> None:
    bench.item(bench.folder("Plans"), "old")
    assert bench.settle(IntentKind.MOVE, "dead").finding is Finding.DONE
    bench.target.items.clear()
    settled = bench.settle(IntentKind.MOVE, bench.item(bench.folder("Work"), "old"))
    assert settled.finding is Finding.DONE
    assert bench.where() == [("msgfolderroot/Plans", "old")]


def test_a_move_of_an_item_that_a_user_moved_starts_from_there_with_a_new_intent(bench: Bench) -> None:
    other_id = bench.item(bench.folder("Work"), "old")
    settled = bench.settle(IntentKind.MOVE, "an id that died by the user's move")
    assert settled.finding is Finding.DONE
    assert [r.intent.target_id for r in bench.committed if r and r.intent] == [other_id]
    assert bench.where() == [("msgfolderroot/Plans", "old")]


def test_a_move_of_an_item_that_is_nowhere_is_lost(bench: Bench) -> None:
    assert bench.settle(IntentKind.MOVE, "dead").finding is Finding.LOST


def test_a_folder_deleted_at_the_target_is_made_anew_for_what_moves_there(bench: Bench) -> None:
    bench.target.delete_folder(bench.making.address, bench.folder("Plans"))
    settled = bench.settle(IntentKind.MOVE, bench.item(bench.folder("Work"), "old"))
    assert settled.finding is Finding.DONE
    assert bench.where() == [("msgfolderroot/Plans", "old")]


def test_marks_that_carry_our_nonce_are_done_without_another_write(bench: Bench) -> None:
    item_id = bench.item(bench.folder("Work"), "new")
    assert bench.settle(IntentKind.MARK, item_id).finding is Finding.DONE
    assert "update" not in bench.target.calls


def test_marks_that_met_another_write_commit_the_change_key_they_found_before_they_are_sent(bench: Bench) -> None:
    item_id = bench.item(bench.folder("Work"), "old")
    order: list[str] = []
    bench.target.hook = lambda name, when: order.append(name) if when == "before" else None
    bench.recovery._commit = lambda: order.append("commit")
    settled = bench.settle(IntentKind.MARK, item_id, change_key="stale")
    assert settled.finding is Finding.DONE
    assert order == ["look", "commit", "update"]
    assert bench.target.items[item_id].marks == READ


def test_marks_that_always_meet_another_write_are_parked(bench: Bench) -> None:
    item_id = bench.item(bench.folder("Work"), "old")

    def write_first(name: str, when: str) -> None:
        if (name, when) == ("update", "before"):
            bench.target.items[item_id].change_key += "+"

    bench.target.hook = write_first
    assert bench.settle(IntentKind.MARK, item_id).finding is Finding.PARKED
    assert bench.target.calls.count("update") == MARK_ATTEMPTS_MAX
    assert bench.target.items[item_id].marks != UNREAD


@pytest.mark.parametrize("nonce", ["old", "new"])
def test_marks_follow_an_item_that_a_user_moved(bench: Bench, nonce: str) -> None:
    item_id = bench.item(bench.folder("Plans"), nonce)
    settled = bench.settle(IntentKind.MARK, "an id that died by the move")
    assert (settled.finding, settled.done.item_id) == (Finding.DONE, item_id)
    assert bench.target.items[item_id].stamp == bench.stamp("new")


@pytest.mark.parametrize("kind", [IntentKind.MARK, IntentKind.MOVE])
def test_the_copy_of_an_item_that_a_user_deleted_does_not_stand_for_it(bench: Bench, kind: IntentKind) -> None:
    item_id = bench.item(bench.folder("Work"), "old")
    bench.item(bench.folder("Work"), "old")
    bench.target.delete(bench.making.address, [item_id], hard=False)
    assert bench.settle(kind, item_id).finding is Finding.LOST


def test_where_recoverable_items_cannot_be_looked_up_nothing_more_is_deleted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_address: str, name: str) -> str:
        raise CallRefused("ErrorFolderNotFound", name)

    monkeypatch.setattr(bench.folders, "root", refuse)
    bench.item(bench.folder("Plans"), "old")
    assert bench.settle(IntentKind.DELETE, "dead").finding is Finding.DONE
    assert bench.where() == [("msgfolderroot/Plans", "old")]


def test_marks_of_an_item_that_is_nowhere_are_lost(bench: Bench) -> None:
    assert bench.settle(IntentKind.MARK, "dead").finding is Finding.LOST


def test_a_deletion_is_done_by_id_or_by_stamp_where_somebody_moved_the_item(bench: Bench) -> None:
    assert bench.settle(IntentKind.DELETE, bench.item(bench.folder("Work"), "old")).finding is Finding.DONE
    bench.target.recoverable.clear()
    bench.item(bench.folder("Plans"), "old")
    assert bench.settle(IntentKind.DELETE, "dead").finding is Finding.DONE
    assert bench.settle(IntentKind.DELETE, "dead").finding is Finding.DONE
    assert bench.target.items == {}
    assert len(bench.target.recoverable) == 1


def test_a_deletion_that_was_done_leaves_the_copy_somebody_made(bench: Bench) -> None:
    item_id = bench.item(bench.folder("Work"), "old")
    bench.item(bench.folder("Plans"), "old")
    bench.target.delete(bench.making.address, [item_id], hard=False)
    assert bench.settle(IntentKind.DELETE, item_id).finding is Finding.DONE
    assert bench.where() == [("msgfolderroot/Plans", "old")]


def test_a_deletion_that_is_refused_while_the_item_is_there_is_not_taken_for_done(bench: Bench) -> None:
    item_id = bench.item(bench.folder("Work"), "old")
    kept = type(bench.target)._delete
    try:
        type(bench.target)._delete = lambda *_a, **_k: Refused("ErrorCannotDeleteObject")
        with pytest.raises(CallRefused):
            bench.settle(IntentKind.DELETE, item_id)
    finally:
        type(bench.target)._delete = kept


def test_a_record_without_an_intent_has_nothing_to_settle(bench: Bench) -> None:
    record = blank(bench.making.key("a"), "Work-s")
    settled = bench.recovery.settle(bench.making.address, bench.making.mailbox, record)
    assert settled.finding is Finding.AGAIN
    assert "find" not in bench.target.calls


@pytest.mark.parametrize(("nonce", "finding"), [("new", Finding.DONE), ("old", Finding.AGAIN)])
def test_an_edit_of_an_item_that_a_user_moved_is_settled_where_it_lies(
    bench: Bench, nonce: str, finding: Finding
) -> None:
    mine = bench.target.add_folder(bench.target.root(bench.making.address, "msgfolderroot"), "Mine")
    moved = bench.item(mine, nonce)
    settled = bench.settle(IntentKind.EDIT, "dead", nonce="new")
    assert settled.finding is finding
    record = bench.ledger.item(bench.making.mailbox, bench.making.key("a"))
    assert record is not None
    assert moved in (settled.done.item_id if settled.done else "", record.target_id)


def no_recoverable_items(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_address: str, name: str) -> str:
        raise CallRefused("ErrorFolderNotFound", name)

    monkeypatch.setattr(bench.folders, "root", refuse)


@pytest.mark.parametrize("role", ["MIRRORING", "MERGING"])
def test_a_placement_that_is_nowhere_is_staged_again_also_where_recoverable_items_cannot_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    bench.ledger.put_mailbox(TargetMailbox(mailbox=bench.making.mailbox, role=role))
    no_recoverable_items(bench, monkeypatch)
    assert bench.settle(IntentKind.PLACE, "dead").finding is Finding.AGAIN


@pytest.mark.parametrize(("role", "folder"), [("MIRRORING", "Plans"), ("MERGING", "Mine")])
def test_a_placement_that_a_user_filed_is_found_also_where_recoverable_items_cannot_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, role: str, folder: str
) -> None:
    bench.ledger.put_mailbox(TargetMailbox(mailbox=bench.making.mailbox, role=role))
    mine = bench.target.add_folder(bench.target.root(bench.making.address, "msgfolderroot"), "Mine")
    bench.item(mine, "new")
    no_recoverable_items(bench, monkeypatch)
    assert bench.settle(IntentKind.PLACE, "dead").finding is Finding.DONE
    assert bench.where() == [(f"msgfolderroot/{folder}", "new")]
