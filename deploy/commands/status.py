"""`status`: where every mailbox stands, read from Kafka alone."""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from deploy import exit_codes, pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.target_mailbox import require_target_name
from deploy.kafka import partition_counts
from deploy.observation.fleet import Judged, judged
from deploy.observation.fold import Fold
from deploy.observation.follower import Follower
from deploy.observation.looks import judge_all, lag_at, look_at
from deploy.observation.losses import loss_at, loss_of_all
from deploy.observation.monitor import limits_of
from deploy.observation.oldest_changes import oldest_not_applied
from deploy.observation.screen import ROWS_MAX, is_everybody_protected, loss, render, summary
from deploy.observation.services import Services, services_of
from deploy.promotion.loss import LossNow
from deploy.promotion.returning import Returning, returning
from deploy.promotion.turned import TurnedSettings, turned
from deploy.registry import Registry
from deploy.sections import Settings, SettingsError
from schemas.backlog import changes_not_applied
from schemas.identity import mailbox_id
from schemas.roles import users_work_at
from schemas.state import SourceRole, TargetFolder, TargetRole

WATCH_SECONDS = 2.0


def report(
    state: pipeline_state.PipelineState, hold_seconds: Mapping[str, float] | None = None, now_ms: int | None = None
) -> dict[str, Any]:
    """Return the standing of every mailbox as plain values; `hold_seconds` says which targets are lagged."""
    now = wiring.now_ms() if now_ms is None else now_ms
    rows = []
    for name, source in sorted(state.sources.items()):
        targets = {}
        for target, standings in state.targets.items():
            if standing := standings.get(name):
                record, look = standing.record, look_at(state, target, name)
                not_applied = changes_not_applied(source.record, record)
                targets[target] = {
                    "generation": record.generation,
                    "applied_sequence": record.applied_sequence,
                    "items": standing.items,
                    "unsettled": len(record.unsettled),
                    "parked": len(standing.parked),
                    "dropped": len(standing.dropped),
                    "orphans": len(standing.orphans),
                    "wanted": standing.wanted,
                    "behind": record.behind,
                    "waiting": record.waiting,
                    "folders": standing.folders,
                    "folders_proved": standing.proved,
                    "divergence": standing.divergence,
                    "held": record.held,
                    "held_since_ms": record.tripped_at if record.tripped else 0,
                    "held_on": record.tripped_on if record.tripped else record.paused,
                    "hold_seconds": (hold_seconds or {}).get(target, 0.0),
                    "changes_not_applied": not_applied,
                    "role": record.role,
                    "loss_now": asdict(loss_at(look, now)),
                    "lag_seconds": round(lag_at(look, now), 3),
                }
        rows.append(
            {
                "mailbox": name,
                "source": {
                    "generation": source.record.generation,
                    "next_sequence": source.record.next_sequence,
                    "certain_up_to_ms": source.record.certain_up_to,
                    "seed_running": bool(source.record.seed_begun),
                    "items": source.items,
                    "owed": source.owed,
                    "pending": source.pending,
                    "paused": source.record.paused,
                    "role": source.record.role,
                },
                "targets": targets,
            }
        )
    return {"mailboxes": rows}


@click.command()
@click.argument("mailbox", default="")
@config_option
@json_option
@click.option("--watch", is_flag=True, help="Stay, and show it anew every two seconds.")
@click.option("--all", "show_all", is_flag=True, help="Name every mailbox that is not protected.")
@click.option("--check", is_flag=True, help="For probes: exit code 1 unless everybody is protected.")
@click.option("--back", default="", metavar="TARGET", help="The way back from a promoted target to its old source.")
def status(config: Path, mailbox: str, as_json: bool, watch: bool, show_all: bool, check: bool, back: str) -> None:  # noqa: FBT001 - click hands options over so
    """Is everybody protected? If not: who, why, since when, and what to do. MAILBOX: one, with its folders."""
    settings = settings_of(config, needs_kafka=True)
    if back:
        require_target_name(settings, back)
        settings = turned(settings, back)
    rows_max = 1_000_000 if show_all else ROWS_MAX
    if watch:
        _watch(settings, rows_max)
        return
    state = _read(settings)
    holds = {name: target.hold_seconds for name, target in settings.targets.items()}
    now = wiring.now_ms()
    services = _services(settings)
    found = judge_all(state, holds, limits_of(settings), now, services)
    if mailbox:
        name = mailbox_of(mailbox, state)
        found = {target: [one for one in rows if one[0].source.mailbox == name] for target, rows in found.items()}
    source = _returning(settings, state)
    if as_json:
        rows = report(state, holds, now)
        rows["returning"] = source.values()
        rows["summary"] = summary(found)
        rows["loss_now"] = {target: asdict(loss_of_all(judged_rows, now)) for target, judged_rows in found.items()}
        _add_health(rows, found)
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(settings, state, found, mailbox, rows_max)
        if told := source.told():
            click.echo(told)
    if check and not is_everybody_protected(found):
        sys.exit(exit_codes.DIFFERENT)


def _returning(settings: Settings, state: pipeline_state.PipelineState) -> Returning:
    """Return whether the source of promoted mailboxes answers; the way back has nobody that was promoted from it."""
    promoted = {
        mailbox
        for standings in state.targets.values()
        for mailbox, standing in standings.items()
        if users_work_at(standing.record)
    }
    if not promoted or isinstance(settings, TurnedSettings):
        return returning(settings, (), {})
    registry = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    with closing(registry):
        return returning(settings, promoted, {r.mailbox: r.source for r in registry.all()})


def mailbox_of(text: str, state: pipeline_state.PipelineState) -> str:
    """Return the id of a mailbox given by address, id, or the beginning of an id; SettingsError for none or several."""
    name = mailbox_id(text) if "@" in text else text
    found = [m for m in state.sources if m.startswith(name)]
    if len(found) != 1:
        raise SettingsError(f"{text}: {len(found) or 'no'} such mailboxes in the log; see `mailshadow mailboxes list`")
    return found[0]


def _read(settings: Settings) -> pipeline_state.PipelineState:
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    if topics.mailboxes not in partition_counts(connection):
        return pipeline_state.PipelineState()
    state = pipeline_state.read(connection, topics, tuple(settings.targets))
    state.oldest_at = oldest_not_applied(connection, topics, state)
    return state


def _services(settings: Settings) -> Services:
    urls = {name: target.url for name, target in settings.targets.items()}
    return services_of(wiring.kafka_settings(settings), wiring.topics_of(settings), urls)


def _watch(settings: Settings, rows_max: int) -> None:
    holds = {name: target.hold_seconds for name, target in settings.targets.items()}
    connection, topics, limits = wiring.kafka_settings(settings), wiring.topics_of(settings), limits_of(settings)
    follower = Follower(connection, topics, Fold(holds), wiring.now_ms)
    with closing(follower), Live(screen=True, auto_refresh=False) as live:
        while True:
            services = _services(settings)
            now = wiring.now_ms()
            with follower.turn:
                found = {target: judged(follower.fold, target, limits, now, services) for target in holds}
            note = "" if follower.is_restored else "still reading: not complete yet"
            live.update(Group(wiring.iso_time(now), note, render(found, now, rows_max)), refresh=True)
            time.sleep(WATCH_SECONDS)


def _add_health(rows: dict[str, Any], found: Mapping[str, list[Judged]]) -> None:
    at = {(look.source.mailbox, target): f for target, judged_rows in found.items() for look, f in judged_rows}
    rows["mailboxes"] = [row for row in rows["mailboxes"] if any(name == row["mailbox"] for name, _ in at)]
    for row in rows["mailboxes"]:
        for target, values in row["targets"].items():
            finding = at[row["mailbox"], target]
            values |= {"health": finding.health, "why": finding.why, "since_ms": finding.since, "to_do": finding.to_do}


def _print(
    settings: Settings,
    state: pipeline_state.PipelineState,
    found: Mapping[str, list[Judged]],
    mailbox: str,
    rows_max: int,
) -> None:
    console = Console()
    console.print(render(found, wiring.now_ms(), rows_max))
    if not mailbox and len(state.sources) > rows_max:
        return
    table = Table(
        "mailbox", "items", "generation.sequence", "certain up to", "target", "applied", "lag", "loss now", "attention"
    )
    holds = {name: target.hold_seconds for name, target in settings.targets.items()}
    names = {look.source.mailbox for rows in found.values() for look, _ in rows}
    for row in report(state, holds)["mailboxes"]:
        if row["mailbox"] in names:
            _add_rows(table, row)
    console.print(table)
    if mailbox:
        connection, topics, (name,) = wiring.kafka_settings(settings), wiring.topics_of(settings), names
        for target in settings.targets:
            console.print(_folders(target, pipeline_state.folders(connection, topics.target_state(target), name)))


def _folders(target: str, folders: list[TargetFolder]) -> Table:
    table = Table("folder", "state", "compared", title=target, title_justify="left")
    for folder in sorted(folders, key=lambda f: f.name):
        state = ", ".join(f"{n} {kind}" for kind, n in folder.divergence.items())
        state = state or ("left out" if folder.left_out else "equal" if folder.compared_at else "not compared yet")
        table.add_row(folder.name, state, wiring.iso_time(folder.compared_at))
    return table


def _add_rows(table: Table, row: dict[str, Any]) -> None:
    source = row["source"]
    certain = wiring.iso_time(source["certain_up_to_ms"])
    attention = [f"{source[k]} {k}" for k in ("owed", "pending") if source[k]]
    attention += [f"paused: {source['paused']}"] if source["paused"] else []
    attention += ["first copy"] if source["seed_running"] else []
    position = f"{source['generation']}.{source['next_sequence'] - 1}"
    attention += [source["role"]] if source["role"] != SourceRole.MIRRORING else []
    for target, at in row["targets"].items() or [("none yet", {})]:
        also = [f"{at[k]} {k}" for k in ("unsettled", "parked", "dropped", "orphans", "wanted") if at.get(k)]
        also += [at["role"]] if at.get("role", TargetRole.MIRRORING) != TargetRole.MIRRORING else []
        also += [f"{k}: {at[k]}" for k in ("behind", "waiting") if at.get(k)]
        also += [f"{number} {kind}" for kind, number in at.get("divergence", {}).items()]
        also += [f"held: {at['held_on']}"] if at.get("held_on") else []
        if at.get("hold_seconds") and at["changes_not_applied"]:
            also.append(f"{at['changes_not_applied']} changes held for {at['hold_seconds']:g} s")
        table.add_row(
            row["mailbox"],
            str(source["items"]),
            position,
            certain,
            target,
            f"{at.get('generation', 0)}.{at.get('applied_sequence', 0)}",
            f"{at.get('lag_seconds', 0):.1f} s",
            loss(LossNow(**at["loss_now"])) if at else "everything",
            ", ".join(attention + also) or "-",
        )
