"""`migrate`: mailboxes move to a target in waves; planned, watched, scheduled and approved here."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from deploy import wiring
from deploy.commands.migrate_after import close, report, watch
from deploy.commands.migrate_cut_over import cut_over, roll_back
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.target_mailbox import id_of, require_target_name
from deploy.migration import mapping_file, telling
from deploy.migration.book import Book, Contents
from deploy.migration.outlook import Outlook, WaveView
from deploy.migration.planning import Plan
from deploy.migration.refusal import NotReadyError
from deploy.migration.stages import Command, Stage, after, diagram
from deploy.migration.window import window
from deploy.promotion.office import operator_name
from deploy.promotion.readiness import NEVER
from deploy.sections import Settings, SettingsError
from schemas.state import Registration, Wave

FILE_BYTES_MAX = 32 * 1024 * 1024
ERRORS_SHOWN_MAX = 50
MAILBOXES_MAX = 3_000
wave_argument = click.argument("name", metavar="WAVE")


@click.group()
def migrate() -> None:
    """Move mailboxes to a target in waves: pre-stage, delta, approval, window, stray watch."""


def prepared(config: Path) -> Settings:
    """Return the settings, with Kafka's topics there."""
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    return settings


@migrate.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", "target", required=True, metavar="TARGET", help="Target, by its name in the settings.")
@click.option("--limit-mailboxes", default=500, show_default=True, type=click.IntRange(1, MAILBOXES_MAX))
def plan(config: Path, file: Path, target: str, limit_mailboxes: int) -> None:
    """Check the mapping FILE (CSV) as a whole, and register its mailboxes: their first copy begins.

    Columns: source, target, wave, priority, archive, notes. Again with more rows adds them; nothing is ever removed.
    """
    settings = settings_of(config, needs_kafka=True)
    require_target_name(settings, target)
    found = mapping_file.read(_text_of(file), settings.targets[target])
    _refuse(file, found.errors)
    wiring.prepare_topics(settings)
    with Outlook(settings) as outlook:

        def decide(contents: Contents) -> Sequence[Wave | Registration]:
            made = Plan(contents, target, limit_mailboxes, lambda wave: outlook.of(contents, wave))
            made.take(found.rows)
            _refuse(file, made.errors)
            changed.extend(made.registrations)
            return made.records

        changed: list[str] = []
        Book(settings).change(decide)
    waves = sorted({row.wave for row in found.rows})
    click.echo(
        f"{len(changed)} of {len(found.rows)} mailboxes are new or changed, in {len(waves)} waves: {', '.join(waves)}"
    )


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"{file}: larger than {FILE_BYTES_MAX} bytes; split it")
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: byte {error.start} is not UTF-8; save it as UTF-8") from error


def _refuse(file: Path, errors: Sequence[str]) -> None:
    if not errors:
        return
    more = [f"… and {len(errors) - ERRORS_SHOWN_MAX} more"] if len(errors) > ERRORS_SHOWN_MAX else []
    listed = "\n".join(f"  {text}" for text in [*errors[:ERRORS_SHOWN_MAX], *more])
    raise SettingsError(f"{file}: nothing was registered:\n{listed}")


@migrate.command()
@config_option
@json_option
@click.argument("name", metavar="[WAVE]", default="")
@click.option("--states", "is_table", is_flag=True, help="Print the table of stages as a Mermaid diagram.")
def status(config: Path, *, name: str, as_json: bool, is_table: bool) -> None:
    """Show where every wave stands, or one with its mailboxes: who is not ready, and why."""
    if is_table:
        click.echo(diagram())
        return
    settings = prepared(config)
    contents = Book(settings).read()
    chosen = [contents.wave(name)] if name else [contents.waves[n] for n in sorted(contents.waves)]
    with Outlook(settings) as outlook:
        lost = {wave.wave: why for wave in chosen if (why := outlook.lost(wave))}
        views = {wave.wave: outlook.of(contents, wave) for wave in chosen if wave.wave not in lost}
    if as_json:
        rows: list[dict[str, Any]] = [
            telling.lost_row(w, lost[w.wave]) if w.wave in lost else telling.row(views[w.wave]) for w in chosen
        ]
        click.echo(json.dumps({"waves": rows}, indent=2))
        return
    for wave in chosen:
        is_lost = wave.wave in lost
        click.echo(telling.lost_line(wave, lost[wave.wave]) if is_lost else telling.line(views[wave.wave]))
        if name and not is_lost:
            click.echo("\n".join(telling.mailbox_lines(views[wave.wave])))
    if not chosen:
        click.echo("no wave yet: `mailshadow migrate plan FILE.csv --to TARGET` makes them")


@migrate.command()
@config_option
@wave_argument
@click.option("--from", "opens", required=True, metavar="TIME", help="As 2026-11-27T20:00:00+01:00.")
@click.option("--until", "closes", required=True, metavar="TIME", help="From then on no further mailbox begins.")
@click.option("--limit-mailboxes", type=click.IntRange(1, MAILBOXES_MAX), help="Mailboxes of the wave.")
@click.option("--limit-at-once", type=click.IntRange(1, MAILBOXES_MAX), help="Mailboxes of one promotion.")
@click.option("--limit-behind", type=click.IntRange(0, 1_000_000), help="Changes not applied, and ready all the same.")
def schedule(config: Path, name: str, opens: str, closes: str, **limits: int | None) -> None:
    """Give WAVE its window, or another one; what was approved before has to be approved again."""
    settings = prepared(config)
    given = window(opens, closes)
    if given.is_over(datetime.now(given.closes.tzinfo)):
        raise SettingsError(f"--until {closes}: that is over")
    names = {"limit_mailboxes": "mailboxes_max", "limit_at_once": "at_once_max", "limit_behind": "behind_max"}
    values = {names[n]: value for n, value in limits.items() if value is not None}
    with Outlook(settings) as outlook:

        def decide(contents: Contents) -> Sequence[Wave]:
            wave = contents.wave(name)
            view = outlook.of(contents, wave)
            after(name, view.stage, Command.SCHEDULE)
            if len(view.members) > values.get("mailboxes_max", wave.mailboxes_max):
                raise SettingsError(f"--limit-mailboxes: wave {name} has {len(view.members)} mailboxes")
            kept = replace(wave, approved_at=0, approved_by="", accepted=())
            if view.stage is Stage.ROLLED_BACK:
                # of a cut-over that was led back nothing counts any more
                kept = replace(kept, promotions=(), ended_at=0, way_back="")
            return [replace(kept, window_from=opens, window_until=closes, **values)]  # type: ignore[arg-type]

        contents = Book(settings).change(decide)
        click.echo(telling.line(outlook.of(contents, contents.wave(name))))


@migrate.command()
@config_option
@wave_argument
@click.option("--except", "left", multiple=True, metavar="MAILBOX", help="Move it to another wave, before all else.")
@click.option("--later", default="", metavar="WAVE", help="The wave for --except; WAVE-later by default.")
@click.option("--accept", multiple=True, metavar="MAILBOX|all", help="It goes although it is not as it should be.")
def approve(config: Path, name: str, left: tuple[str, ...], later: str, accept: tuple[str, ...]) -> None:
    """Approve the cut-over of WAVE in its window; refused, with the list, where somebody is not ready."""
    settings = prepared(config)
    with Outlook(settings) as outlook:

        def decide(contents: Contents) -> Sequence[Wave | Registration]:
            moved = _moved(contents, contents.wave(name), left, later or f"{name}-later", outlook)
            for record in moved:
                contents.take(record)
            return [*moved, _approved(contents, outlook, name, accept)]

        contents = Book(settings).change(decide)
        click.echo(telling.line(outlook.of(contents, contents.wave(name))))


def _moved(
    contents: Contents, wave: Wave, left: Sequence[str], later: str, outlook: Outlook
) -> list[Wave | Registration]:
    """Return what puts mailboxes of a wave into a later one."""
    if mapping_file.WAVE_NAME.fullmatch(later) is None:
        raise SettingsError(f"--later {later}: up to 64 letters, digits, dots, dashes and underscores")
    members = {m.mailbox: m for m in contents.members(wave)}
    names = list(dict.fromkeys(id_of(one) for one in left))
    if strangers := [one for one in names if one not in members]:
        raise SettingsError(f"--except {', '.join(strangers)}: not in wave {wave.wave}")
    made = Plan(contents, wave.target, wave.mailboxes_max, lambda w: outlook.of(contents, w))
    made.move([members[one] for one in names], later)
    if made.errors:
        raise SettingsError("; ".join(made.errors))
    return made.records


def _approved(contents: Contents, outlook: Outlook, name: str, accept: Sequence[str]) -> Wave:
    """Return the wave as it is approved; NotReadyError where somebody is not ready."""
    wave = contents.wave(name)
    members = [m.mailbox for m in contents.members(wave)]
    accepted = tuple(members) if "all" in accept else tuple(dict.fromkeys(id_of(one) for one in accept))
    if strangers := set(accepted) - set(members):
        raise SettingsError(f"--accept {', '.join(sorted(strangers))}: not in wave {name}")
    view = outlook.of(contents, replace(wave, accepted=accepted))
    if view.stage in {Stage.PRE_STAGE, Stage.DELTA}:
        raise _not_ready(view)
    after(name, view.stage, Command.APPROVE)
    if not wave.window_from:
        raise SettingsError(f"wave {name} has no window: `mailshadow migrate schedule {name} --from … --until …` first")
    used = tuple(s.mailbox for s in view.standings if s.why_not and s.mailbox in accepted)
    return replace(wave, approved_at=wiring.now_ms(), approved_by=operator_name(), accepted=used)


def _not_ready(view: WaveView) -> NotReadyError:
    if not view.members:
        return NotReadyError(f"wave {view.wave.wave} has no mailboxes")
    unready = [s for s in view.standings if not s.is_copied or (s.why_not and s.mailbox not in view.wave.accepted)]
    listed = "\n".join(f"  {s.mailbox}: {'; '.join(s.why_not) or NEVER}" for s in unready)
    return NotReadyError(
        f"wave {view.wave.wave}: {len(unready)} of {len(view.members)} mailboxes are not ready:\n{listed}\n"
        "wait, or move them with `--except MAILBOX`; `--accept MAILBOX` takes one that is copied as it stands"
    )


for command in (cut_over, watch, close, report, roll_back):
    migrate.add_command(command)
