from collections.abc import Iterable
from typing import Any

import pytest

from consumers.coalescing import coalesced
from schemas.change import FolderSaved, ItemDeleted, ItemMarked, ItemMoved, Marks

READ = Marks(is_read=True)
BARRIER = FolderSaved(folder_id="f", parent_id="", name="F", folder_class="IPF.Note", distinguished="")


@pytest.fixture
def left(making: Any) -> Any:
    """Return sequence and offset of the changes that are left of a row of words such as "save a"."""

    def operation(word: str) -> Any:
        kind, _, name = word.partition(" ")
        ref = making.ref(name)
        return {
            "save": making.saved(ref, b"x"),
            "asked": making.saved(ref, b"x", targets=("t",)),
            "mark": ItemMarked(ref=ref, marks=READ),
            "move": ItemMoved(ref=ref, from_folder_id="f"),
            "delete": ItemDeleted(ref=ref),
            "folder": BARRIER,
        }[kind]

    def of(words: Iterable[str], **options: bool) -> list[tuple[int, int]]:
        changes = [making.received(making.change(operation(w), n), 10 * n) for n, w in enumerate(words, 1)]
        return [(r.change.sequence, r.begins_at) for r in coalesced(changes, **options)]

    return of


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["save a", "save a"], [(2, 10)]),
        (["save a", "save b", "save a"], [(2, 10), (3, 30)]),
        (["save b", "save a", "mark b", "save a"], [(1, 10), (3, 20), (4, 40)]),
        (["mark a", "move a", "save a"], [(3, 10)]),
        (["mark a", "move a", "mark a", "move a"], [(3, 10), (4, 40)]),
        (["save a", "mark a", "move a"], [(1, 10), (2, 20), (3, 30)]),
        (["save a", "delete a"], [(1, 10), (2, 20)]),
        (["save a", "delete a", "save a"], [(2, 10), (3, 30)]),
        (["asked a", "save a"], [(1, 10), (2, 20)]),
        (["save a", "asked a"], [(2, 10)]),
        (["save a", "folder", "save a"], [(1, 10), (2, 20), (3, 30)]),
        ([], []),
    ],
)
def test_what_a_later_complete_state_or_change_of_its_kind_says_anew_is_left_out(
    left: Any, words: list[str], expected: list[tuple[int, int]]
) -> None:
    assert left(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["move a", "save a"], [(1, 10), (2, 20)]),
        (["move a", "mark a", "move a", "save a"], [(3, 10), (4, 40)]),
        (["save a", "mark a", "save a"], [(3, 10)]),
        (["save a", "mark a", "move a", "save a"], [(1, 10), (3, 20), (4, 40)]),
        (["move a", "save a", "move a", "save a"], [(1, 10), (2, 20), (3, 30), (4, 40)]),
    ],
)
def test_where_items_are_changed_where_they_are_they_are_moved_there_first(
    left: Any, words: list[str], expected: list[tuple[int, int]]
) -> None:
    assert left(words, edits_in_place=True) == expected
