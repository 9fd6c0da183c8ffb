"""Which generation comes next for a mailbox without a record (design §3).

1 + the highest found in the log and in every target's ledger; the first change of it names the last version
before it, or "unknown" where only a ledger remembers one.
"""

from collections.abc import Iterable

from schemas.change import Barrier, Change, Version
from schemas.codec import decode
from schemas.ports import OwnedPartition
from schemas.state import TargetMailbox
from schemas.topics import Topics


def last_versions(
    owned: OwnedPartition, topics: Topics, targets: Iterable[str]
) -> tuple[dict[str, Version], dict[str, int]]:
    """Return, by mailbox, the last version in the log and the highest generation any ledger applied."""
    in_log: dict[str, Version] = {}
    for incoming in owned.history(topics.changes):
        record = decode(incoming.value) if incoming.value else None
        if isinstance(record, Change):
            in_log[record.mailbox] = max(record.version, in_log.get(record.mailbox, record.version))
    in_ledgers: dict[str, int] = {}
    for target in targets:
        for incoming in owned.history(topics.target_state(target)):
            record = decode(incoming.value) if incoming.value else None
            if isinstance(record, TargetMailbox):
                in_ledgers[record.mailbox] = max(record.generation, in_ledgers.get(record.mailbox, 0))
    return in_log, in_ledgers


def last_appended(owned: OwnedPartition, topics: Topics) -> dict[str, int]:
    """Return, by mailbox, when the log took the last record of it (milliseconds)."""
    return {incoming.key.split("/")[0]: incoming.appended_at for incoming in owned.history(topics.changes)}


def last_barriers(owned: OwnedPartition, topics: Topics) -> dict[str, Change]:
    """Return, by mailbox, the barrier its log ends with: lost state must not make a feed capture again."""
    last: dict[str, Change] = {}
    for incoming in owned.history(topics.changes):
        record = decode(incoming.value) if incoming.value else None
        if isinstance(record, Change) and (record.mailbox not in last or record.version > last[record.mailbox].version):
            last[record.mailbox] = record
    return {mailbox: change for mailbox, change in last.items() if isinstance(change.operation, Barrier)}
