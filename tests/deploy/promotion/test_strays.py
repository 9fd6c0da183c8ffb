"""What comes to an old source after a promotion is brought over, as often as wanted, and nobody is led anywhere."""

from dataclasses import replace
from typing import Any

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
    assert {kind for kind, _ in way.there.told} <= {"MERGE"}


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
