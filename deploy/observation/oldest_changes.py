"""When the oldest change that a target lacks came into the log, read from where the target stands.

Order: the state is read first, so that the log is never older than what is asked of it.
Failure: in a long log the search ends after a bounded number of records; the time it came to is then given, which is
at most too early.
"""

from collections.abc import Mapping

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from deploy.pipeline_state import PipelineState
from schemas.backlog import changes_not_applied
from schemas.change import Change, Version
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.roles import users_work_at
from schemas.topics import Topics

RECORDS_MAX = 20_000
"""At most so many records of a partition are looked at for each target."""


def oldest_not_applied(settings: KafkaSettings, topics: Topics, state: PipelineState) -> dict[tuple[str, str], int]:
    """Return the append time (milliseconds) of the oldest change not applied, by target and mailbox.

    Only mailboxes with waiting changes are in it; PartitionLost if Kafka does not answer.
    """
    oldest: dict[tuple[str, str], int] = {}
    for target in state.targets:
        waiting = _waiting(state, target)
        for number in sorted({partition_of(mailbox, settings.partition_count) for mailbox in waiting}):
            applied = {m: v for m, v in waiting.items() if partition_of(m, settings.partition_count) == number}
            start = _start(state, target, number, applied)
            for mailbox, at in _search(settings, topics.changes, number, start, applied).items():
                oldest[target, mailbox] = at
    return oldest


def _waiting(state: PipelineState, target: str) -> dict[str, Version]:
    waiting = {}
    for mailbox, source in state.sources.items():
        at = state.targets[target].get(mailbox)
        record = at.record if at else None
        if changes_not_applied(source.record, record) and not (record and users_work_at(record)):
            waiting[mailbox] = record.applied if record else Version(generation=0, sequence=0)
    return waiting


def _start(state: PipelineState, target: str, number: int, applied: Mapping[str, Version]) -> int | None:
    """Return the lowest offset from which a waiting mailbox is read; None: the start of the log."""
    position = state.positions.get((target, number))
    if position is None or position < 0:
        return None
    records = [at.record for mailbox in applied if (at := state.targets[target].get(mailbox))]
    return min([position, *(record.own_offset for record in records if record.own_offset >= 0)])


def _search(
    settings: KafkaSettings, topic: str, number: int, start: int | None, applied: Mapping[str, Version]
) -> dict[str, int]:
    found: dict[str, int] = {}
    count, last_at = 0, 0
    for record in read_to_end(settings, topic, number, start, lambda: True):
        if not isinstance(record, Incoming):
            continue
        count, last_at = count + 1, record.appended_at
        mailbox = record.key.split("/", maxsplit=1)[0]
        if record.value is not None and mailbox in applied and mailbox not in found:
            change = decode(record.value)
            if isinstance(change, Change) and change.version > applied[mailbox]:
                found[mailbox] = record.appended_at
        if len(found) == len(applied):
            return found
        if count >= RECORDS_MAX:
            return dict.fromkeys(applied, last_at) | found
    return found
