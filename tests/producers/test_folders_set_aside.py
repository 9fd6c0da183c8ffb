"""A folder that can't be read is set aside: it holds no other, and only the hierarchy says that it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.capture import PAGES_A_PART_MAX, Dirt
from producers.source import CursorLostError, HierarchyPage, ItemPage
from schemas.change import FolderDeleted, FolderSaved, ItemDeleted, ItemSaved, Operation
from schemas.endless import PAGES_WITHOUT_NEWS_MAX
from schemas.faults import ReplicationFault
from schemas.ports import AnswerUnknown, CallRefused

from .memory_source import ADDRESS
from .replica import assert_equal
from .test_tail import tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.capture import Capture

    from .conftest import Rig

GONE_CODES = ["ErrorFolderNotFound", "ErrorItemNotFound", "ErrorSyncFolderNotFound"]
FOR_A_WHILE = 6


def refuse(code: str) -> Callable[[], None]:
    def act() -> None:
        raise CallRefused(code, "one bad moment")

    return act


def rounds(rig: Rig, capture: Capture, count: int = FOR_A_WHILE) -> list[Operation]:
    said: list[Operation] = []
    for _ in range(count):
        said += rig.round(capture)
        rig.rest(60)
    return said


def work_folder(rig: Rig) -> tuple[Capture, str]:
    """A capture that has read a folder with three items, to which one more was added since."""
    folder = rig.source.add_folder("Work")
    for _ in range(3):
        rig.source.add(folder)
    capture = rig.capture()
    rig.round(capture)
    rig.rest()
    rig.source.add(folder)
    return capture, folder


class TestLivingFolder:
    @pytest.mark.parametrize("code", GONE_CODES)
    def test_one_refused_sync_deletes_nothing_and_the_folder_is_read_in_the_same_round(
        self, rig: Rig, code: str
    ) -> None:
        capture, folder = work_folder(rig)
        rig.source.before("items", refuse(code))
        assert [type(o) for o in rig.round(capture)] == [ItemSaved]
        rig.rest(60)
        rig.source.add(folder)
        assert [type(o) for o in rounds(rig, capture)] == [ItemSaved]
        assert_equal(rig)

    @pytest.mark.parametrize("code", GONE_CODES)
    def test_sync_may_refuse_a_living_folder_for_long(self, rig: Rig, code: str) -> None:
        capture, folder = work_folder(rig)
        certain_up_to = capture.index.record.certain_up_to
        for _ in range(2 * FOR_A_WHILE):
            rig.source.before("items", refuse(code))
        assert rounds(rig, capture) == []
        assert capture.index.record.certain_up_to == certain_up_to
        assert capture.unread == {folder}
        assert code in capture.trouble
        rig.source.hooks["items"].clear()
        assert [type(o) for o in rounds(rig, capture)] == [ItemSaved]
        assert capture.trouble == ""
        assert_equal(rig)

    def test_what_the_hierarchy_never_named_is_gone_once_all_of_it_was_read(self, rig: Rig) -> None:
        capture, folder = work_folder(rig)
        rig.source.delete_folder(folder)
        rig.source.tree.remove(folder)  # the creation, so that no answer after the cursor names it
        rig.source.tree.remove(folder)
        said = rounds(rig, capture)
        assert [type(o) for o in said[-1:]] == [FolderDeleted]
        assert_equal(rig)

    def test_a_folder_that_comes_back_before_its_deletion_was_said_is_read_anew(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        capture, folder = work_folder(rig)
        stored = rig.source.folders[folder]
        answer = rig.source.hierarchy
        names_it = HierarchyPage((), (folder,), "0:0:0", is_last=True)
        monkeypatch.setattr(rig.source, "hierarchy", lambda *_: names_it)
        rig.source.before("probe", refuse("connection-refused"))
        with pytest.raises(CallRefused):
            rig.round(capture)
        assert capture.index.folders[folder].gone
        monkeypatch.setattr(rig.source, "hierarchy", answer)
        rig.source.tree.append(stored.seen.folder_id)
        assert ItemDeleted not in {type(o) for o in rounds(rig, capture)}
        assert_equal(rig)

    def test_an_empty_hierarchy_deletes_no_folder_the_server_answers_for(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        capture, _ = work_folder(rig)
        rig.source.lose_cursors()
        answer = rig.source.hierarchy
        answers = [lambda: HierarchyPage((), (), answer(ADDRESS, "").cursor, is_last=True)]

        def hierarchy(address: str, cursor: str) -> HierarchyPage:
            return answers.pop()() if answers and not cursor else answer(address, cursor)

        monkeypatch.setattr(rig.source, "hierarchy", hierarchy)
        assert {type(o) for o in rounds(rig, capture)} == {ItemSaved}
        assert_equal(rig)

    def test_an_empty_listing_deletes_no_item_the_server_answers_for(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        capture, folder = work_folder(rig)
        rig.source.lose_cursors()
        answer, odd = rig.source.items, ["once"]

        def items(address: str, folder_id: str, cursor: str) -> ItemPage:
            page = answer(address, folder_id, cursor)
            is_odd = folder_id == folder and not cursor and bool(odd) and odd.pop() == "once"
            return ItemPage((), (), (), page.cursor, is_last=True) if is_odd else page

        monkeypatch.setattr(rig.source, "items", items)
        assert ItemDeleted not in {type(o) for o in rounds(rig, capture)}


def test_the_tail_names_what_a_folder_holds_that_the_index_forgot(rig: Rig) -> None:
    folder = rig.source.add_folder("Work")
    item_id = rig.source.add(folder)
    rig.spin(10)
    capture = rig.capture()
    for entry in list(capture.index.in_folder(folder)):
        capture.index.remove(entry.item)
    capture.index.remove_folder(folder)
    rig.owned.transact(capture.index.drain(rig.topics), {})
    assert ("ItemSaved", item_id) in {(left.kind, left.item_id) for left in tail(rig)}


def test_a_tree_deleted_within_a_round_is_said_children_first(rig: Rig) -> None:
    parent = rig.source.add_folder("Parent")
    child = rig.source.add_folder("Child", parent_id=parent)
    capture = rig.capture()
    rig.round(capture)
    rig.rest()
    rig.source.add(parent)
    rig.source.before("items", lambda: rig.source.delete_folder(parent))
    gone = [o.folder_id for o in rounds(rig, capture) if isinstance(o, FolderDeleted)]
    assert gone == [child, parent]


def test_folders_are_said_parents_first_over_pages(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = rig.source.add_folder("Parent")
    child = rig.source.add_folder("Child", parent_id=parent)
    order = [child, rig.source.inbox, parent]

    def hierarchy(_address: str, cursor: str) -> HierarchyPage:
        number = int(cursor or 0)
        seen = tuple(rig.source.folders[f].seen for f in order[number : number + 1])
        return HierarchyPage(seen, (), str(number + 1), is_last=number == len(order) - 1)

    monkeypatch.setattr(rig.source, "hierarchy", hierarchy)
    names = [o.name for o in rig.round(rig.capture()) if isinstance(o, FolderSaved)]
    assert names.index("Parent") < names.index("Child")


class TestOneFolderHoldsNoOther:
    @pytest.mark.parametrize(
        "failure",
        [CallRefused("ErrorInternalServerError", ""), AnswerUnknown("reset", ""), CallRefused("http-bad-request", "")],
        ids=["fault", "reset", "odd HTTP answer"],
    )
    def test_a_folder_whose_sync_fails_is_set_aside(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        bad, good = rig.source.add_folder("Bad"), rig.source.add_folder("Good")
        rig.source.add(bad)
        item_id = rig.source.add(good)
        answer = rig.source.items

        def items(address: str, folder_id: str, cursor: str) -> ItemPage:
            if folder_id == bad:
                raise failure
            return answer(address, folder_id, cursor)

        monkeypatch.setattr(rig.source, "items", items)
        capture = rig.capture()
        said = rounds(rig, capture)
        assert [o.ref.item_id for o in said if isinstance(o, ItemSaved)] == [item_id]
        assert capture.trouble
        monkeypatch.setattr(rig.source, "items", answer)
        rig.rest(300)
        rounds(rig, capture)
        assert_equal(rig)

    def test_where_no_folder_can_be_probed_every_folder_is_read(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folders = [rig.source.add_folder(f"{number}") for number in range(40)]
        for folder in folders:
            rig.source.add(folder)

        def probe(_address: str, _folder_ids: list[str]) -> dict[str, str]:
            raise AnswerUnknown("reset", "the connection broke")

        monkeypatch.setattr(rig.source, "probe", probe)
        capture = rig.capture()
        said = rig.round(capture)
        assert len([o for o in said if isinstance(o, ItemSaved)]) == len(folders)
        assert not capture.unread

    def test_where_no_folder_can_be_read_the_round_fails(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in "abcde":
            rig.source.add_folder(name)

        def items(_address: str, _folder_id: str, _cursor: str) -> ItemPage:
            rig.source.calls.append(("items", ("", "")))
            raise AnswerUnknown("reset", "the connection broke")

        monkeypatch.setattr(rig.source, "items", items)
        with pytest.raises(AnswerUnknown):
            rig.round(rig.capture())
        assert [method for method, _ in rig.source.calls].count("items") == len("abc")


class TestEndlessAnswers:
    def endless(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, folder: str, page: Callable[[str], ItemPage]
    ) -> list[str]:
        """Let a folder answer for ever; returns the cursors it is asked with."""
        asked: list[str] = []
        answer = rig.source.items

        def items(address: str, folder_id: str, cursor: str) -> ItemPage:
            if folder_id != folder:
                return answer(address, folder_id, cursor)
            asked.append(cursor)
            return page(cursor)

        monkeypatch.setattr(rig.source, "items", items)
        return asked

    def test_a_sync_state_that_is_refused_empty_sets_its_folder_aside(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = rig.source.add_folder("Bad")
        item_id = rig.source.add(rig.source.inbox)

        def lose(_cursor: str) -> ItemPage:
            raise CursorLostError("the sync state is not known")

        asked = self.endless(rig, monkeypatch, bad, lose)
        capture = rig.capture()
        assert [o.ref.item_id for o in rig.round(capture) if isinstance(o, ItemSaved)] == [item_id]
        assert asked == [""]
        rounds(rig, capture)
        assert "ErrorInvalidSyncStateData" in capture.trouble

    def test_a_cursor_that_is_lost_again_and_again_sets_its_folder_aside(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = rig.source.add_folder("Bad")

        def lose_every_second(cursor: str) -> ItemPage:
            if cursor:
                raise CursorLostError("the sync state is not known")
            return ItemPage((), (), (), "second", is_last=False)

        asked = self.endless(rig, monkeypatch, bad, lose_every_second)
        rig.round(rig.capture())
        assert len(asked) <= PAGES_WITHOUT_NEWS_MAX

    def test_pages_that_name_nothing_and_never_end_set_their_folder_aside(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = rig.source.add_folder("Bad")
        item_id = rig.source.add(rig.source.inbox)
        asked = self.endless(rig, monkeypatch, bad, lambda _cursor: ItemPage((), (), (), "same", is_last=False))
        capture = rig.capture()
        said = rounds(rig, capture)
        assert [o.ref.item_id for o in said if isinstance(o, ItemSaved)] == [item_id]
        assert len(asked) == FOR_A_WHILE * PAGES_WITHOUT_NEWS_MAX
        assert ReplicationFault.ENDLESS_ANSWER in capture.trouble

    def test_a_cursor_without_end_is_thrown_away(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        capture, folder = work_folder(rig)
        answer = rig.source.items

        def page(cursor: str) -> ItemPage:
            return ItemPage((), (), (), cursor, is_last=False) if cursor else answer(ADDRESS, folder, "")

        self.endless(rig, monkeypatch, folder, page)
        assert [type(o) for o in rounds(rig, capture)] == [ItemSaved]
        assert not capture.unread

    def test_a_hierarchy_without_end_fails_its_round(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rig.source, "hierarchy", lambda *_: HierarchyPage((), (), "same", is_last=False))
        with pytest.raises(CallRefused, match=ReplicationFault.ENDLESS_ANSWER):
            rig.round(rig.capture())

    def test_a_hierarchy_that_refuses_the_empty_state_fails_its_round(self, rig: Rig) -> None:
        def lose() -> None:
            raise CursorLostError("the sync state is not known")

        for _ in range(PAGES_WITHOUT_NEWS_MAX):
            rig.source.before("hierarchy", lose)
        with pytest.raises(CallRefused, match="ErrorInvalidSyncStateData"):
            rig.round(rig.capture())

    def test_a_long_reading_gives_others_their_turn(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = rig.source.add_folder("Long")
        pages = iter(range(2 * PAGES_A_PART_MAX))

        def page(_cursor: str) -> ItemPage:
            number = next(pages)
            return ItemPage((), (), (f"gone-{number}",), str(number), is_last=number == 2 * PAGES_A_PART_MAX - 1)

        self.endless(rig, monkeypatch, folder, page)
        assert len(list(rig.capture().parts(Dirt()))) == len(["two of the long folder", "the rest"]) + 1
