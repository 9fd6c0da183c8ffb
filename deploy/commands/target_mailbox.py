"""`mailboxes release`, `skip`, `orphans`, pause and resume at one target: what is decided of one mailbox there.

A command only writes an order; the owner of the partition obeys it and records the effect (consumers/orders.py).
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from deploy import pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.held import Held, held_changes
from deploy.ordering import write_order
from deploy.pipeline_state import TargetStanding
from deploy.promotion.turned import turned
from deploy.promotion.whereabouts import whereabouts
from deploy.sections import Settings, SettingsError
from schemas.faults import ReplicationFault
from schemas.identity import mailbox_id
from schemas.roles import OrderKind
from schemas.state import Order, TargetMailbox

target_option = click.option("--target", required=True, help="Name of the target in the settings.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen and order nothing.")
until_option = click.option("--until", default="", metavar="TIME", help="Only up to this time (2026-11-22T14:30Z).")
_MAILBOX_ID = re.compile(r"[0-9a-f]{20}")


def milliseconds_of(text: str, option: str) -> int:
    """Return the milliseconds since 1970 of an ISO 8601 time (UTC unless it says otherwise); 0 for nothing."""
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        found = int(at.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"{option} {text}: not a time; write it as 2026-11-22T14:30Z") from error
    if found <= 0:
        raise SettingsError(f"{option} {text}: before 1970; write it as 2026-11-22T14:30Z")
    return found


@dataclass(frozen=True, slots=True)
class AtTarget:
    """A mailbox at a target, as it stands."""

    settings: Settings
    mailbox: str
    target: str
    standing: TargetStanding

    @property
    def hold_seconds(self) -> float:
        """How long the log is held back from the target."""
        return self.settings.targets[self.target].hold_seconds

    def order(self, kind: str, *, items: tuple[str, ...] = (), reason: str = "", until: int = 0) -> None:
        """Write an order to the owner of the mailbox at the target."""
        order = Order(
            mailbox=self.mailbox, kind=kind, items=items, target=self.target, reason=reason,
            issued_at=wiring.now_ms(), until=until,
        )  # fmt: skip
        connection, topics = wiring.kafka_settings(self.settings), wiring.topics_of(self.settings)
        write_order(connection, topics, order, self.target)


def at_target(config: Path, mailbox: str, target: str) -> AtTarget:
    """Return a mailbox (id or source address) at a target; SettingsError where there is no such.

    The name of the source means the way back: the mailbox as it is mirrored to its old source.
    """
    settings = settings_of(config, needs_kafka=True)
    name = id_of(mailbox)
    if target == settings.source.name:
        where = whereabouts(wiring.kafka_settings(settings), wiring.topics_of(settings), tuple(settings.targets))
        if name not in where.promoted:
            raise SettingsError(f"{mailbox}: was not promoted, so nothing is mirrored to {target}")
        settings = turned(settings, where.promoted[name])
    require_target_name(settings, target)
    wiring.prepare_topics(settings)
    state = pipeline_state.read(wiring.kafka_settings(settings), wiring.topics_of(settings), (target,))
    standing = state.targets[target].get(name)
    if standing is None and name not in state.sources:
        raise SettingsError(f"{mailbox}: no such mailbox; `mailshadow mailboxes list` shows the known ones")
    return AtTarget(settings, name, target, standing or TargetStanding(TargetMailbox(mailbox=name)))


def require_target_name(settings: Settings, target: str) -> None:
    """Raise SettingsError if the settings have no such target; an empty name means all."""
    if target and target not in settings.targets:
        raise SettingsError(f"--target {target}: the settings have {', '.join(settings.targets)}")


def id_of(mailbox: str) -> str:
    """Return the id of a mailbox given by id or source address; SettingsError if it is neither."""
    name = mailbox_id(mailbox) if "@" in mailbox else mailbox.lower()
    if not _MAILBOX_ID.fullmatch(name):
        raise SettingsError(f"{mailbox}: neither an address nor a mailbox id; `mailshadow mailboxes list` shows both")
    return name


def _is_held(at: AtTarget) -> bool:
    return bool(at.standing.record.tripped) or at.hold_seconds > 0


def _refuse_unheld(at: AtTarget) -> None:
    if not _is_held(at):
        raise SettingsError(
            f"{at.mailbox}: nothing is held at {at.target}; `mailshadow status` shows what is, and "
            "`mailboxes resume --target` ends a pause"
        )


def _read_held(at: AtTarget, until: int) -> Held:
    connection, topics = wiring.kafka_settings(at.settings), wiring.topics_of(at.settings)
    return held_changes(connection, topics, at.standing, until)


def _describe(at: AtTarget, held: Held) -> str:
    span = f", {wiring.iso_time(held.oldest_at)} to {wiring.iso_time(held.newest_at)}" if held.changes else ""
    why = at.standing.record.tripped_on or (f"held for {at.hold_seconds:g} s" if at.hold_seconds else "")
    return f"{at.mailbox} at {at.target}: {held.changes} changes, {held.deletions} of them deletions{span} ({why})"


@click.command()
@config_option
@click.argument("mailbox")
@target_option
@until_option
@dry_run_option
def release(config: Path, mailbox: str, target: str, until: str, dry_run: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Apply everything that is held of MAILBOX at a target: by the deletion breaker, a limit, or its hold."""
    until_ms = milliseconds_of(until, "--until")
    at = at_target(config, mailbox, target)
    _refuse_unheld(at)
    held = _read_held(at, until_ms)
    click.echo(_describe(at, held))
    if dry_run:
        click.echo("release would apply all of them")
        return
    at.order(OrderKind.RELEASE, until=until_ms, reason="released by an operator")
    click.echo("release ordered; the owner of its partition obeys when it runs")


@click.command()
@config_option
@click.argument("mailbox")
@target_option
@until_option
@dry_run_option
def skip(config: Path, mailbox: str, target: str, until: str, dry_run: bool) -> None:  # noqa: FBT001 - as above
    """Drop the held deletions of MAILBOX at a target: the items stay there, listed by `mailboxes orphans`.

    On a lagged target new content is parked as well; everything else goes on.
    """
    until_ms = milliseconds_of(until, "--until")
    at = at_target(config, mailbox, target)
    _refuse_unheld(at)
    if at.standing.record.tripped == ReplicationFault.DEAD_LETTER_LIMIT:
        raise SettingsError(
            f"{at.mailbox}: held for its dead letters, not for deletions: `release` parks them, `resume` tries again"
        )
    held = _read_held(at, until_ms)
    click.echo(_describe(at, held))
    is_breaker = bool(at.standing.record.tripped)
    also = f"; what {held.seeds} seeds did not name stays too" if held.seeds else ""
    parks = "" if is_breaker else f" and park {held.contents} saves"
    if dry_run:
        click.echo(f"skip would leave {held.deletions} items at the target as orphans{parks}{also}")
        return
    at.order(OrderKind.SKIP, until=until_ms, reason="skipped by an operator")
    click.echo("skip ordered; the owner of its partition obeys when it runs")


@click.command()
@config_option
@json_option
@click.argument("mailbox")
@target_option
def orphans(config: Path, as_json: bool, mailbox: str, target: str) -> None:  # noqa: FBT001 - as above
    """List what stays at a target although it is gone at the source, because its deletion was skipped."""
    at = at_target(config, mailbox, target)
    rows = [
        {"item": o.item, "target_item_id": o.target_id, "skipped_at": wiring.iso_time(o.at)}
        for o in at.standing.orphans
    ]
    if as_json:
        click.echo(json.dumps({"mailbox": at.mailbox, "target": target, "orphans": rows}, indent=2))
        return
    for row in rows:
        click.echo("  ".join(row.values()))
    click.echo(f"{len(rows)} orphans")


def steer_target(config: Path, mailbox: str, target: str, kind: str, reason: str) -> None:
    """Order PAUSE or RESUME of a mailbox at one target."""
    at = at_target(config, mailbox, target)
    at.order(kind, reason=reason)
    click.echo(f"{at.mailbox}: {kind.lower()} ordered at {target}; the owner of its partition obeys when it runs")
