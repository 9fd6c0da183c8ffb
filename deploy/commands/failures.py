"""Which exit code says what went wrong: one table."""

from confluent_kafka import KafkaException

from consumers.dead_letters import DeadLetterLimitError
from consumers.patience import TargetHaltError
from deploy import exit_codes
from deploy.commands.preflight import PreflightError
from deploy.endpoints import PortInUseError
from deploy.front_door.actuator import ActuatorError
from deploy.front_door.routes import RoutesError
from deploy.kafka import KafkaUnreachableError, TopicMismatchError, TopicsMissingError
from deploy.lab.broker.command import EXIT_CODES as BROKER_EXIT_CODES
from deploy.migration.refusal import NotReadyError
from deploy.migration.stages import StageError
from deploy.partition.cache import CacheError
from deploy.partition.owned import EndlessTransactionError, RecordTooLargeError
from deploy.promotion.office import DrivenError
from deploy.promotion.report import LossReportError
from deploy.rehearsal.rehearsal import RehearsalError
from deploy.rehearsal.scratch import ScratchError
from deploy.removal import StagingLeftError, StillReplayingError
from deploy.restoring import RestoreError
from deploy.schema_registry import SchemaRegistryError
from deploy.sections import SettingsError
from deploy.verification.report import ReportError
from deploy.verification.signature import SignatureError
from producers.feed import HaltError
from producers.spool import SpoolError
from schemas.codec import CodecError
from schemas.failover import IllegalError
from schemas.ports import CallFailed, PartitionLost

_CODES: dict[type[Exception], int] = {
    SettingsError: exit_codes.SETTINGS,
    KafkaUnreachableError: exit_codes.KAFKA_UNREACHABLE,
    TopicMismatchError: exit_codes.TOPIC_MISMATCH,
    TopicsMissingError: exit_codes.NOT_ALLOWED,
    SchemaRegistryError: exit_codes.KAFKA_UNREACHABLE,
    SpoolError: exit_codes.DISK,
    PortInUseError: exit_codes.IN_USE,
    CodecError: exit_codes.HALTED,
    PartitionLost: exit_codes.KAFKA_UNREACHABLE,
    KafkaException: exit_codes.KAFKA_UNREACHABLE,
    CacheError: exit_codes.DISK,
    ReportError: exit_codes.DISK,
    SignatureError: exit_codes.SETTINGS,
    RestoreError: exit_codes.NOT_RESTORABLE,
    RehearsalError: exit_codes.NOT_RESTORABLE,
    ScratchError: exit_codes.NOT_RESTORABLE,
    RecordTooLargeError: exit_codes.HALTED,
    EndlessTransactionError: exit_codes.HALTED,
    HaltError: exit_codes.HALTED,
    TargetHaltError: exit_codes.HALTED,
    DeadLetterLimitError: exit_codes.HALTED,
    StillReplayingError: exit_codes.IN_USE,
    StagingLeftError: exit_codes.DIFFERENT,
    IllegalError: exit_codes.STOPPED,
    DrivenError: exit_codes.DRIVEN,
    StageError: exit_codes.STOPPED,
    NotReadyError: exit_codes.WORD_NEEDED,
    LossReportError: exit_codes.DISK,
    CallFailed: exit_codes.TARGET_UNREACHABLE,
    ActuatorError: exit_codes.FRONT_DOOR,
    RoutesError: exit_codes.DISK,
    **BROKER_EXIT_CODES,
}


def exit_code_of(error: Exception) -> int | None:
    """Return the exit code of a known failure; None for a defect of ours."""
    if isinstance(error, PreflightError):
        return error.exit_code
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), None)
