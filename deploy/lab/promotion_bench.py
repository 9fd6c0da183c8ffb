"""`mailshadow lab promotion`: how long a promotion takes, planned and with source and feed killed.

Each count is a world of its own with twice as many mailboxes: half is promoted by plan, the other half after a kill -9
of the source and the feed. The clock starts with the command's process; it is read when the command says that all are
open (after that it leads, reads the tail of a living source, and writes the statement), and when the first request of
a client, which asks our Autodiscover responder again and again for the last mailbox, is answered by the target.
Warm before: Kafka, the replay, the responder, the client, and in the planned half the feed.
"""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deploy import exit_codes
from deploy.lab import report
from deploy.lab.command import named_exit_codes
from deploy.lab.front_door import FrontDoor
from deploy.lab.session import UserSession
from deploy.lab.standing import standing
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import TARGET, World, WorldOptions
from deploy.settings import load
from schemas.topics import PARTITION_COUNT_DEFAULT

COPY_SECONDS_MAX = 1_800.0
COMMAND_SECONDS_MAX = 600.0
CLIENT_SECONDS_MAX = 60.0
MAILS = 3


def measure(directory: Path, count: int) -> list[dict[str, Any]]:
    """Return the figures of both promotions of `count` mailboxes each."""
    world = World(WorldOptions(directory=directory, mailbox_count=2 * count))
    door = FrontDoor(world)
    try:
        world.broker.start()
        world.start_servers()
        _fill(world)
        world.start_services()
        door.start()
        _await_level(world)
        sources = [source for source, _ in world.mailboxes]
        planned = _promote(world, door.following(sources[count - 1]), sources[:count])
        client = door.following(sources[-1])  # while there is a source to find
        world.source.signal(signal.SIGKILL)
        world.feed.signal(signal.SIGKILL)
        return [planned, _promote(world, client, sources[count:], "--source-lost")]
    finally:
        door.close()
        world.stop()


def _fill(world: World) -> None:
    session = UserSession(world.source_address)
    for owner, (source, _) in enumerate(world.mailboxes):
        user = UserMailbox(session, source)
        mails = [
            NewMail(
                owner=owner, folder=INBOX, mime=f"Subject: {n}\r\n\r\nmail {n}\r\n".encode(),
                received=datetime(2026, 11, 22, tzinfo=UTC), is_read=False,
            )
            for n in range(MAILS)
        ]  # fmt: skip
        user.create_mail(user.folder(INBOX), mails)
    session.close()


def _await_level(world: World) -> None:
    deadline = time.monotonic() + COPY_SECONDS_MAX
    while standing(world.status(), TARGET, 0).level < len(world.mailboxes):
        world.require_services()
        if time.monotonic() > deadline:
            raise report.ReportPathError(f"{len(world.mailboxes)} mailboxes were not copied in {COPY_SECONDS_MAX:g} s")
        time.sleep(1.0)


def _promote(world: World, client: "subprocess.Popen[str]", mailboxes: Sequence[str], *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "deploy", "failover", *mailboxes, "--to", TARGET, "--json", *options]
    said = world.options.directory / "promotion.json"
    began, began_at, opened = time.monotonic(), time.time(), 0.0
    with said.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--config", str(world.config)], stdout=out, stderr=subprocess.PIPE, text=True
        )
        for line in process.stderr or ():
            opened = time.monotonic() - began if "mailboxes are open at" in line else opened
        process.wait(COMMAND_SECONDS_MAX)
    seconds = time.monotonic() - began
    led_at = _led_at(client)
    found: dict[str, Any] = {"mailboxes": [], "seconds": {}, "nothing_lost": False}
    found |= json.loads(said.read_text() or "{}")
    return {
        "mailboxes": len(mailboxes),
        "kind": "source lost, feed killed" if options else "planned",
        "open_after_seconds": round(opened, 2),
        "client_after_seconds": round(led_at - began_at, 2) if led_at else -1.0,
        "seconds": round(seconds, 2),
        "seconds_by_stage": found["seconds"],
        "open": sum(row["state"] in {"OPEN", "LED", "CONFIRMED"} for row in found["mailboxes"]),
        "nothing_lost": found["nothing_lost"],
        "exit_code": process.returncode,
        "partitions": load(world.config, {}).kafka.partition_count or PARTITION_COUNT_DEFAULT,
    }


def _led_at(client: "subprocess.Popen[str]") -> float:
    """Return when the client was answered by another server; 0 if it never was."""
    limit = threading.Timer(CLIENT_SECONDS_MAX, client.kill)
    limit.start()
    said = client.stdout.readline() if client.stdout else ""
    limit.cancel()
    client.wait()
    return float(json.loads(said)["at"]) if said else 0.0


@click.command()
@click.option("--mailboxes", "counts", type=click.IntRange(1, 1000), multiple=True, default=(1, 100), show_default=True)
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
def promotion(counts: tuple[int, ...], report_path: Path | None) -> None:
    """Measure promotions of so many mailboxes, planned and with the source lost."""
    rows: list[dict[str, Any]] = []
    table = Table("mailboxes", "kind", "open after s", "client after s", "all s", "open", "by stage", title="Promotion")
    with named_exit_codes():
        for count in counts:
            with TemporaryDirectory(prefix="mailshadow-") as directory:
                rows += measure(Path(directory), count)
        for row in rows:
            stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["seconds_by_stage"].items())
            times = [f"{row[name]:.1f}" for name in ("open_after_seconds", "client_after_seconds", "seconds")]
            table.add_row(str(row["mailboxes"]), row["kind"], *times, str(row["open"]), stages)
        Console().print(table)
        if report_path is not None:
            report.write(report_path, {"commit": report.commit(), "promotions": rows})
    if any(row["open"] < row["mailboxes"] or row["client_after_seconds"] < 0 for row in rows):
        raise SystemExit(exit_codes.DIFFERENT)
