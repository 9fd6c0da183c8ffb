"""Checksums are said when the log and the source's listing agree, and only when there is something to say."""

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

import pytest

from producers.capture import Capture
from producers.index import MailboxIndex
from producers.proof import ProofSettings
from schemas.canonical_row import FolderDigest
from schemas.change import Checksum, ItemDeleted, Marks, Operation
from schemas.listing import ListingPage
from schemas.ports import CallRefused
from schemas.state import Order, SourceFolder

Rig = Any
"""The fixture's class; fixtures of conftest can't be imported."""
SETTINGS = ProofSettings(interval_seconds=100.0, spacing_seconds=1.0)


@pytest.fixture
def proving(rig: Rig) -> Callable[[], Capture]:
    def make() -> Capture:
        capture: Capture = rig.capture()
        capture.prove(SETTINGS, rig.metrics)
        return capture

    return make


def checksums(said: list[Operation]) -> list[Checksum]:
    return [o for o in said if isinstance(o, Checksum)]


def rounds(rig: Rig, capture: Capture, times: int = 3) -> list[Operation]:
    said: list[Operation] = []
    for _ in range(times):
        said += rig.round(capture)
        rig.rest()
    return said


def of(rig: Rig, folder_id: str) -> FolderDigest:
    index = MailboxIndex.restore(rig.mailbox, rig.topics, rig.owned)
    found = FolderDigest()
    for item in rig.source.listing("", folder_id, 0).items:
        entry = index.by_item_id(item.item_id)
        assert entry
        found = found.plus(entry.item, item.row)
    return found


def test_a_folder_at_rest_is_said_once_and_not_again_while_nothing_changes(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    rig.source.add(rig.source.inbox)
    rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    (found,) = checksums(rounds(rig, capture))
    expected = of(rig, rig.source.inbox)
    assert (found.folder_id, found.items, found.digest) == (rig.source.inbox, 2, expected.hex)
    assert rounds(rig, capture, 5) == []


def test_an_empty_folder_is_said_too_so_that_extra_items_at_a_target_show(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    rig.rest()
    (found,) = checksums(rounds(rig, proving()))
    assert (found.items, found.digest) == (0, "0" * 32)


def test_a_checksum_stands_after_every_change_of_its_folder(rig: Rig, proving: Callable[[], Capture]) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rounds(rig, capture)
    rig.source.mark(item_id, Marks(is_read=True))
    rig.rest()
    said = rounds(rig, capture)
    assert [type(o).__name__ for o in said] == ["ItemMarked", "Checksum"]
    assert checksums(said)[0].digest == of(rig, rig.source.inbox).hex


def test_the_same_digest_is_said_again_once_anything_of_the_folder_was_said(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    (first,) = checksums(rounds(rig, capture))
    said: list[Operation] = []
    for marks in (Marks(is_read=True), Marks(is_read=False)):
        rig.source.mark(item_id, marks)
        rig.rest()
        said += rig.round(capture)
    said += rounds(rig, capture)
    assert [type(o).__name__ for o in said] == ["ItemMarked", "ItemMarked", "Checksum"]
    assert said[-1] == first


def test_a_folder_that_changes_while_it_is_listed_is_left_for_later(rig: Rig, proving: Callable[[], Capture]) -> None:
    rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rig.round(capture)
    rig.rest()
    rig.source.before("listing", lambda: rig.source.add(rig.source.inbox))
    assert checksums(rig.round(capture)) == []
    (found,) = checksums(rounds(rig, capture))
    assert found.items == 2


def test_marks_set_while_a_folder_is_listed_are_said_before_its_checksum(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rig.round(capture)
    rig.rest()
    rig.source.before("listing", lambda: rig.source.mark(item_id, Marks(is_read=True)))
    assert checksums(rig.round(capture)) == []
    rig.rest()
    said = rounds(rig, capture)
    assert [type(o).__name__ for o in said] == ["ItemMarked", "Checksum"]
    assert checksums(said)[0].digest == of(rig, rig.source.inbox).hex


def test_a_folder_that_lost_an_item_without_a_word_is_read_again_before_its_checksum(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rounds(rig, capture)
    del rig.source.items_by_id[item_id]
    rig.source.folders[rig.source.inbox].journal.clear()
    rig.rest(seconds=200)
    capture.index.put_folder(_with_probe_of_now(rig, capture))
    said = rounds(rig, capture, 5)
    assert [type(o).__name__ for o in said] == ["ItemDeleted", "Checksum"]
    assert checksums(said)[0].items == 0


def test_a_folder_with_an_item_owed_is_not_said(rig: Rig, proving: Callable[[], Capture]) -> None:
    item_id = rig.source.add(rig.source.inbox)
    rig.source.items_by_id[item_id].refusals["export"] = "ErrorTimeoutExpired"
    rig.rest()
    capture = proving()
    assert checksums(rounds(rig, capture, 2)) == []
    del rig.source.items_by_id[item_id].refusals["export"]
    assert len(checksums(rounds(rig, capture, 6))) == 1


def test_a_large_folder_is_listed_over_many_rounds(rig: Rig, proving: Callable[[], Capture]) -> None:
    rig.source.listing_items_max = 2
    for _ in range(40):
        rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rig.round(capture)
    rig.rest()
    counts, said = [], []
    for _ in range(5):
        before = len(rig.source.calls)
        said += rig.round(capture)
        counts.append(sum(name == "listing" for name, _ in rig.source.calls[before:]))
    assert max(counts) <= 8
    assert sum(counts) == 20
    assert [c.items for c in checksums(said)] == [40]


def test_what_sync_never_named_is_found_by_the_slow_turn_and_the_folder_is_read_again(
    rig: Rig, proving: Callable[[], Capture]
) -> None:
    rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rounds(rig, capture)
    rig.source.add(rig.source.inbox)
    rig.source.folders[rig.source.inbox].journal.pop()  # the server forgets to tell of it
    rig.rest(seconds=200)
    capture.index.put_folder(_with_probe_of_now(rig, capture))
    assert rig.round(capture) == []
    rig.source.folders[rig.source.inbox].journal.append(("saved", list(rig.source.items_by_id)[-1]))
    said = rounds(rig, capture)
    assert [type(o).__name__ for o in said] == ["ItemSaved", "Checksum"]
    assert checksums(said)[0].items == 2


def _with_probe_of_now(rig: Rig, capture: Capture) -> SourceFolder:
    folder = capture.index.folders[rig.source.inbox]
    return changed(folder, probe=rig.source.probe("", [rig.source.inbox])[rig.source.inbox])


def test_a_new_owner_does_not_say_again_what_is_said(rig: Rig, proving: Callable[[], Capture]) -> None:
    rig.source.add(rig.source.inbox)
    rig.rest()
    assert len(checksums(rounds(rig, proving()))) == 1
    assert rounds(rig, proving(), 5) == []


@pytest.mark.parametrize("code", ["ErrorItemCorrupt", "ErrorInternalServerError", "malformed-answer", "reset"])
def test_a_folder_that_cannot_be_listed_holds_nothing_else(rig: Rig, proving: Callable[[], Capture], code: str) -> None:
    def refuse() -> None:
        raise CallRefused(code, "refused")

    rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    rig.source.before("listing", refuse)
    said = rounds(rig, capture)
    assert [type(o).__name__ for o in said] == ["FolderSaved", "ItemSaved"]
    assert capture.index.record.certain_up_to > 0


def test_a_listing_without_an_end_is_given_up(
    rig: Rig, proving: Callable[[], Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.source.add(rig.source.inbox)
    rig.rest()
    capture = proving()
    asked: list[int] = []
    answer = rig.source.listing

    def listing(address: str, folder_id: str, offset: int) -> ListingPage:
        asked.append(offset)
        page: ListingPage = answer(address, folder_id, 0)
        return changed(page, next_offset=offset + 1)

    monkeypatch.setattr(rig.source, "listing", listing)
    assert checksums(rounds(rig, capture, 5)) == []
    assert asked == [0, 1]


def test_who_wants_an_item_the_source_does_not_know_is_told_that_it_is_deleted(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(12)
    key = "f" * 32
    rig.order(Order(mailbox=rig.mailbox, kind="WANT", items=(key,), target="one", reason="repair", issued_at=0))
    rig.spin(2)
    last = rig.changes()[-1].operation
    assert isinstance(last, ItemDeleted)
    assert last.ref.item == key
