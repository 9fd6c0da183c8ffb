from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # not in their __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from deploy import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow
MAILBOX = "anna@source.test"


def test_everything_that_is_good_is_listed_and_the_code_is_0(mailshadow: Run, connected: Configuration) -> None:
    ended = mailshadow(*connected.write("check"))
    assert ended.code == exit_codes.OK, ended
    assert {line.split()[0] for line in ended.out.splitlines()} == {"ok"}
    for looked_at in ("kafka: ", "1 broker(s)", "disk: ", "source mail: DNS", "target standby: TLS", "clock", MAILBOX):
        assert looked_at in ended.out


def test_every_failure_is_listed_with_what_mends_it_and_the_first_gives_the_code(
    mailshadow: Run, connected: Configuration, free_port: int
) -> None:
    connected.mailboxes = [("nobody@source.test", "anna@source.test")]
    connected.sections["targets.standby"]["url"] = f"http://127.0.0.1:{free_port}/EWS"
    ended = mailshadow(*connected.write("check", "--json"))
    assert ended.code == exit_codes.NO_MAILBOX
    findings = json.loads(ended.out)["findings"]
    wrong = [f["text"] for f in findings if not f["good"]]
    assert len(wrong) == 2
    assert "check the address" in wrong[0]
    assert str(free_port) in wrong[1]
    assert "Traceback" not in ended.err


def test_a_kafka_that_does_not_answer_is_a_finding(mailshadow: Run, configuration: Configuration) -> None:
    configuration.mailboxes = []
    ended = mailshadow(*configuration.write("check"))
    assert ended.code == exit_codes.KAFKA_UNREACHABLE
    assert "FAIL  kafka: 127.0.0.1:9" in ended.out


def test_another_partition_count_is_a_finding(mailshadow: Run, connected: Configuration) -> None:
    assert mailshadow(*connected.write("topics", "--create")).code == exit_codes.OK
    connected.sections["kafka"]["partition_count"] = 5
    ended = mailshadow(*connected.write("check"))
    assert ended.code == exit_codes.TOPIC_MISMATCH
    assert "has 2 partitions" in ended.out


def test_a_topic_that_somebody_changed_is_a_finding_with_the_command_that_mends_it(
    mailshadow: Run, connected: Configuration, kafka: str
) -> None:
    assert mailshadow(*connected.write("topics", "--create")).code == exit_codes.OK
    name = f"{connected.sections['pipeline']['name']}.changes.mail"
    change = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[change])
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)
    ended = mailshadow(*connected.write("check"))
    assert ended.code == exit_codes.TOPIC_MISMATCH
    assert f"--topic {name} --add-config retention.ms=1209600000" in ended.out
