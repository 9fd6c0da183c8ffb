"""`targets`: list them, and take one out of the pipeline without leaving anything but its mail."""

import json
from contextlib import closing
from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from deploy import kafka, pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.exchange import Session
from deploy.registry import Registry
from deploy.removal import Remains, refuse_while_replaying, remains_of, remove, remove_staging
from deploy.sections import Settings, SettingsError
from deploy.throttle import Throttle
from schemas.metrics import SessionMetrics


@click.group()
def targets() -> None:
    """List the targets of the pipeline, or take one out of it."""


@targets.command("list")
@config_option
@json_option
def list_targets(config: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """List every target with its server, the mailboxes registered there, and the topics it has."""
    settings = settings_of(config, needs_kafka=True)
    known = _registrations(settings)
    rows = [
        {
            "target": name,
            "url": section.url,
            "mailboxes": len(known[name]),
            "topics": len(_remains(settings, name).topics),
        }
        for name, section in settings.targets.items()
    ]
    if as_json:
        click.echo(json.dumps({"targets": rows}, indent=2))
        return
    for row in rows:
        click.echo(f"{row['target']:<20} {row['mailboxes']:>6} mailboxes  {row['topics']} topics  {row['url']}")


@targets.command("remove")
@config_option
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Say what would be taken away.")
@click.option("--keep-staging", is_flag=True, help="Leave the hidden staging folders: the server is gone.")
def remove_target(config: Path, target: str, dry_run: bool, keep_staging: bool) -> None:  # noqa: FBT001 - as above
    """Take TARGET out: staging folders, ledger, dead letters, orders, offsets and caches. Its mail stays.

    Stop its replay first, and take it out of the settings file afterwards.
    """
    settings = settings_of(config, needs_kafka=True)
    if target not in settings.targets:
        raise SettingsError(
            f"{target}: the settings have {', '.join(settings.targets)}; this needs its server's section"
        )
    client = kafka.admin(wiring.kafka_settings(settings))
    remains = _remains(settings, target)
    refuse_while_replaying(client, remains.group)
    staging = {} if keep_staging else _staging(settings, target)
    folders = sum(map(len, staging.values()))
    if dry_run:
        click.echo(f"{target}: would remove {folders} staging folders, {_said(remains)}")
        return
    removed = _remove_staging(settings, target, staging)
    remove(client, remains)
    click.echo(f"{target}: removed {removed} staging folders, {_said(remains)}; take it out of {config} now")


def _said(remains: Remains) -> str:
    return f"{len(remains.topics)} topics, group {remains.group}, {len(remains.cache_files)} cache files"


def _remains(settings: Settings, target: str) -> Remains:
    existing = kafka.partition_counts(wiring.kafka_settings(settings))
    return remains_of(wiring.topics_of(settings), target, existing, settings.pipeline.data_directory)


def _registrations(settings: Settings) -> dict[str, dict[str, str]]:
    """Return for every target mailbox id to address there."""
    with closing(Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))) as registry:
        known = registry.all()
    return {name: {r.mailbox: r.targets[name] for r in known if name in r.targets} for name in settings.targets}


def _staging(settings: Settings, target: str) -> dict[str, dict[str, str]]:
    """Return the staging folders by mailbox address; those of a mailbox nobody has an address of can't be reached."""
    state = wiring.topics_of(settings).target_state(target)
    if state not in kafka.partition_counts(wiring.kafka_settings(settings)):
        return {}
    addresses = _registrations(settings)[target]
    standings = pipeline_state.read_target(wiring.kafka_settings(settings), state)
    return {addresses[m]: s.record.staging for m, s in standings.items() if m in addresses and s.record.staging}


def _remove_staging(settings: Settings, target: str, staging: dict[str, dict[str, str]]) -> int:
    server = wiring.server_settings(settings.targets[target])
    with closing(Session(server, Throttle(), SessionMetrics(CollectorRegistry()))) as session:
        return sum(remove_staging(session, address, folders) for address, folders in staging.items())
