"""`status`: where every mailbox stands, read from Kafka alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deploy import pipeline_state, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.kafka import partition_counts
from deploy.promotion.loss import loss_standing
from schemas.state import SourceRole, TargetRole


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
                record = standing.record
                not_applied = pipeline_state.changes_not_applied(source, standing)
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
                    "loss_now": asdict(loss_standing(source, standing, now)),
                    "lag_seconds": round(pipeline_state.lag_seconds(source, standing), 3),
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
@config_option
@json_option
def status(config: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Show where every mailbox stands at the source and at each target."""
    settings = settings_of(config, needs_kafka=True)
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    if topics.mailboxes not in partition_counts(connection):
        state = pipeline_state.PipelineState()
    else:
        state = pipeline_state.read(connection, topics, tuple(settings.targets))
    rows = report(state, {name: target.hold_seconds for name, target in settings.targets.items()})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(
        "mailbox", "items", "generation.sequence", "certain up to", "target", "applied", "lag", "loss now", "attention"
    )
    for row in rows["mailboxes"]:
        _add_rows(table, row)
    Console().print(table)


def _loss_text(loss: Mapping[str, Any] | None) -> str:
    """Return what a failover would lose this moment."""
    if loss is None or loss["seconds"] < 0:
        return "everything"
    return f"{loss['seconds']:.1f} s, {loss['items']} items"


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
            _loss_text(at.get("loss_now")),
            ", ".join(attention + also) or "-",
        )
