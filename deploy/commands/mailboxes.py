"""`mailboxes`: list, add, pause, resume, resync, release, skip, orphans. Orders go to Kafka; owners obey them."""

import json
from pathlib import Path

import click

from deploy import wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.target_mailbox import orphans, release, skip, steer_target
from deploy.mapping import addresses_of, shared_address
from deploy.ordering import write_order
from deploy.registry import Registry
from deploy.sections import Settings, SettingsError
from schemas.identity import mailbox_id
from schemas.roles import OrderKind
from schemas.state import Order


@click.group()
def mailboxes() -> None:
    """List and steer the mailboxes of the pipeline."""


def _registry(settings: Settings) -> Registry:
    wiring.prepare_topics(settings)
    return Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))


@mailboxes.command("list")
@config_option
@json_option
def list_mailboxes(config: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """List mailbox ids with their addresses (ids are what logs and metrics show)."""
    settings = settings_of(config, needs_kafka=True)
    known = _registry(settings).all()
    if as_json:
        rows = [{"mailbox": r.mailbox, "source": r.source, "targets": r.targets} for r in known]
        click.echo(json.dumps({"mailboxes": rows}, indent=2))
        return
    for registration in known:
        targets = ", ".join(f"{t}: {a}" for t, a in registration.targets.items())
        click.echo(f"{registration.mailbox}  {registration.source}  ->  {targets}")


@mailboxes.command()
@config_option
@click.argument("source")
@click.argument("targets", nargs=-1, metavar="[TARGET=ADDRESS]...")
def add(config: Path, source: str, targets: tuple[str, ...]) -> None:
    """Register the mailbox SOURCE without touching the settings file, at the targets named and those that map it."""
    settings = settings_of(config, needs_kafka=True)
    pairs = dict(t.partition("=")[::2] for t in targets)
    for target, address in pairs.items():
        if target not in settings.targets or "@" not in address:
            raise SettingsError(f"{target}={address}: TARGET=ADDRESS with one of {', '.join(settings.targets)}")
    addresses = addresses_of(source, pairs, settings.targets)
    if not addresses:
        raise SettingsError(f"{source}: no target maps this address by itself; give TARGET=ADDRESS")
    registry = _registry(settings)
    others = [(r.source, r.targets) for r in registry.all() if r.source.lower() != source.lower()]
    if shared := shared_address([*others, (source, addresses)]):
        target, address, one, _ = shared
        raise SettingsError(f"{target}={address}: {one} is mirrored into that mailbox already")
    registration = registry.add(source, addresses)
    click.echo(f"{registration.mailbox} registered")


def _order(config: Path, mailbox: str, kind: str, reason: str) -> None:
    settings = settings_of(config, needs_kafka=True)
    name = mailbox_id(mailbox) if "@" in mailbox else mailbox
    known = {r.mailbox for r in _registry(settings).all()}
    if name not in known:
        raise SettingsError(f"{mailbox}: no such mailbox; `mailshadow mailboxes list` shows the known ones")
    order = Order(mailbox=name, kind=kind, items=(), target="", reason=reason, issued_at=wiring.now_ms())
    write_order(wiring.kafka_settings(settings), wiring.topics_of(settings), order)
    click.echo(f"{name}: {kind.lower()} ordered; the owner of its partition obeys when it runs")


@mailboxes.command()
@config_option
@click.argument("mailbox")
@click.option("--target", default="", help="Pause it at this target only; it is captured on.")
@click.option("--reason", default="paused by an operator", show_default=True)
def pause(config: Path, mailbox: str, target: str, reason: str) -> None:
    """Capture MAILBOX (id or source address) no more until it is resumed; survives restarts."""
    if target:
        steer_target(config, mailbox, target, OrderKind.PAUSE, reason)
        return
    _order(config, mailbox, OrderKind.PAUSE, reason)


@mailboxes.command()
@config_option
@click.argument("mailbox")
@click.option("--target", default="", help="Go on at this target: after a pause, or to try again what a limit holds.")
def resume(config: Path, mailbox: str, target: str) -> None:
    """Capture MAILBOX again: nothing that happened meanwhile is missed."""
    if target:
        steer_target(config, mailbox, target, OrderKind.RESUME, "resumed by an operator")
        return
    _order(config, mailbox, OrderKind.RESUME, "resumed by an operator")


@mailboxes.command()
@config_option
@click.argument("mailbox")
def resync(config: Path, mailbox: str) -> None:
    """Say the whole content of MAILBOX once more; targets apply what they lack and drop what is gone."""
    _order(config, mailbox, OrderKind.SEED, "resync")


for command in (release, skip, orphans):
    mailboxes.add_command(command)
