"""`mailshadow lab kafka`: the embedded Kafka alone, in the foreground."""

import json
import signal
import threading
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from deploy.interruption import ENDING, interruptible
from deploy.lab.broker.directory import DirectoryError
from deploy.lab.broker.jars import KAFKA_VERSION, FetchProgress, JarError
from deploy.lab.broker.java import JavaError
from deploy.lab.broker.lock import DirectoryInUseError
from deploy.lab.broker.ports import PortError
from deploy.lab.broker.process import Broker, BrokerError
from deploy.lab.broker.properties import Door

# The values are those of sysexits.h, so that init systems and people know them.
EXIT_OK = 0
EXIT_UNAVAILABLE = 69  # the broker did not come up, or ended by itself
EXIT_CANNOT_CREATE = 73  # the data directory cannot be used
EXIT_IN_USE = 75  # the port or the data directory is in use: try again later
EXIT_NOT_INSTALLED = 78  # Java or the jars are missing, or a jar is not the locked one

EXIT_CODES: dict[type[Exception], int] = {
    BrokerError: EXIT_UNAVAILABLE,
    DirectoryError: EXIT_CANNOT_CREATE,
    DirectoryInUseError: EXIT_IN_USE,
    PortError: EXIT_IN_USE,
    JavaError: EXIT_NOT_INSTALLED,
    JarError: EXIT_NOT_INSTALLED,
}
WATCH_INTERVAL_SECONDS = 0.5
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - asked for, and meant for a container's own network


class FetchDisplay:
    """Shows a fetch on standard error: a bar for a person, one line at the start and the end otherwise."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("Kafka {task.fields[jars]}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True)
        self._is_open = False

    def __call__(self, progress: FetchProgress) -> None:
        """Take the newest state; one that is complete from the start is not worth a word."""
        is_complete = progress.jars_done == progress.jars_total
        if not self._is_open and is_complete:
            return
        jars = f"{progress.jars_done}/{progress.jars_total}"
        if not self._is_open:
            self._is_open = True
            megabytes = (progress.bytes_total - progress.bytes_done) / 1e6
            self._console.print(f"Fetching Kafka {KAFKA_VERSION} once ({megabytes:.0f} MB)", highlight=False)
            self._bar.add_task("fetch", total=progress.bytes_total, jars=jars)
            if self._console.is_terminal:
                self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=progress.bytes_done, jars=jars)
        if is_complete:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()
        self._is_open = False


@click.command("kafka")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Directory of the broker's data; it is created, and its content survives.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1; otherwise chosen and remembered.")
@click.option("--flush/--no-flush", default=False, help="Sync every append to disk: safe against power loss.")
@click.option(
    "--door", metavar="NAME:PORT", help="Also listen on every address, for who knows this machine as NAME: containers."
)
def kafka(data: Path, port: int | None, flush: bool, door: str | None) -> None:  # noqa: FBT001 - click passes flags so
    """Run a real Apache Kafka on this machine until it is told to stop (Ctrl-C, SIGTERM).

    Prints one line of JSON when it is ready.
    """
    display = FetchDisplay(Console(stderr=True))
    doors = [_door(door)] if door else []
    broker = Broker(data, port=port, flush_every_append=flush, on_progress=display, doors=doors)
    with interruptible() as hold:
        try:
            broker.start()
            _watch(broker, data, is_flushing=flush)
        except tuple(EXIT_CODES) as error:
            click.echo(f"mailshadow lab kafka: {error}", err=True)
            raise SystemExit(EXIT_CODES[type(error)]) from error
        except KeyboardInterrupt:
            click.echo("mailshadow lab kafka: stopped before it was ready.", err=True)
        finally:
            hold()
            display.close()
            broker.stop()


def _watch(broker: Broker, data: Path, *, is_flushing: bool) -> None:
    """Say that it is ready, and return when it is told to stop; BrokerError when it ends by itself."""
    told_to_stop = threading.Event()
    for number in ENDING:
        signal.signal(number, lambda *_: told_to_stop.set())
    click.echo(_ready_line(broker, data, is_flushing=is_flushing))
    while not told_to_stop.wait(WATCH_INTERVAL_SECONDS):
        if not broker.is_running:
            raise BrokerError(f"{data}: the broker ended by itself. See {broker.server_log}.")


def _door(text: str) -> Door:
    name, _, port = text.rpartition(":")
    if not name or not port.isdigit():
        raise click.BadParameter(f"{text!r} must be NAME:PORT", param_hint="--door")
    return Door(name="DOOR", port=int(port), advertised_port=int(port), host=EVERY_ADDRESS, advertised_host=name)


def _ready_line(broker: Broker, data: Path, *, is_flushing: bool) -> str:
    return json.dumps(
        {
            "bootstrap_servers": broker.bootstrap_servers,
            "kafka_version": KAFKA_VERSION,
            "data": str(data.absolute()),
            "pid": broker.pid,
            "flush_every_append": is_flushing,
            "server_log": str(broker.server_log),
        }
    )
