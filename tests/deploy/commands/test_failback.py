"""`mailshadow failback` and the services of the way back: what is refused before anything is asked of Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner

from deploy.commands.failback import BackSession, failback
from deploy.commands.service import feed, replay
from deploy.promotion.tail import Left
from deploy.promotion.turned import turned
from deploy.sections import SettingsError
from deploy.settings import load

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


@pytest.mark.parametrize(
    ("is_strays", "options", "is_refused"),
    [(True, {}, True), (True, {"with_deletions": True}, False), (False, {}, False)],
    ids=["strays, also resumed by `failback`", "asked for", "a way back"],
)
def test_strays_are_merged_without_a_word_and_their_deletions_only_with_one(
    configuration: Configuration, options: dict[str, Any], *, is_strays: bool, is_refused: bool
) -> None:
    configuration.write()
    there, watch = load(configuration.path, {}), cast("Any", None)
    session = BackSession(
        settings=turned(there, "standby"), target="mail", known={}, watch=watch, is_quiet=True, close_seconds=1.0,
        is_source_lost=False, there=there, there_watch=watch, is_strays=is_strays,
        options={"is_merging": False, "is_mirror": False} | options,
    )  # fmt: skip
    session.old_tails["a"] = [Left(kind="ItemDeleted", item="x")]
    passage = session.passage()
    assert passage.is_merging == is_strays
    assert bool(passage.refusal(["a"])) == is_refused
