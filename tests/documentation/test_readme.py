"""What README.md and the runbook name is there."""

import re
from pathlib import Path

import click
import pytest

from deploy.cli import mailshadow

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
ROOMS = ("schemas", "producers", "consumers", "deploy")


def _commands(text: str) -> set[str]:
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)) + "\n".join(re.findall(r"`([^`\n]+)`", text))
    return set(re.findall(r"\bmailshadow ((?:[a-z-]+)(?: [a-z-]+)?)", shell))


@pytest.mark.parametrize("name", ["README.md", "deploy/README.md"])
def test_every_command_that_is_named_exists(name: str, repository: Path) -> None:
    for words in _commands((repository / name).read_text()):
        command: click.Command = mailshadow
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            if found is None and command is not mailshadow:
                break
            assert found, f"{name} names `mailshadow {words}`"
            command = found


def test_every_path_that_is_named_exists(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    named = set(re.findall(r"`((?:schemas|producers|consumers|deploy|tests)/[\w./-]+)`", text))
    assert named
    for path in named:
        found = repository / path
        assert found.exists() or found.with_suffix(".py").exists(), path


def test_every_module_of_the_two_loops_stands_in_the_file_map(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    for room in ("producers", "consumers"):
        modules = {p.stem for p in (repository / room).glob("*.py")} - {"__init__"}
        missing = {m for m in modules if not re.search(rf"`(?:{room}/)?{m}`", text)}
        assert not missing, f"{room}: {sorted(missing)}"


def test_no_module_is_a_drawer(repository: Path) -> None:
    modules = [p for room in ROOMS for p in (repository / room).rglob("*.py")]
    assert not [p for p in modules if p.stem in DRAWERS]
