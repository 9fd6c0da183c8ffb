"""What a mapping file changes, and what forbids it: all of it at once, and nothing is changed then."""

from dataclasses import replace

import pytest

from deploy.migration.book import Contents
from deploy.migration.mapping_file import Row
from deploy.migration.outlook import WaveView
from deploy.migration.planning import Plan
from deploy.migration.stages import Standing, stage_of
from deploy.promotion.picture import Picture
from schemas.identity import mailbox_id
from schemas.state import Registration, Wave

SOON = Wave(wave="soon", target="standby")
APPROVED = Wave(wave="approved", target="standby", window_from="x", approved_at=5, approved_by="me", accepted=("a",))
AWAY = Wave(wave="away", target="standby", promotions=("p",), ended_at=7)
ELSEWHERE = Wave(wave="elsewhere", target="other")


LIMITS = "`--limit-mailboxes` of `plan` is that of new waves, of `schedule` that of one"


def registered(name: str, wave: str, target: str = "standby") -> Registration:
    address = f"{name}@old.test"
    return Registration(
        mailbox=mailbox_id(address), source=address, targets={target: f"{name}@new.test"}, wave=wave, priority=100
    )


def row(name: str, wave: str, line: int = 2, target: str = "") -> Row:
    return Row(line=line, source=f"{name}@old.test", target=target or f"{name}@new.test", wave=wave)


@pytest.fixture
def contents() -> Contents:
    known = [registered("anna", "soon"), registered("ben", "approved"), registered("cleo", "away")]
    known += [registered("dora", "away"), registered("emil", "approved"), registered("finn", "elsewhere", "other")]
    waves = {w.wave: w for w in (SOON, APPROVED, AWAY, ELSEWHERE)}
    return Contents({r.mailbox: r for r in known}, waves)


def planned(contents: Contents, *rows: Row, mailboxes_max: int = 500) -> Plan:
    """Take rows in where cleo alone works at the target."""

    def view(wave: Wave) -> WaveView:
        members = tuple(contents.members(wave))
        standings = tuple(
            Standing(mailbox=m.mailbox, is_copied=True, why_not=(), is_promoted=m.source.startswith("cleo"))
            for m in members
        )
        stage = stage_of(wave, standings, "")
        return WaveView(wave=wave, members=members, standings=standings, stage=stage, picture=Picture())

    made = Plan(contents, "standby", mailboxes_max, view)
    made.take(rows)
    return made


def test_new_mailboxes_make_their_waves(contents: Contents) -> None:
    made = planned(contents, row("gina", "new"), row("hans", "new", 3), row("ida", "soon", 4), mailboxes_max=7)
    assert made.errors == []
    assert made.waves == {"new": Wave(wave="new", target="standby", mailboxes_max=7)}
    assert [r.wave for r in made.registrations.values()] == ["new", "new", "soon"]
    assert isinstance(made.records[0], Wave), "a mailbox never names a wave that is not there"


def test_what_is_known_already_changes_nothing_whatever_its_stage(contents: Contents) -> None:
    made = planned(contents, row("anna", "soon"), row("ben", "approved"), row("cleo", "away"))
    assert (made.records, made.errors) == ([], [])


def test_a_mailbox_that_joins_an_approved_wave_takes_the_approval_away(contents: Contents) -> None:
    made = planned(contents, row("gina", "approved"))
    assert made.waves["approved"] == replace(APPROVED, approved_at=0, approved_by="", accepted=())
    assert planned(contents, row("emil", "soon")).waves == {}, "one that leaves does not"


def test_who_works_at_the_target_stays_in_its_wave_and_who_was_left_behind_may_leave(contents: Contents) -> None:
    made = planned(contents, row("dora", "soon"), row("cleo", "soon", 9))
    assert [r.source for r in made.registrations.values()] == ["dora@old.test"]
    assert made.errors == ["line 9: its users work at standby since the cut-over of wave away: it stays there"]


def test_nobody_leaves_a_wave_while_it_is_cut_over(contents: Contents) -> None:
    contents.waves["away"] = replace(AWAY, ended_at=0)
    (said,) = planned(contents, row("dora", "soon")).errors
    assert said.startswith("line 2: wave away: no one leaves in WINDOW")


def test_everything_that_is_wrong_is_said_at_once(contents: Contents) -> None:
    made = planned(
        contents,
        row("gina", "away", 2),
        row("hans", "elsewhere", 3),
        row("anna", "soon", 4, "anna@newer.test"),
        row("ida", "new", 5, "ben@new.test"),
    )
    said = ["line 2: wave away: no plan in STRAY WATCH", "line 3: wave elsewhere goes to other", "line 4: mirrored to "]
    said += ["line 5: ben@new.test at standby: ben@old.test is mirrored into that mailbox already"]
    assert [e.startswith(words) for e, words in zip(made.errors, said, strict=True)] == [True] * 4, made.errors


def test_a_wave_takes_no_more_than_its_limit(contents: Contents) -> None:
    made = planned(contents, *(row(f"u{n}", "new", n) for n in range(4)), mailboxes_max=3)
    assert made.errors == [f"wave new: 4 mailboxes, its limit is 3; {LIMITS}"]


def test_a_mailbox_keeps_its_other_targets_and_the_case_of_its_address(contents: Contents) -> None:
    made = planned(contents, replace(row("finn", "new"), source="Finn@old.test"))
    (found,) = made.registrations.values()
    assert found.targets == {"other": "finn@new.test", "standby": "finn@new.test"}
    assert found.source == "finn@old.test"


def test_members_go_by_priority_and_then_by_address(contents: Contents) -> None:
    late, first = registered("aaron", "soon"), replace(registered("zoe", "soon"), priority=1)
    contents.registrations |= {late.mailbox: late, first.mailbox: first}
    assert [m.source[0:2] for m in contents.members(SOON)] == ["zo", "aa", "an"]
