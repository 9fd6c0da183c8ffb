"""`check`: everything the pipeline needs, tried once, each failure with what mends it.

A promoted mailbox is asked for where it lives now: clients are at its target, and the way leads back to the source.
"""

import dataclasses
import json
import sys
from pathlib import Path

import click

from deploy import exit_codes, kafka, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.preflight import Finding, check_mailbox
from deploy.commands.surroundings import check_clock, check_disk, check_server
from deploy.front_door.actuator import Actuator, ActuatorError, Redirection
from deploy.front_door.configured import actuators_of, redirection_of, swapped
from deploy.kafka_access import Principals, Resource, rights_of
from deploy.kafka_facts import cluster_facts
from deploy.kafka_findings import Judgement, judge_brokers, judge_rights, judge_topic
from deploy.promotion.whereabouts import EVERYBODY_AT_HOME, Whereabouts, whereabouts
from deploy.sections import MailboxSection, Settings
from schemas.identity import mailbox_id
from schemas.ports import PartitionLost

ROLES = ("feed", "replay", "operator")


def findings_of(settings: Settings, role: str = "") -> list[Finding]:
    """Look at everything the pipeline needs; with a role also at its rights in Kafka."""
    findings = [*_kafka(settings, role), check_disk(settings.pipeline.data_directory)]
    is_answering = all(f.exit_code != exit_codes.KAFKA_UNREACHABLE for f in findings)
    lives = _whereabouts(settings) if is_answering else EVERYBODY_AT_HOME
    findings += check_server(settings.source, "source")
    for target in settings.targets.values():
        findings += check_server(target, "target")
    told: dict[str, Finding] = {}
    for mailbox in settings.mailboxes:
        findings.append(_at_source(settings, mailbox, lives))
        told.setdefault(f"source {settings.source.name}", findings[-1])
        for name, address in mailbox.targets.items():
            findings.append(check_mailbox(settings.targets[name], "target", address))
            told.setdefault(f"target {name}", findings[-1])
    clocks = (check_clock(subject, finding.server_time_seconds) for subject, finding in told.items())
    return [*findings, *(c for c in clocks if c), *_front_door(settings, lives)]


def _whereabouts(settings: Settings) -> Whereabouts:
    """Return who lives elsewhere than at the source; nobody where no log says so, or where it can't be read."""
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    try:
        if topics.mailboxes not in kafka.partition_counts(connection):
            return EVERYBODY_AT_HOME
        return whereabouts(connection, topics, settings.targets.keys())
    except (kafka.KafkaUnreachableError, PartitionLost):
        return EVERYBODY_AT_HOME  # Kafka has a finding of its own


def _at_source(settings: Settings, mailbox: MailboxSection, lives: Whereabouts) -> Finding:
    """Open a mailbox at the source; one that was promoted does not need to be there."""
    finding = check_mailbox(settings.source, "source", mailbox.source)
    target = lives.promoted.get(mailbox_id(mailbox.source))
    if target is None:
        return finding
    text = f"promoted, its users work at {target}"
    if not finding.is_good:
        text += f"; needed for the way back only: {finding.text}"
    return dataclasses.replace(finding, is_good=True, text=text, exit_code=exit_codes.OK)


def _front_door(settings: Settings, lives: Whereabouts) -> list[Finding]:
    """Ask every actuator whether it could lead those at the source to each target, and those at a target back."""
    actuators, source = actuators_of(settings), settings.source.name
    if not actuators:
        return []
    found = []
    for target in settings.targets:
        there = [(mailbox_id(m.source), m) for m in settings.mailboxes if target in m.targets]
        forth = [redirection_of(settings, m, target) for name, m in there if name not in lives.elsewhere]
        back = [swapped(redirection_of(settings, m, target)) for name, m in there if lives.promoted.get(name) == target]
        if forth or not back:
            found += [_actuator(a, f"to {target}", forth) for a in actuators]
        if back:
            found += [_actuator(a, f"from {target} to {source}", back) for a in actuators]
    if lives.between:
        text = f"{len(lives.between)} mailboxes are in a promotion that has not ended: `mailshadow failover --resume`"
        found.append(Finding(subject="front door", is_good=False, text=text, exit_code=exit_codes.STOPPED))
    return found


def _actuator(actuator: Actuator, way: str, redirections: list[Redirection]) -> Finding:
    subject = f"{actuator.name} {way}"
    try:
        actuator.check(redirections)
    except ActuatorError as error:
        return Finding(subject=subject, is_good=False, text=error.detail, exit_code=exit_codes.FRONT_DOOR)
    experience = getattr(actuator, "experience", None)
    return Finding(subject=subject, is_good=True, text=experience() if experience else "can be used")


def _kafka(settings: Settings, role: str) -> list[Finding]:
    subject = f"kafka: {settings.kafka.bootstrap_servers}"
    catalogue = wiring.catalogue_of(settings)
    try:
        facts = cluster_facts(wiring.kafka_settings(settings), [t.name for t in catalogue])
    except kafka.KafkaUnreachableError as error:
        return [Finding(subject=subject, is_good=False, text=str(error), exit_code=exit_codes.KAFKA_UNREACHABLE)]
    missing = [t.name for t in catalogue if t.name not in facts.topics]
    text = f"{len(missing)} topics not there yet, or hidden from us" if missing else "topics as recorded"
    told = [Finding(subject=subject, is_good=True, text=f"answers, {facts.broker_count} brokers, {text}")]
    judgements = judge_brokers(facts.broker_config, facts.broker_count)
    for topic in catalogue:
        if topic.name in facts.topics:
            judgements += judge_topic(topic, facts.topics[topic.name], facts.broker_count)
    told += [_finding(subject, j, exit_codes.TOPIC_MISMATCH) for j in judgements]
    needed = _needed(settings, role)
    return told + [_finding(subject, j, exit_codes.NOT_ALLOWED) for j in judge_rights(needed, facts.topics, role)]


def _finding(subject: str, judgement: Judgement, exit_code: int) -> Finding:
    code = exit_codes.OK if judgement.is_good else exit_code
    return Finding(subject=subject, is_good=judgement.is_good, text=judgement.text, exit_code=code)


def _needed(settings: Settings, role: str) -> dict[str, tuple[str, ...]]:
    """Return the operations a role needs on each topic."""
    everybody = Principals(feed="feed", replays=dict.fromkeys(settings.targets, "replay"), operator="operator")
    rights = rights_of(wiring.topics_of(settings), everybody)
    return {
        r.name: r.operations for r in rights if r.principal == role and r.resource is Resource.TOPIC and not r.is_prefix
    }


@click.command()
@config_option
@json_option
@click.option("--role", type=click.Choice(ROLES), help="Also whether Kafka lets us do what this role needs.")
def check(config: Path, as_json: bool, role: str | None) -> None:  # noqa: FBT001 - click hands options over so
    """Try everything once: Kafka, its settings and rights, disk, DNS, TLS, clocks, every server and mailbox."""
    findings = findings_of(settings_of(config, needs_kafka=True), role or "")
    if as_json:
        rows = [{"subject": f.subject, "good": f.is_good, "text": f.text} for f in findings]
        click.echo(json.dumps({"findings": rows}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.is_good else 'FAIL'}  {finding.subject}: {finding.text}")
    bad = next((f for f in findings if not f.is_good), None)
    sys.exit(bad.exit_code if bad else exit_codes.OK)
