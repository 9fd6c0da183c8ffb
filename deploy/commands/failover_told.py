"""What `failover` tells: the loss statement of a promotion, and the plan of one."""

import json
from collections.abc import Mapping
from typing import Any

import click

from deploy import wiring
from deploy.commands.promoting import Session
from deploy.front_door.configured import actuators_of
from deploy.promotion import forecast, loss, report
from deploy.promotion.unapplied import read_unapplied
from schemas.failover import Stage
from schemas.state import Promoted, Promotion


def parts(progress: Promotion) -> list[Promoted]:
    """Return the mailboxes that take part."""
    return [o for o in progress.mailboxes if not o.left_out]


def state_losses(session: Session, progress: Promotion, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the loss statement as it stands now."""
    picture = session.watch.look(0.0)
    connection, topics = wiring.kafka_settings(session.settings), wiring.topics_of(session.settings)
    unapplied = read_unapplied(connection, topics, picture, [o.mailbox for o in parts(progress)])
    return loss.statement(progress, picture, unapplied, session.tails, with_subjects=options["with_subjects"])


def tell(session: Session, progress: Promotion, found: dict[str, Any], options: Mapping[str, Any]) -> None:
    """Write the loss statement, and print it for people or programs."""
    directory = options["report_path"] or (session.settings.pipeline.data_directory / "promotions" / progress.promotion)
    page = report.write(directory, found)
    if options["as_json"]:
        click.echo(json.dumps(found | {"report": str(page)}, indent=2))
        return
    for row in found["mailboxes"]:
        note = f"  ({row['note']})" if row["note"] else ""
        click.echo(f"{row['mailbox']}  {row['state']}  {report.sentence_of(row)}{note}")
    if not actuators_of(session.settings) and progress.stage == Stage.DONE:
        click.echo("no front door is configured: lead the clients to the target yourself")
    click.echo(f"loss statement: {page}")


def tell_plan(session: Session, options: Mapping[str, Any], accepted: set[str]) -> None:
    """Say each step, how long it may take, and what would be lost if it began now; change nothing."""
    topics, picture = wiring.topics_of(session.settings), session.watch.look(0.0)
    rows = forecast.mailboxes(picture, session.known, session.target, accepted, wiring.now_ms())
    door = ", ".join(a.name for a in actuators_of(session.settings)) or "none configured"
    has_feed = session.members(topics.feed_group) > 0
    steps = forecast.steps(rows, session.target, door, is_planned=not options["source_lost"], has_feed=has_feed)
    if options["as_json"]:
        click.echo(json.dumps({"target": session.target, "steps": steps, "mailboxes": rows}, indent=2))
    else:
        click.echo(forecast.text_of(steps, rows))
