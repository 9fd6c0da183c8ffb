"""Commands are imported when they are used."""

import subprocess
import sys

import click

from deploy.cli import PLACES, mailshadow
from deploy.lab.command import PLACES as LAB_PLACES
from deploy.lab.command import lab


def test_every_place_holds_the_command_of_its_name() -> None:
    for group, places in ((mailshadow, PLACES), (lab, LAB_PLACES)):
        context = click.Context(group)
        assert group.list_commands(context) == sorted(places)
        for name in places:
            command = group.get_command(context, name)
            assert command is not None
            assert command.name == name


def test_an_unknown_command_is_none() -> None:
    assert mailshadow.get_command(click.Context(mailshadow), "nothing") is None


def test_a_service_loads_nothing_of_the_lab_but_what_runs_its_broker() -> None:
    program = (
        "import sys, click; from deploy.cli import mailshadow;"
        "mailshadow.get_command(click.Context(mailshadow), 'feed');"
        "print(*sorted(m for m in sys.modules if m.startswith(('deploy.lab', 'faker', 'aiohttp'))))"
    )
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own
    assert {m for m in loaded.stdout.split() if not m.startswith("deploy.lab.broker")} == {"deploy.lab"}
