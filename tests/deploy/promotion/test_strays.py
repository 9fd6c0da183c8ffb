"""What comes to an old source after a promotion is brought over, as often as wanted, and nobody is led anywhere."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion.conduct import StoppedError
from deploy.promotion.report import text_of
from deploy.promotion.strays import refusal, statement
from deploy.promotion.tail import Left
from schemas.state import SourceRole, TargetRole

from .test_return_course import Make, make

__all__ = ["make"]


def strays(way: Any, promotion: str) -> Any:
    return way.coordinator(replace(way.back.promotion(), stage="STRAYS", promotion=promotion))


def assert_still_away(way: Any) -> None:
    seen = way.there.picture.mailboxes.values()
    assert {(s.source.role, s.target.role, s.target.promotion) for s in seen} == {
        (SourceRole.FENCED, TargetRole.OPEN, "p0")
    }
    assert {s.source.role for s in way.back.picture.mailboxes.values()} == {SourceRole.FENCED}
    assert {kind for kind, _ in way.there.obeyed} <= {"MERGE"}


def test_they_are_merged_as_often_as_asked_and_the_roles_stay(make: Make) -> None:
    way = make()
    way.there.tails = {way.back.names[0]: 3}
    for number, promotion in enumerate(("s1", "s2"), 1):
        assert strays(way, promotion).run().stage == "DONE"
        assert len([a for a in way.back.orders if a.server == "standby"]) == number * len(way.back.names)
        assert_still_away(way)
    assert way.begin(promotion="p1").run().stage == "DONE", "the way back is open as before"


def test_a_source_that_can_not_be_read_changes_nothing(make: Make) -> None:
    way = make()
    way.there.tails = dict.fromkeys(way.back.names, -1)
    assert strays(way, "s1").run().stage == "UNDONE"
    assert way.back.orders == []


def test_a_death_at_any_boundary_is_resumed_to_the_same_end(
    make: Make,
    died: type[BaseException],
) -> None:
    undisturbed = make()
    strays(undisturbed, "s1").run()
    assert undisturbed.back.boundaries.met
    for number in range(len(undisturbed.back.boundaries.met)):
        way = make()
        way.there.tails = dict.fromkeys(way.back.names, 1)
        way.back.boundaries.die_at = number
        try:
            strays(way, "s1").run()
        except died:
            progress = way.back.committed or replace(way.back.promotion(), stage="STRAYS", promotion="s1")
            assert way.coordinator(progress).run().stage == "DONE"
        assert_still_away(way)


def test_what_may_not_be_brought_over_is_refused_before_anything_is_ordered(make: Make) -> None:
    way = make()
    way.there.tails = {way.back.names[0]: 80}
    way.refusal = "80 deletions"
    done = strays(way, "s1").run()
    assert (done.stage, done.failure, way.back.orders) == ("UNDONE", "80 deletions", [])
    assert_still_away(way)


def test_deletions_are_refused_with_their_number_and_other_strays_are_not() -> None:
    news, gone = Left(kind="ItemSaved", item="a"), Left(kind="ItemDeleted", item="b")
    tails = {"one": [news, gone, Left(kind="FolderDeleted", item="f")], "two": [gone], "three": [news, news]}
    said = refusal(tails, tails)
    assert said.startswith("the old source holds 3 deletions in 2 mailboxes")
    assert "--with-deletions" in said
    assert refusal(tails, ["three", "unread"]) == ""


def test_deletions_that_an_unread_folder_keeps_unclear_are_counted_and_items_not_handed_out_are_not() -> None:
    unclear = [Left(kind="unclear", item="a"), Left(kind="unclear", item="b")]
    unread = Left(kind="unread folder", item="", folder_id="f")
    assert refusal({"one": unclear}, ["one"]) == ""
    assert refusal({"one": [unread]}, ["one"]) == ""
    assert "2 deletions in 1 mailboxes" in refusal({"one": [unread, *unclear]}, ["one"])


def test_a_stop_names_the_command_that_goes_on(make: Make) -> None:
    way = make()
    way.there.deaf = {"standby"}
    with pytest.raises(StoppedError, match=r"stopped at STRAYS: .* `mailshadow migrate watch WAVE --merge` again"):
        strays(way, "s1").run()


def test_what_is_told_of_a_merge_is_of_the_direction_that_carried_it(make: Make) -> None:
    way = make()
    done = strays(way, "s1").run()
    page = text_of(statement(done, way.there.picture, "standby"))
    assert "Merge of strays s1 to standby (planned), DONE" in page
    assert "ALL THAT WAS READ IS AT THE TARGET" in page
    assert page.count("  merged\n") == len(way.back.names)
    seen = way.there.picture.of(way.back.names[0])
    seen.target = replace(seen.target, applied_sequence=seen.target.applied_sequence - 2)
    page = text_of(statement(done, way.there.picture, "standby"))
    assert "Not all that came to the old source is at the target:" in page
    assert "merged; not at the target: " in page
    assert "NOTHING LOST" not in page


def test_a_merge_that_was_refused_is_not_told_as_one(make: Make) -> None:
    way = make()
    way.refusal = "80 deletions"
    page = text_of(statement(strays(way, "s1").run(), way.there.picture, "standby"))
    assert "stopped: 80 deletions" in page
    assert page.count("  not merged") == len(way.back.names)
