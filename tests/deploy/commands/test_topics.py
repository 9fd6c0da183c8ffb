"""What an administrator is given to run, without asking Kafka anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from deploy.commands.topics import topics

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration


def run(configuration: Configuration, *arguments: str) -> str:
    done = CliRunner().invoke(topics, configuration.write(*arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_one_command_makes_each_topic_as_it_has_to_be(configuration: Configuration) -> None:
    configuration.sections["kafka"] |= {"replication_factor": 3, "min_insync_replicas": 2}
    name = configuration.sections["pipeline"]["name"]
    lines = run(configuration, "commands").splitlines()
    assert len(lines) == 8
    (changes,) = [line for line in lines if f"--topic {name}.changes.mail " in line]
    assert "--partitions 2 --replication-factor 3" in changes
    for setting in ("cleanup.policy=delete", "retention.ms=1209600000", "min.insync.replicas=2"):
        assert f"--config {setting}" in changes


def test_rights_are_printed_for_the_principals_that_are_named(configuration: Configuration) -> None:
    said = run(configuration, "acls", "--feed", "User:CN=feed", "--replay", "User:r-{target}")
    assert "--allow-principal User:CN=feed" in said
    assert "--allow-principal User:r-standby" in said
    assert "--allow-principal User:mailshadow-operator" in said
    rows = json.loads(run(configuration, "acls", "--json"))["acls"]
    assert {r["permission"] for r in rows} == {"allow"}
    assert len(rows) == len(said.splitlines())
