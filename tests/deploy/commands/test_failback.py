"""`mailshadow failback` and the services of the way back: what is refused before anything is asked of Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from deploy.commands.failback import failback
from deploy.commands.service import feed, replay
from deploy.sections import SettingsError

if TYPE_CHECKING:
    import click

    from tests.deploy.conftest import Configuration


def run(configuration: Configuration, command: click.Command, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(command, [*arguments, "--config", str(configuration.path)]).exception


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name mailboxes, or give --all"),
        (["a@b.test", "--all"], "name mailboxes, or give --all"),
        (["--resume", "--all"], "--resume and --undo go on with the way back there is"),
        (["--undo", "a@b.test"], "--resume and --undo go on with the way back there is"),
        (["--resume", "--undo"], "--resume and --undo: give one of them"),
        (["--all", "--to", "nowhere"], "--to nowhere: the old source is"),
        (["--all", "--from", "nowhere"], "the settings have standby"),
    ],
)
def test_what_makes_no_sense_is_said_by_its_option(
    configuration: Configuration, arguments: list[str], words: str
) -> None:
    configuration.write()
    error = run(configuration, failback, *arguments)
    assert isinstance(error, SettingsError), error
    assert words in str(error)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (feed, ["--back", "nowhere"], "the settings have standby"),
        (replay, ["--back", "nowhere"], "the settings have standby"),
        (replay, [], "--target or --back: give one of them"),
        (replay, ["--back", "standby", "--target", "standby"], "--target or --back: give one of them"),
    ],
)
def test_a_service_of_the_way_back_is_of_a_target_there_is(
    configuration: Configuration, command: click.Command, arguments: list[str], words: str
) -> None:
    configuration.write()
    error = run(configuration, command, *arguments)
    assert isinstance(error, SettingsError), error
    assert words in str(error)
