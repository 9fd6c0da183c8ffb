"""`mailshadow`: the command line. Every known failure ends in one clear line and a named exit code."""

import sys

import click

from deploy import exit_codes
from deploy.commands.check import check
from deploy.commands.configuration import config
from deploy.commands.dead_letters import dead_letters
from deploy.commands.failback import failback
from deploy.commands.failover import failover
from deploy.commands.failures import exit_code_of
from deploy.commands.front_door import front_door
from deploy.commands.mailboxes import mailboxes
from deploy.commands.monitor import monitor
from deploy.commands.restore import restore
from deploy.commands.service import feed, replay, run
from deploy.commands.status import status
from deploy.commands.targets import targets
from deploy.commands.topics import topics
from deploy.commands.verify import verify
from deploy.lab.bench import bench
from deploy.lab.chaos.command import chaos
from deploy.lab.command import lab
from deploy.lab.promotion_bench import promotion
from deploy.lab.scale import scale


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `mailshadow lab`: a real Kafka and two simulated Exchange servers on this machine.",
)
@click.version_option(package_name="mailshadow")
def mailshadow() -> None:
    """Replicate Exchange mailboxes, object by object, to live standby servers."""


COMMANDS = (
    lab, run, feed, replay, monitor, status, verify, failover, failback, restore, mailboxes, targets, dead_letters,
    front_door, check, topics, config
)  # fmt: skip
for command in COMMANDS:
    mailshadow.add_command(command)
lab.add_command(bench)
lab.add_command(chaos)
lab.add_command(promotion)
lab.add_command(scale)


def main() -> None:
    """Run the command line."""
    try:
        mailshadow(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(exit_codes.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
        click.echo(f"mailshadow: {error}", err=True)
        sys.exit(code)
