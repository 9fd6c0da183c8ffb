"""`dead-letters`: what could not be applied, with its reason; and the order to try again."""

import json
from collections import defaultdict
from pathlib import Path

import click

from deploy import pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.ordering import write_order
from schemas.state import Order


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at parked items, and have them tried again."""


def _parked(config: Path, target: str) -> list[tuple[str, str, str, str]]:
    settings = settings_of(config, needs_kafka=True)
    state = pipeline_state.read(wiring.kafka_settings(settings), wiring.topics_of(settings), tuple(settings.targets))
    return [
        (name, mailbox, item.item, item.reason)
        for name, standings in state.targets.items()
        for mailbox, standing in standings.items()
        for item in standing.parked
        if target in ("", name)
    ]


@dead_letters.command("list")
@config_option
@json_option
@click.option("--target", default="", help="Only this target.")
def list_letters(config: Path, as_json: bool, target: str) -> None:  # noqa: FBT001 - click hands options over so
    """List parked items: target, mailbox, item, reason."""
    rows = _parked(config, target)
    if as_json:
        names = ("target", "mailbox", "item", "reason")
        click.echo(json.dumps({"parked": [dict(zip(names, r, strict=True)) for r in rows]}, indent=2))
        return
    for row in rows:
        click.echo("  ".join(row))
    click.echo(f"{len(rows)} parked")


@dead_letters.command()
@config_option
@click.option("--target", default="", help="Only this target.")
@click.option("--dry-run", is_flag=True, help="Say what would be ordered.")
def redrive(config: Path, target: str, dry_run: bool) -> None:  # noqa: FBT001 - as above
    """Ask the source for the content of every parked item once more."""
    settings = settings_of(config, needs_kafka=True)
    wanted: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, mailbox, item, _ in _parked(config, target):
        wanted[name, mailbox].append(item)
    for (name, mailbox), items in wanted.items():
        if not dry_run:
            order = Order(
                mailbox=mailbox, kind="WANT", items=tuple(items), target=name, reason="redrive",
                issued_at=wiring.now_ms(),
            )  # fmt: skip
            write_order(wiring.kafka_settings(settings), wiring.topics_of(settings), order)
        click.echo(f"{name} {mailbox}: {len(items)} items {'would be ' if dry_run else ''}ordered")
    if not wanted:
        click.echo("nothing is parked")
