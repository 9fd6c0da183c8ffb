"""`topics`: the pipeline's topics, whether they are as recorded, and what an administrator has to run for them."""

import json
import shlex
from pathlib import Path

import click

from deploy import kafka, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.target_mailbox import require_target_name
from deploy.kafka_access import (
    Principals,
    as_commands,
    as_json_rows,
    rights_of,
    rights_of_rehearsals,
    rights_of_way_back,
)
from deploy.promotion.turned import turned
from deploy.rehearsal.rules import rehearsal_name
from deploy.sections import Settings
from deploy.settings import load

BROKERS_UNKNOWN = "BROKER:9092"


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--create", is_flag=True, help="Create what is missing.")
@click.pass_context
def topics(context: click.Context, config: Path, as_json: bool, create: bool) -> None:  # noqa: FBT001 - click hands options over so
    """List the pipeline's topics; refuses a partition count that differs from the recorded one."""
    if context.invoked_subcommand is None:
        _list(config, as_json=as_json, create=create)


_back_option = click.option("--back", default="", metavar="TARGET", help="Of the way back from this target.")


@topics.command("commands")
@config_option
@_back_option
def commands(config: Path, back: str) -> None:
    """Print the commands that make the topics, for a cluster where only an administrator may."""
    settings = _directed(load(config), back)
    for topic in wiring.catalogue_of(settings):
        words = ["kafka-topics.sh", "--bootstrap-server", _brokers(settings), "--command-config", "admin.properties"]
        words += ["--create", "--if-not-exists", "--topic", topic.name, "--partitions", str(topic.partition_count)]
        words += ["--replication-factor", str(settings.kafka.replication_factor)]
        for name, value in topic.config.items():
            words += ["--config", f"{name}={value}"]
        click.echo(shlex.join(words))


@topics.command("acls")
@config_option
@json_option
@click.option("--feed", default="User:mailshadow-feed", show_default=True, help="Principal of the feed.")
@click.option(
    "--replay",
    default="User:mailshadow-replay-{target}",
    show_default=True,
    help="Principal of a replay; {target} stands for the target's name.",
)
@click.option(
    "--operator", default="User:mailshadow-operator", show_default=True, help="Principal of whoever runs commands."
)
@_back_option
def acls(config: Path, as_json: bool, feed: str, replay: str, operator: str, back: str) -> None:  # noqa: FBT001 - as above
    """Print the least each principal needs, as kafka-acls.sh commands or JSON; nothing is changed."""
    there = load(config)
    settings = _directed(there, back)
    replays = {target: replay.replace("{target}", target) for target in settings.targets}
    principals, topics_ = Principals(feed=feed, replays=replays, operator=operator), wiring.topics_of(settings)
    rights = rights_of(topics_, principals)
    if back:
        first = replay.replace("{target}", back)
        rights = rights_of_way_back(wiring.topics_of(there), topics_, principals, first)
    elif settings.rehearsal:
        rights += rights_of_rehearsals(rehearsal_name(settings.pipeline.name, ""), operator)
    if as_json:
        click.echo(json.dumps({"acls": as_json_rows(rights)}, indent=2))
        return
    for command in as_commands(rights, _brokers(settings)):
        click.echo(command)


def _directed(settings: Settings, back: str) -> Settings:
    require_target_name(settings, back)
    return turned(settings, back) if back else settings


def _brokers(settings: Settings) -> str:
    return settings.kafka.bootstrap_servers or BROKERS_UNKNOWN


def _list(config: Path, *, as_json: bool, create: bool) -> None:
    settings = settings_of(config, needs_kafka=True)
    made = wiring.prepare_topics(settings) if create else []
    existing = kafka.partition_counts(wiring.kafka_settings(settings))
    catalogue = wiring.catalogue_of(settings)
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
