"""`mailshadow lab`: a whole pipeline on this machine, shown at work and then compared item by item."""

import importlib.util
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console

from deploy import exit_codes
from deploy.interruption import interruptible
from deploy.lab import report
from deploy.lab.broker.command import EXIT_CODES as BROKER_EXIT_CODES
from deploy.lab.broker.command import FetchDisplay
from deploy.lab.child import ChildError
from deploy.lab.display import Display
from deploy.lab.exchange.process import ExchangeProcessError
from deploy.lab.mail_files import MailPathError, read
from deploy.lab.session import SessionError
from deploy.lab.standing import StalledError
from deploy.lab.workload.mail import NewMail, from_files
from deploy.lab.world import World, WorldOptions
from deploy.lazy_group import LazyGroup

EXIT_NO_MAIL = 80  # the mail path is missing, unreadable or holds no mail
MAILBOXES_DEFAULT = 8
MAILBOXES_MAX = 500
SECONDS_DEFAULT = 20.0
REFUSED_SHOWN_MAX = 10
PLACES = {
    "kafka": "deploy.lab.broker.command:kafka",
    "exchange": "deploy.lab.exchange.command:exchange",
    "bench": "deploy.lab.bench:bench",
    "chaos": "deploy.lab.chaos.command:chaos",
    "cycles": "deploy.lab.cycles:cycles",
    "promotion": "deploy.lab.promotion_bench:promotion",
    "scale": "deploy.lab.scale:scale",
}


class DirectoryUnusableError(Exception):
    """The directory for the lab's data cannot be used."""


class NotInstalledError(Exception):
    """A package that only the lab needs is missing."""


_EXIT_CODES: dict[type[Exception], int] = {
    **BROKER_EXIT_CODES,
    MailPathError: EXIT_NO_MAIL,
    report.ReportPathError: exit_codes.DISK,
    ExchangeProcessError: exit_codes.SOURCE_UNREACHABLE,
    SessionError: exit_codes.SOURCE_UNREACHABLE,
    ChildError: exit_codes.INTERNAL,
    StalledError: exit_codes.HALTED,
    DirectoryUnusableError: exit_codes.DISK,
    NotInstalledError: exit_codes.SETTINGS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """The options of `mailshadow lab`."""

    mail: Path | None
    mailbox_count: int
    seconds: float
    seed: int
    report_path: Path | None
    keep: Path | None
    is_portable: bool
    is_quiet: bool
    has_disaster: bool = False


@click.group(cls=LazyGroup, places=PLACES, invoke_without_command=True)
@click.option(
    "--mail",
    type=click.Path(path_type=Path),
    help="Your own mail instead of generated mail: an mbox, a Maildir, or a folder of messages.",
)
@click.option(
    "--mailboxes",
    type=click.IntRange(1, MAILBOXES_MAX),
    default=MAILBOXES_DEFAULT,
    show_default=True,
    help="How many mailboxes; your own mail is dealt out to them.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400),
    default=SECONDS_DEFAULT,
    show_default=True,
    help="How long users are active after the first copy.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same mail.")
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep all data and logs in this new directory."
)
@click.option("--portable", is_flag=True, help="Carry mail as MIME and properties even where the target takes streams.")
@click.option(
    "--failover/--no-failover",
    "has_disaster",
    default=True,
    help="Then kill the source, promote the target, and come back. By default done.",
)
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.pass_context
def lab(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    *,
    mail: Path | None,
    mailboxes: int,
    seconds: float,
    seed: int,
    report_path: Path | None,
    keep: Path | None,
    portable: bool,
    has_disaster: bool,
    quiet: bool,
) -> None:
    """Mirror mail from one simulated Exchange to another through a real Kafka, live; kill the source; come back."""
    if context.invoked_subcommand is not None:
        return
    options = LabOptions(
        mail=mail,
        mailbox_count=mailboxes,
        seconds=seconds,
        seed=seed,
        report_path=report_path,
        keep=keep,
        is_portable=portable,
        is_quiet=quiet,
        has_disaster=has_disaster,
    )
    console = Console()
    with named_exit_codes():
        result = demonstrate(options, console)
        report.show(console, result)
        if options.report_path is not None:
            report.write(options.report_path, result.as_json())
    if not result.is_clean:
        raise SystemExit(exit_codes.DIFFERENT)


@contextmanager
def named_exit_codes() -> Iterator[None]:
    """Turn what can go wrong into one line and an exit code."""
    try:
        yield
    except tuple(_EXIT_CODES) as error:
        click.echo(f"mailshadow lab: {error}", err=True)
        raise SystemExit(next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind))) from error
    except KeyboardInterrupt:
        click.echo("mailshadow lab: interrupted; every process was stopped.", err=True)
        raise SystemExit(exit_codes.INTERRUPTED) from None


def demonstrate(
    options: LabOptions, console: Console, on_stage: Callable[[str, World], None] = lambda _stage, _world: None
) -> report.RunResult:
    """Run the demonstration in a world of its own, which is gone when this returns or raises.

    `on_stage` is called after each stage (filled, copied, quiet). Raises the errors of the exit codes' table,
    KeyboardInterrupt on SIGINT or SIGTERM.
    """
    if importlib.util.find_spec("faker") is None:
        raise NotInstalledError("the lab needs its extra packages: pip install 'mailshadow[lab,embedded]'")
    # imported here because the services are installed without the lab's packages
    from deploy.lab.demonstration import Demonstration, Script  # noqa: PLC0415
    from deploy.lab.disaster import Disaster  # noqa: PLC0415
    from deploy.lab.front_door import FrontDoor  # noqa: PLC0415

    display = Display(console, is_quiet=options.is_quiet)
    fetch = FetchDisplay(Console(stderr=True))
    if options.report_path is not None:
        report.require_writable(options.report_path)
    mails = _mails(options, display)
    with interruptible() as hold, ExitStack() as stack, hold:
        directory = run_directory(options.keep, stack)
        world = World(
            WorldOptions(directory=directory, mailbox_count=options.mailbox_count, is_portable=options.is_portable),
            fetch,
        )
        stack.callback(world.stop)
        with display.phase("Starting Kafka"):
            world.broker.start()
        fetch.close()
        with display.phase("Starting two Exchange servers"):
            world.start_servers()
        door = FrontDoor(world) if options.has_disaster else None
        script = Script(seconds=options.seconds, seed=options.seed, mails=mails)
        demonstration = Demonstration(world, script, display, lambda stage: on_stage(stage, world))
        stack.callback(demonstration.close)
        result = demonstration.run()
        if door is None or not result.is_clean:
            return result
        stack.callback(door.close)
        door.start()
        disaster = Disaster(world, door, display, options.seed + 1)
        stack.callback(disaster.close)
        return replace(result, disaster=disaster.run())


def _mails(options: LabOptions, display: Display) -> Iterator[NewMail] | None:
    """Return the user's own mail; a path without any is refused before anything is started."""
    if options.mail is None:
        return None
    refused = itertools.count(1)

    def on_refused(path: Path, reason: str) -> None:
        if next(refused) <= REFUSED_SHOWN_MAX:
            display.say(f"  not loaded: {path}: {reason}")

    mails = from_files(read(options.mail, on_refused=on_refused), options.mailbox_count)
    return itertools.chain([next(mails)], mails)


def run_directory(keep: Path | None, stack: ExitStack) -> Path:
    """Return the empty directory of a run, a temporary one without `keep`; raises DirectoryUnusableError."""
    try:
        if keep is None:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailshadow-lab-")))
        keep.mkdir(parents=True, exist_ok=True)
        is_used = any(keep.iterdir())
    except OSError as error:
        named = f"--keep {keep}" if keep else "the directory for temporary files"
        raise DirectoryUnusableError(f"{named}: cannot be used: {error.strerror}. Name another with --keep.") from error
    if is_used:
        raise DirectoryUnusableError(f"--keep {keep}: the directory is not empty. Name a new one.")
    return keep.absolute()
