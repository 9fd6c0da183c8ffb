from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from deploy import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow


def test_everything_that_is_good_is_listed_and_the_code_is_0(mailshadow: Run, connected: Configuration) -> None:
    ended = mailshadow(*connected.write("check"))
    assert ended.code == exit_codes.OK, ended
    assert [line.split()[0] for line in ended.out.splitlines()] == ["ok", "ok", "ok"]


def test_every_failure_is_listed_with_what_mends_it_and_the_first_gives_the_code(
    mailshadow: Run, connected: Configuration, free_port: int
) -> None:
    connected.mailboxes = [("nobody@source.test", "anna@source.test")]
    connected.sections["targets.standby"]["url"] = f"http://127.0.0.1:{free_port}/EWS"
    ended = mailshadow(*connected.write("check", "--json"))
    assert ended.code == exit_codes.NO_MAILBOX
    findings = json.loads(ended.out)["findings"]
    assert [f["good"] for f in findings] == [True, False, False]
    assert "check the address" in findings[1]["text"]
    assert str(free_port) in findings[2]["text"]
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
