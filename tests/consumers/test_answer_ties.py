"""Answers that name new ids only are tied to what was written by what the items carry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.answer_ties import by_absence, by_content, by_stamp
from consumers.target import Done, Held, Outcome, Refused
from schemas.change import ItemRef, ItemSaved, Marks, Summary
from schemas.faults import ReplicationFault
from schemas.ports import AnswerUnknown, CallRefused

MARKS = Marks(is_read=False)
FULL = Refused("ErrorQuotaExceeded")
SUMMARY = Summary(
    item_class="IPM.Note", subject="letter", sender="", message_id="", sent_at="", received_at="", size_bytes=1,
    has_attachments=False, is_draft=False,
)  # fmt: skip


class Shelf:
    """Items that can be looked at by id; counts the looks."""

    def __init__(self, *held: Held) -> None:
        self.held = {h.item_id: h for h in held}
        self.looks = 0

    def look(self, item_ids: list[str]) -> list[Held | Refused]:
        self.looks += 1
        return [self.held.get(i) or Refused("ErrorItemNotFound") for i in item_ids]


def held(item_id: str, stamp: str = "", message_id: str = "", subject: str = "") -> Held:
    return Held(item_id, "key", stamp, MARKS, message_id, subject)


def done(*item_ids: str) -> list[Outcome]:
    return [Done(i, "key") for i in item_ids]


def save(message_id: str = "", subject: str = "letter") -> ItemSaved:
    ref = ItemRef(item="i", item_id="", folder_id="", change_key="", search_key="", fingerprint="")
    return ItemSaved(
        ref=ref, summary=replace(SUMMARY, message_id=message_id, subject=subject), marks=MARKS, contents=(), targets=()
    )


def is_mixed(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.code == ReplicationFault.ANSWER_MIXED


class TestStamps:
    shelf = Shelf(held("1", "t:a:1"), held("2", "T:B:1"), held("3", "t:c:1"))

    @pytest.mark.parametrize("ids", ["123", "321", "231"])
    def test_outcomes_are_returned_in_the_order_of_the_stamps(self, ids: str) -> None:
        assert by_stamp(["t:a:1", "t:b:1", "t:c:1"], done(*ids), self.shelf.look) == done(*"123")

    def test_one_that_carries_no_asked_stamp_cannot_be_told(self) -> None:
        outcomes = by_stamp(["t:c:1", "t:z:1"], done("1", "3"), self.shelf.look)
        assert outcomes[0] == Done("3", "key")
        assert is_mixed(outcomes[1])

    def test_refusals_keep_their_places_beside_what_is_in_order(self) -> None:
        outcomes = [*done("1"), FULL, *done("3")]
        assert by_stamp(["t:a:1", "t:b:1", "t:c:1"], outcomes, self.shelf.look) == outcomes

    def test_stamps_nobody_knows_keep_their_places(self) -> None:
        assert by_stamp(["", ""], done("2", "1"), self.shelf.look) == done("2", "1")

    def test_one_alone_is_not_looked_at(self) -> None:
        shelf = Shelf()
        assert by_stamp(["t:a:1"], done("1"), shelf.look) == done("1")
        assert shelf.looks == 0

    def test_what_cannot_be_looked_at_is_unknown_and_not_refused(self) -> None:
        def refuse(_ids: list[str]) -> list[Held | Refused]:
            raise CallRefused("ErrorServerBusy", "busy", 7.0)

        with pytest.raises(AnswerUnknown) as raised:
            by_stamp(["t:a:1", "t:b:1"], done("1", "2"), refuse)
        assert raised.value.back_off_seconds == 7.0


class TestContent:
    shelf = Shelf(held("1", message_id="<a>"), held("2", message_id="<b>"), held("3", subject="card  of c"))
    saves = (save("<a>"), save("<b>"), save(subject="card of c"))

    @pytest.mark.parametrize("ids", ["123", "321", "231", "213"])
    def test_uploads_are_told_by_message_id_or_subject(self, ids: str) -> None:
        assert by_content(self.saves, done(*ids), self.shelf.look) == done(*"123")

    def test_what_a_server_shows_otherwise_keeps_its_place(self) -> None:
        shelf = Shelf(held("1", message_id="<new 1>"), held("2"))
        assert by_content(self.saves[:2], done("1", "2"), shelf.look) == done("1", "2")

    def test_an_item_of_another_beside_one_unknown_cannot_be_told(self) -> None:
        shelf = Shelf(held("1", message_id="<b>"), held("2", message_id="<new>"))
        outcomes = by_content(self.saves[:2], done("1", "2"), shelf.look)
        assert is_mixed(outcomes[0])
        assert outcomes[1] == Done("1", "key")

    def test_copies_of_one_message_keep_their_places(self) -> None:
        shelf = Shelf(held("1", message_id="<a>"), held("2", message_id="<a>"))
        assert by_content((save("<a>"), save("<a>")), done("2", "1"), shelf.look) == done("2", "1")

    def test_refusals_keep_their_places(self) -> None:
        outcomes = [*done("1"), FULL, *done("3")]
        assert by_content(self.saves, outcomes, self.shelf.look) == outcomes


class TestAbsence:
    def test_a_deletion_that_left_its_item_is_not_done(self) -> None:
        shelf = Shelf(held("1"))
        outcomes: list[Outcome] = [*done("1"), FULL]
        assert by_absence("12", outcomes, shelf.look) == [FULL, Done("2", "")]

    def test_refusals_in_their_places_stay_as_they_are(self) -> None:
        shelf = Shelf(held("2"))
        outcomes: list[Outcome] = [Done("1", ""), FULL]
        assert by_absence("12", outcomes, shelf.look) == outcomes

    @pytest.mark.parametrize("outcomes", [done("1", "2"), [FULL, FULL]], ids=["done", "refused"])
    def test_where_all_are_alike_nothing_is_looked_at(self, outcomes: list[Outcome]) -> None:
        shelf = Shelf()
        assert by_absence("12", outcomes, shelf.look) == outcomes
        assert shelf.looks == 0
