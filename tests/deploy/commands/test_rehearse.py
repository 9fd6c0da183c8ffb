"""`mailshadow rehearse`: what is refused before anything is opened, and what is found of other rehearsals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from deploy.commands.rehearse import rehearse
from deploy.sections import SettingsError

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration

SCRATCH = '\n[rehearsal]\nurl = "http://127.0.0.1:1/EWS"\nuser = "u"\npassword = "p"\n'


def run(configuration: Configuration, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(rehearse, [*arguments, "--config", str(configuration.path)]).exception


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name mailboxes, or give --all"),
        (["a@b.test", "--all"], "name mailboxes or give --all, not both"),
        (["--clean-up", "--all"], "--clean-up: goes with no other option"),
        (["--clean-up", "a@b.test"], "--clean-up: goes with no other option"),
        (["--clean-up", "--keep"], "--clean-up: goes with no other option"),
    ],
)
def test_what_makes_no_sense_is_said_by_its_option(
    configuration: Configuration, arguments: list[str], words: str
) -> None:
    configuration.write()
    configuration.path.write_text(configuration.path.read_text() + SCRATCH)
    error = run(configuration, *arguments)
    assert isinstance(error, SettingsError), error
    assert words in str(error)


@pytest.mark.parametrize("arguments", [["--all"], ["--clean-up"]])
def test_without_a_scratch_server_nothing_is_rehearsed(configuration: Configuration, arguments: list[str]) -> None:
    configuration.write()
    error = run(configuration, *arguments)
    assert isinstance(error, SettingsError), error
    assert str(error).startswith("rehearsal: missing")
