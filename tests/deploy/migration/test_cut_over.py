"""Who goes next in a cut-over, and what ends a promotion that was announced before it began."""

from dataclasses import replace

import pytest

from deploy.commands.migrate_cut_over import next_part, withdrawn
from deploy.migration.book import Contents
from deploy.migration.outlook import WaveView
from deploy.migration.stages import Stage, Standing
from deploy.promotion.picture import Picture
from schemas.state import Registration, Wave

WAVE = Wave(
    wave="w", target="standby", at_once_max=2, approved_at=5, accepted=("d",), promotions=("p",),
    window_from="2026-11-27T20:00:00+01:00", window_until="2026-11-27T23:00:00+01:00",
)  # fmt: skip


def member(name: str) -> Registration:
    return Registration(mailbox=name, source=f"{name}@a.test", targets={"standby": f"{name}@b.test"}, wave="w")


MEMBERS = {name: member(name) for name in "abcd"}


def view(**why_not: str) -> WaveView:
    standings = [
        Standing(mailbox=m, is_copied=True, why_not=(why_not[m],) if m in why_not else (), is_promoted=m == "a")
        for m in MEMBERS
    ]
    return WaveView(
        wave=WAVE, stage=Stage.APPROVED, members=tuple(MEMBERS.values()), standings=tuple(standings), picture=Picture()
    )


def test_those_that_did_not_go_go_next_and_no_more_than_at_once() -> None:
    assert [m.mailbox for m in next_part(view(), set())] == ["b", "c"]
    assert [m.mailbox for m in next_part(view(), {"b"})] == ["c", "d"]


def test_who_is_not_ready_today_stays_although_the_wave_was_approved_unless_accepted() -> None:
    assert [m.mailbox for m in next_part(view(b="5000 changes behind", d="paused"), set())] == ["c", "d"]


def contents(wave: Wave = WAVE, **changed: Registration) -> Contents:
    return Contents(registrations=MEMBERS | changed, waves={"w": wave})


def test_a_promotion_begins_where_all_is_as_it_was_decided() -> None:
    assert withdrawn(WAVE, "p", [MEMBERS["b"]], contents()) == ""


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (contents(replace(WAVE, promotions=())), "was changed"),
        (contents(replace(WAVE, closed_at=9)), "was changed"),
        (contents(replace(WAVE, approved_at=0)), "approval or the window"),
        (contents(replace(WAVE, window_from="2026-11-28T20:00:00+01:00")), "approval or the window"),
        (contents(b=replace(MEMBERS["b"], wave="later")), "b left wave w"),
        (Contents(), "was changed"),
    ],
    ids=["rescheduled", "closed", "approval taken", "another window", "left", "gone"],
)
def test_a_promotion_does_not_begin_where_somebody_decided_otherwise_meanwhile(now: Contents, why: str) -> None:
    assert why in withdrawn(WAVE, "p", [MEMBERS["b"]], now)
