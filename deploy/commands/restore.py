"""`restore`: one mailbox from the log, as it was at a time, into another live mailbox."""

import dataclasses
import json
from pathlib import Path

import click

from deploy import exit_codes, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.preflight import PreflightError, check_mailbox
from deploy.commands.target_mailbox import dry_run_option, id_of, milliseconds_of, require_target_name, target_option
from deploy.registry import Registry
from deploy.restoring import Restore, Restored, fold, read_log, require_whole
from deploy.restoring import restore as carry_out
from deploy.sections import Settings, SettingsError


@click.command()
@config_option
@json_option
@dry_run_option
@click.argument("mailbox")
@click.option("--until", required=True, metavar="TIME", help="As the log had it at this time (2026-11-22T14:30Z).")
@click.option("--into", required=True, metavar="ADDRESS", help="A mailbox of the target that nothing replays into.")
@target_option
@click.option("--partial", is_flag=True, help="Also where the log does not reach back to all that was there.")
def restore(
    config: Path,
    as_json: bool,  # noqa: FBT001 - click hands options over so
    dry_run: bool,  # noqa: FBT001 - as above
    mailbox: str,
    until: str,
    into: str,
    target: str,
    partial: bool,  # noqa: FBT001 - as above
) -> None:
    """Rebuild MAILBOX (id or source address) from the log into a mailbox of a target server.

    The same command goes on where it was interrupted. Exits with 1 if something could not be restored, and says what.
    """
    until_ms = milliseconds_of(until, "--until")
    settings = settings_of(config, needs_kafka=True)
    require_target_name(settings, target)
    wanted = Restore(mailbox=id_of(mailbox), until=until_ms, into=into, target=target)
    _check_until(until, until_ms)
    _refuse_registered(settings, into, target)
    folded = fold(read_log(settings, wanted.mailbox), wanted.mailbox, until_ms)
    require_whole(folded, f"{mailbox} until {until}", is_partial=partial)
    if dry_run:
        lost = folded.lost()
        found = {
            "items": len(folded.restorable()),
            "folders": len(folded.folders),
            "lost": lost,
            "changes": folded.changes,
        }
        click.echo(json.dumps(found, indent=2) if as_json else "would restore " + _counts(found))
        return
    finding = check_mailbox(settings.targets[target], "target", into)
    if not finding.is_good:
        raise PreflightError(f"{finding.subject}: {finding.text}", finding.exit_code)
    restored = carry_out(settings, wanted, folded)
    _say(restored, into, as_json=as_json)
    if not restored.is_whole:
        raise SystemExit(exit_codes.DIFFERENT)


def _check_until(until: str, until_ms: int) -> None:
    if until_ms > wiring.now_ms():
        raise SettingsError(f"--until {until}: is not over yet")


def _refuse_registered(settings: Settings, into: str, target: str) -> None:
    if "@" not in into:
        raise SettingsError(f"--into {into}: an SMTP address of a mailbox at {target} is needed")
    wiring.prepare_topics(settings)
    registry = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    for registration in registry.all():
        if registration.targets.get(target, "").lower() == into.lower():
            raise SettingsError(
                f"--into {into}: {registration.mailbox} is replayed into this mailbox; name one that nothing writes to"
            )


def _counts(found: dict[str, object]) -> str:
    return ", ".join(f"{value} {name}" for name, value in found.items() if value != {})


def _say(restored: Restored, into: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(restored), indent=2))
        return
    click.echo(f"{into}: {restored.items} items in {restored.folders} folders restored")
    for what, counted in (("lost", restored.lost), ("parked", restored.parked)):
        for reason, count in sorted(counted.items()):
            click.echo(f"not restored: {count} items, {what}: {reason}")
    if restored.stopped:
        click.echo(f"stopped: {restored.stopped}; mend it and give the same command again, it goes on from there")
