"""`mailshadow`: the command line. Every known failure ends in one clear line and a named exit code."""

import sys
import traceback

import click

from deploy import exit_codes
from deploy.lazy_group import LazyGroup

PLACES = {
    "lab": "deploy.lab.command:lab",
    "run": "deploy.commands.service:run",
    "feed": "deploy.commands.service:feed",
    "replay": "deploy.commands.service:replay",
    "monitor": "deploy.commands.monitor:monitor",
    "status": "deploy.commands.status:status",
    "verify": "deploy.commands.verify:verify",
    "failover": "deploy.commands.failover:failover",
    "failback": "deploy.commands.failback:failback",
    "migrate": "deploy.commands.migrate:migrate",
    "rehearse": "deploy.commands.rehearse:rehearse",
    "restore": "deploy.commands.restore:restore",
    "mailboxes": "deploy.commands.mailboxes:mailboxes",
    "targets": "deploy.commands.targets:targets",
    "dead-letters": "deploy.commands.dead_letters:dead_letters",
    "front-door": "deploy.commands.front_door:front_door",
    "check": "deploy.commands.check:check",
    "topics": "deploy.commands.topics:topics",
    "config": "deploy.commands.configuration:config",
}


@click.group(
    cls=LazyGroup,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `mailshadow lab`: a real Kafka and two simulated Exchange servers on this machine.",
)
@click.version_option(package_name="mailshadow")
def mailshadow() -> None:
    """Replicate Exchange mailboxes, object by object, to live standby servers."""


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
    except Exception as error:  # noqa: BLE001 - whatever it is, its exit code must not be that of another thing
        from deploy.commands.failures import exit_code_of  # noqa: PLC0415 - it knows the errors of every command

        code = exit_code_of(error)
        if code is None:
            traceback.print_exc()  # exit code 1 would say that a comparison found a difference
            sys.exit(exit_codes.INTERNAL)
        click.echo(f"mailshadow: {error}", err=True)
        sys.exit(code)
