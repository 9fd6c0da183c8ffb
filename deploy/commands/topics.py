"""`topics`: the pipeline's topics, what they hold and whether they are as recorded."""

import json
from pathlib import Path

import click

from deploy import kafka, wiring
from deploy.commands.options import config_option, json_option, settings_of


@click.command()
@config_option
@json_option
@click.option("--create", is_flag=True, help="Create what is missing.")
def topics(config: Path, as_json: bool, create: bool) -> None:  # noqa: FBT001 - click hands options over so
    """List the pipeline's topics; refuses a partition count that differs from the recorded one."""
    settings = settings_of(config, needs_kafka=True)
    made = wiring.prepare_topics(settings) if create else []
    existing = kafka.partition_counts(wiring.kafka_settings(settings))
    catalogue = wiring.topics_of(settings).catalogue(tuple(settings.targets), settings.kafka.partition_count)
    rows = [
        {
            "topic": t.name,
            "partitions": existing.get(t.name, 0),
            "wanted": t.partition_count,
            "policy": t.config["cleanup.policy"],
            "made": t.name in made,
        }
        for t in catalogue
    ]
    if as_json:
        click.echo(json.dumps({"topics": rows}, indent=2))
    else:
        for row in rows:
            state = "missing" if not row["partitions"] else f"{row['partitions']} partitions"
            click.echo(f"{row['topic']:<48} {state:<16} {row['policy']}{'  (made now)' if row['made'] else ''}")
    wrong = [r for r in rows if r["partitions"] not in (0, r["wanted"])]
    if wrong:
        raise kafka.TopicMismatchError(
            f"topic {wrong[0]['topic']} has {wrong[0]['partitions']} partitions and the settings say "
            f"{wrong[0]['wanted']}: the count is fixed when a pipeline is created"
        )
