"""`check`: Kafka, both servers, every mailbox, each failure with what mends it."""

import json
import sys
from pathlib import Path

import click

from deploy import exit_codes, kafka, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.preflight import Finding, check_mailbox
from deploy.front_door.actuator import Actuator, ActuatorError, Redirection
from deploy.front_door.configured import actuators_of, redirection_of
from deploy.sections import Settings


def findings_of(settings: Settings) -> list[Finding]:
    """Look at everything the pipeline needs."""
    findings = [_kafka(settings)]
    for mailbox in settings.mailboxes:
        findings.append(check_mailbox(settings.source, "source", mailbox.source))
        findings += [
            check_mailbox(settings.targets[name], "target", address) for name, address in mailbox.targets.items()
        ]
    return findings + _front_door(settings)


def _front_door(settings: Settings) -> list[Finding]:
    """Ask every actuator whether it could lead all mailboxes to each target."""
    actuators = actuators_of(settings)
    found = []
    for target in settings.targets:
        redirections = [redirection_of(settings, m, target) for m in settings.mailboxes if target in m.targets]
        found += [_actuator(a, target, redirections) for a in actuators]
    return found


def _actuator(actuator: Actuator, target: str, redirections: list[Redirection]) -> Finding:
    subject = f"{actuator.name} to {target}"
    try:
        actuator.check(redirections)
    except ActuatorError as error:
        return Finding(subject=subject, is_good=False, text=error.detail, exit_code=exit_codes.FRONT_DOOR)
    experience = getattr(actuator, "experience", None)
    return Finding(subject=subject, is_good=True, text=experience() if experience else "can be used")


def _kafka(settings: Settings) -> Finding:
    subject = f"kafka: {settings.kafka.bootstrap_servers}"
    try:
        counts = kafka.partition_counts(wiring.kafka_settings(settings))
    except kafka.KafkaUnreachableError as error:
        return Finding(subject=subject, is_good=False, text=str(error), exit_code=exit_codes.KAFKA_UNREACHABLE)
    for topic in wiring.topics_of(settings).catalogue(tuple(settings.targets), settings.kafka.partition_count):
        if counts.get(topic.name, topic.partition_count) != topic.partition_count:
            text = (
                f"{topic.name} has {counts[topic.name]} partitions, kafka.partition_count says {topic.partition_count}"
            )
            return Finding(subject=subject, is_good=False, text=text, exit_code=exit_codes.TOPIC_MISMATCH)
    return Finding(subject=subject, is_good=True, text="answers, topics as recorded")


@click.command()
@config_option
@json_option
def check(config: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Check that Kafka, both servers and every mailbox can be used."""
    findings = findings_of(settings_of(config, needs_kafka=True))
    if as_json:
        rows = [{"subject": f.subject, "good": f.is_good, "text": f.text} for f in findings]
        click.echo(json.dumps({"findings": rows}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.is_good else 'FAIL'}  {finding.subject}: {finding.text}")
    bad = next((f for f in findings if not f.is_good), None)
    sys.exit(bad.exit_code if bad else exit_codes.OK)
