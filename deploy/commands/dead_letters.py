"""`dead-letters`: what could not be applied and why; the orders to try again, and to give an item up."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from deploy import evidence, pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.target_mailbox import dry_run_option, id_of, milliseconds_of, require_target_name
from deploy.ordering import write_order
from deploy.sections import Settings, SettingsError
from schemas.roles import OrderKind
from schemas.state import Order

ORDER_ITEMS_MAX = 500
AUTO, SOURCE, EVIDENCE = "auto", "source", "evidence"
_KINDS = {SOURCE: OrderKind.REDRIVE, EVIDENCE: OrderKind.REDRIVE_FROM_EVIDENCE, "drop": OrderKind.DROP}
_FILTERS = (
    click.option("--target", default="", help="Only this target."),
    click.option("--mailbox", default="", help="Only this mailbox (id or source address)."),
    click.option("--item", default="", help="Only items whose key begins so."),
    click.option("--reason", default="", help="Only reasons (response codes) that contain this."),
    click.option("--since", default="", metavar="TIME", help="Only parked at or after this time (2026-11-22T14:30Z)."),
    click.option("--until", default="", metavar="TIME", help="Only parked at or before this time."),
)


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at parked items, have them tried again, or give them up."""


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _filter(settings: Settings, options: dict[str, str], *, is_dropped: bool = False) -> evidence.Filter:
    require_target_name(settings, options["target"])
    return evidence.Filter(
        target=options["target"],
        mailbox=id_of(options["mailbox"]) if options["mailbox"] else "",
        item=options["item"].lower(),
        reason=options["reason"],
        since=milliseconds_of(options["since"], "--since"),
        until=milliseconds_of(options["until"], "--until"),
        is_dropped=is_dropped,
    )


def _parked(settings: Settings, wanted: evidence.Filter) -> Iterator[evidence.Parked]:
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    state = pipeline_state.read(connection, topics, tuple(settings.targets))
    return evidence.parked(connection, topics, state, wanted)


@dead_letters.command("list")
@config_option
@json_option
@click.option("--dropped", is_flag=True, help="Those that were given up.")
@_filtered
def list_letters(config: Path, as_json: bool, dropped: bool, **options: str) -> None:  # noqa: FBT001 - click hands options over so
    """List parked items: target, mailbox, item, reason, when."""
    settings = settings_of(config, needs_kafka=True)
    rows = [evidence.row(p) for p in _parked(settings, _filter(settings, options, is_dropped=dropped))]
    if as_json:
        click.echo(json.dumps({"parked": rows}, indent=2))
        return
    for one in rows:
        at = wiring.iso_time(one["parked_at_ms"])
        click.echo(f"{one['target']}  {one['mailbox']}  {one['item']}  {one['reason']}  {at}")
    click.echo(f"{len(rows)} {'dropped' if dropped else 'parked'}")


@dead_letters.command()
@config_option
@json_option
@click.argument("item")
@click.option("--target", default="", help="Only this target.")
def show(config: Path, as_json: bool, item: str, target: str) -> None:  # noqa: FBT001 - as above
    """Show what is known of a parked or dropped ITEM (its key, or the beginning of it); never its content."""
    settings = settings_of(config, needs_kafka=True)
    require_target_name(settings, target)
    filters = [evidence.Filter(target=target, item=item.lower(), is_dropped=dropped) for dropped in (False, True)]
    found = [evidence.details(p) for wanted in filters for p in _parked(settings, wanted)]
    if not found:
        raise SettingsError(f"{item}: no such item is parked; `mailshadow dead-letters list` shows those that are")
    if as_json:
        click.echo(json.dumps({"parked": found}, indent=2))
        return
    for described in found:
        for name, value in described.items():
            click.echo(f"{name.replace('_', ' ')}: {value}")


@dead_letters.command()
@config_option
@json_option
@dry_run_option
@click.option(
    "--from", "origin", type=click.Choice([AUTO, SOURCE, EVIDENCE]), default=AUTO, show_default=True,
    help="auto: the source where it has the item and can be asked, else the dead letter.",
)  # fmt: skip
@_filtered
def redrive(config: Path, as_json: bool, dry_run: bool, origin: str, **options: str) -> None:  # noqa: FBT001 - as above
    """Try parked items again: their content with the folder and marks they have by now."""
    settings = settings_of(config, needs_kafka=True)
    chosen: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for found in _parked(settings, _filter(settings, options)):
        way = origin if origin != AUTO else SOURCE if found.is_at_source or found.letter is None else EVIDENCE
        chosen[found.target, found.mailbox, way].append(found.record.item)
    _give(settings, chosen, as_json=as_json, dry_run=dry_run)


@dead_letters.command()
@config_option
@json_option
@dry_run_option
@click.option("--all", "is_all", is_flag=True, help="Needed where no filter is given.")
@_filtered
def drop(config: Path, as_json: bool, dry_run: bool, is_all: bool, **options: str) -> None:  # noqa: FBT001 - as above
    """Give parked items up: they stay in the record, listed by `list --dropped`, and are not counted as parked."""
    settings = settings_of(config, needs_kafka=True)
    if not is_all and not any(options.values()):
        raise SettingsError("drop: name what is meant with a filter such as --item or --reason, or say --all")
    chosen: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for found in _parked(settings, _filter(settings, options)):
        chosen[found.target, found.mailbox, "drop"].append(found.record.item)
    _give(settings, chosen, as_json=as_json, dry_run=dry_run)


def _give(settings: Settings, chosen: dict[tuple[str, str, str], list[str]], *, as_json: bool, dry_run: bool) -> None:
    """Order it of the owners of the targets, so many items an order, and say so."""
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    rows: list[dict[str, Any]] = []
    for (target, mailbox, way), items in chosen.items():
        for start in range(0, len(items), ORDER_ITEMS_MAX):
            order = Order(
                mailbox=mailbox, kind=_KINDS[way], items=tuple(items[start : start + ORDER_ITEMS_MAX]), target=target,
                reason="by an operator", issued_at=wiring.now_ms(),
            )  # fmt: skip
            if not dry_run:
                write_order(connection, topics, order, target)
        rows.append({"target": target, "mailbox": mailbox, "way": way, "items": items, "ordered": not dry_run})
    if as_json:
        click.echo(json.dumps({"orders": rows}, indent=2))
        return
    for one in rows:
        said = "would be ordered" if dry_run else "ordered"
        verb = "drop" if one["way"] == "drop" else f"redrive from {one['way']}"
        click.echo(f"{one['target']} {one['mailbox']}: {verb}: {len(one['items'])} items {said}")
    if not rows:
        click.echo("nothing is parked that is meant")
