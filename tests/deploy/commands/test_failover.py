"""`mailshadow failover`: what is refused before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from deploy.commands.failover import _left, failover
from deploy.sections import SettingsError
from schemas.failover import State, diagram
from schemas.state import Promoted, Promotion

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration


def run(configuration: Configuration, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(failover, [*arguments, "--config", str(configuration.path)]).exception


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all"], "--to: missing; the settings have standby"),
        (["--to", "standby"], "name mailboxes, or give --all"),
        (["a@b.test", "--all", "--to", "standby"], "not both"),
        (["--all", "--to", "nowhere"], "the settings have standby"),
        (["--resume", "--all"], "--resume goes on with the promotion there is"),
        (["--undo", "--to", "standby"], "--undo goes on with the promotion there is"),
        (["--resume", "--undo"], "--resume and --undo: give one of them"),
        (["--undo", "--leave", "all"], "--leave: only with --resume"),
        (["--tail", "--source-lost"], "--tail: --source-lost makes no difference"),
    ],
)
def test_what_makes_no_sense_is_said_by_its_option(
    configuration: Configuration, arguments: list[str], words: str
) -> None:
    configuration.write()
    error = run(configuration, *arguments)
    assert isinstance(error, SettingsError), error
    assert words in str(error)


def promotion_of(*states: State) -> Promotion:
    return Promotion(
        promotion="p1", target="standby", planned=True, reason="", stage="CLOSE", failure="", operator="anna",
        since=1, began_at=1, beat=0,
        mailboxes=tuple(Promoted(mailbox=f"{n:020x}", state=state) for n, state in enumerate(states)),
    )  # fmt: skip


def test_all_that_are_left_are_those_not_open_and_never_everybody() -> None:
    assert _left(["all"], promotion_of(State.CONFIRMED, State.FENCED, State.OPEN)) == [f"{1:020x}"]
    assert _left([], promotion_of(State.FENCED)) == []
    with pytest.raises(SettingsError, match="nobody else is part of this promotion"):
        _left(["all"], promotion_of(State.FENCED, State.DRAINED))
    with pytest.raises(SettingsError, match="not part of this promotion"):
        _left(["carl@source.test"], promotion_of(State.CONFIRMED, State.FENCED))


def test_a_lagged_target_is_not_promoted(configuration: Configuration) -> None:
    configuration.sections["targets.standby"]["hold_seconds"] = 60.0
    configuration.write()
    error = run(configuration, "--all", "--to", "standby")
    assert isinstance(error, SettingsError), error
    assert "targets.standby.hold_seconds" in str(error)


def test_the_table_is_printed_as_a_diagram(configuration: Configuration) -> None:
    said = CliRunner().invoke(failover, ["--states", "--config", str(configuration.path)]).output
    assert said.strip() == diagram()
