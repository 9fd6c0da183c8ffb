"""The one screen: what it says first, whom it names, and in what order."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from deploy.observation.fleet import Judged
from deploy.observation.health import Limits, Look, judge, worst_first
from deploy.observation.screen import is_everybody_protected, render, span, summary
from schemas.state import MailboxRecord, TargetMailbox

NOW = 1_000_000_000
SOURCE = MailboxRecord(mailbox="m", generation=2, next_sequence=8, certain_up_to=NOW - 5_000)
LEVEL = TargetMailbox(mailbox="m", generation=2, applied_sequence=7)


def one(name: str, target: dict[str, Any] | None = None, **more: Any) -> Judged:
    look = Look(source=replace(SOURCE, mailbox=name), target=replace(LEVEL, mailbox=name, **target or {}), **more)
    return look, judge(look, Limits(), NOW)


def promoting(name: str) -> Judged:
    look = Look(source=replace(SOURCE, mailbox=name, role="FENCED", opening="standby"), target=LEVEL)
    return look, judge(look, Limits(), NOW)


def shown(*rows: Judged, rows_max: int = 15) -> list[str]:
    console = Console(width=250, color_system=None)
    with console.capture() as captured:
        console.print(render({"standby": sorted(rows, key=lambda row: worst_first(row[1]))}, NOW, rows_max))
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (3660, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans_are_read_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("rows", "headline", "is_well"),
    [
        ([], "no mailbox is mirrored yet", False),
        ([one("a")], "everybody is protected", True),
        ([one("a"), one("b", open_at="standby")], "everybody is protected; 1 promoted", True),
        ([one("b", open_at="standby")], "every mailbox was promoted: none is mirrored any more", False),
        ([one("a"), promoting("b")], "not everybody is protected: 1 on their way, of 2", False),
        (
            [one("a", {"behind": "quota"}), one("b", {"seed_begun": 1}), one("c", open_at="standby")],
            "not everybody is protected: 1 need a person, 1 on their way, of 3",
            False,
        ),
    ],
)
def test_the_first_line_says_it_all_and_a_probe_agrees(rows: list[Judged], headline: str, is_well: bool) -> None:  # noqa: FBT001 - a case
    assert shown(*rows)[0].strip() == headline
    assert is_everybody_protected({"standby": rows}) is is_well


def test_a_target_has_its_counts_its_worst_lag_and_the_loss_there_would_be() -> None:
    lines = shown(one("a"), one("b", {"behind": "quota", "applied_sequence": 5}), promoting("c"), one("d", open_at="x"))
    assert lines[1].split() == [
        "target", "mailboxes", "protected", "on", "their", "way", "need", "a", "person", "promoted", "worst", "lag",
        "not", "applied", "loss", "now",
    ]  # fmt: skip
    assert " ".join(lines[2].split()).startswith("standby 4 1 1 1 1 ")
    assert lines[2].rstrip().endswith("5.0 s, 0 items, 2 changes")


def test_who_is_not_protected_is_named_with_why_the_loss_and_what_to_do_the_worst_first() -> None:
    lines = shown(
        one("late", counts={"parked": 2}, missing=2),
        one("fine"),
        one("shut", {"behind": "quota"}),
        one("gone", open_at="x"),
    )
    named = [line for line in lines if line.strip().startswith(("late", "fine", "shut", "gone"))]
    assert [line.split()[0] for line in named] == ["shut", "late", "gone"]
    assert "incomplete" in named[1]
    assert "2 parked" in named[1]
    assert "5.0 s, 2 items" in named[1]
    assert "dead-letters redrive" in named[1]
    assert "open at x" in named[2]
    assert "0.0 s, 0 items" in named[2]


def test_no_more_are_named_than_there_is_room_for_and_the_rest_are_counted() -> None:
    lines = shown(*(one(f"n{number}", {"behind": "quota"}) for number in range(7)), rows_max=3)
    named = [line.split()[0] for line in lines if "quota" in line]
    assert named == ["n0", "n1", "n2"]
    assert lines[-1].startswith("and 4 more: ")


def test_the_summary_counts_states_and_leaves_out_those_nobody_is_in() -> None:
    assert summary({"standby": [one("a"), one("b"), one("c", open_at="x")], "branch": []}) == {
        "standby": {"protected": 2, "promoted": 1},
        "branch": {},
    }
