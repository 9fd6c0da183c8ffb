"""Every known failure has one exit code."""

import pytest

from consumers.dead_letters import DeadLetterLimitError
from consumers.patience import TargetHaltError
from deploy import exit_codes
from deploy.commands.failures import exit_code_of
from deploy.commands.preflight import PreflightError
from deploy.endpoints import PortInUseError
from deploy.kafka import KafkaUnreachableError, TopicMismatchError
from deploy.lab.broker.lock import DirectoryInUseError
from deploy.promotion.office import DrivenError
from deploy.promotion.report import LossReportError
from deploy.sections import SettingsError
from producers.feed import HaltError
from producers.spool import SpoolError
from schemas.failover import Command, IllegalError, State


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), exit_codes.SETTINGS),
        (KafkaUnreachableError("x"), exit_codes.KAFKA_UNREACHABLE),
        (TopicMismatchError("x"), exit_codes.TOPIC_MISMATCH),
        (SpoolError("x"), exit_codes.DISK),
        (PortInUseError("x"), exit_codes.IN_USE),
        (DirectoryInUseError("x"), exit_codes.IN_USE),
        (HaltError("x"), exit_codes.HALTED),
        (TargetHaltError("x"), exit_codes.HALTED),
        (DeadLetterLimitError("x"), exit_codes.HALTED),
        (IllegalError(State.LED, Command.REOPEN), exit_codes.STOPPED),
        (DrivenError("x"), exit_codes.DRIVEN),
        (LossReportError("x"), exit_codes.DISK),
        (PreflightError("x", exit_codes.NO_MAILBOX), exit_codes.NO_MAILBOX),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_has_its_code(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_defect_of_ours_has_none_and_keeps_its_traceback() -> None:
    assert exit_code_of(KeyError("x")) is None
