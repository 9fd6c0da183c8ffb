"""`mailshadow lab exchange`: one simulated Exchange server on a port of its own."""

from pathlib import Path
from typing import Final

import click

from deploy.lab.exchange.running import Options, PortError, run
from deploy.lab.exchange.server import Account
from deploy.lab.exchange.switches import SwitchError, Switches
from deploy.lab.exchange.tables import DataError
from deploy.lab.exchange.versions import VERSIONS

EXIT_USAGE: Final = 2  # an option that cannot be
EXIT_DATA: Final = 3  # the data directory is unreadable, of another format, or in use
EXIT_PORT: Final = 4  # the port cannot be listened on


@click.command("exchange")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 is any free one.")
@click.option("--version", "version_name", default="2019", show_default=True, type=click.Choice(sorted(VERSIONS)))
@click.option("--data", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory of the data.")
@click.option("--user", default="service@example.com", show_default=True, help="The account that may log on.")
@click.option("--password", default="secret", envvar="MAILSHADOW_LAB_PASSWORD", help="Its password.")
@click.option("--mailbox", "mailboxes", multiple=True, help="Address of a mailbox to have; may be repeated.")
@click.option("--switch", "switches", multiple=True, metavar="NAME=VALUE", help="A behaviour; may be repeated.")
@click.option("--history", "keeps_history", is_flag=True, help="Keep every write for an outside observer.")
def exchange(  # noqa: PLR0913 - one argument an option
    *,
    host: str,
    port: int,
    version_name: str,
    data: Path,
    user: str,
    password: str,
    mailboxes: tuple[str, ...],
    switches: tuple[str, ...],
    keeps_history: bool,
) -> None:
    """Start one simulated Exchange server; prints one JSON line when it is ready, stops on SIGTERM or Ctrl-C."""
    for address in mailboxes:
        if address.count("@") != 1 or address != address.strip():
            _fail(f"--mailbox {address!r} is no address; give name@domain", EXIT_USAGE)
    home = mailboxes[0] if mailboxes else ""
    account = Account(user, password, user if user.lower() in {one.lower() for one in mailboxes} else home)
    options = Options(host, port, VERSIONS[version_name], data, account, mailboxes, _switches(switches), keeps_history)
    try:
        run(options)
    except DataError as error:
        _fail(str(error), EXIT_DATA)
    except PortError as error:
        _fail(str(error), EXIT_PORT)


def _switches(given: tuple[str, ...]) -> Switches:
    switches = Switches()
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            _fail(f"--switch {text!r} must be NAME=VALUE", EXIT_USAGE)
        try:
            switches.assign(name.strip(), value)
        except SwitchError as error:
            _fail(str(error), EXIT_USAGE)
    return switches


def _fail(message: str, code: int) -> None:
    click.echo(f"mailshadow lab exchange: {message}", err=True)
    raise SystemExit(code)
