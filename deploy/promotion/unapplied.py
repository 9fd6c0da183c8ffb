"""Reads the captured changes that a target does not have: only where a mailbox is opened before its barrier."""

from collections.abc import Iterable

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from deploy.promotion.loss import Unapplied, UnappliedLog
from deploy.promotion.picture import Picture
from schemas.change import Barrier, Change, Checksum, ItemSaved, subject_of
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.topics import Topics


def read_unapplied(
    settings: KafkaSettings, topics: Topics, picture: Picture, mailboxes: Iterable[str]
) -> dict[str, UnappliedLog]:
    """Return, by mailbox, what stands in the log after what its target applied; PartitionLost without Kafka.

    Versions are dense, so a captured change that the log does not hold any more was lost with its end or by retention.
    """
    chosen = {
        m: picture.of(m).target for m in mailboxes if picture.of(m).not_applied and not picture.of(m).target.barrier
    }
    changes: dict[str, list[Unapplied]] = {mailbox: [] for mailbox in chosen}
    held: dict[str, set[int]] = {mailbox: set() for mailbox in chosen}
    for number in sorted({partition_of(m, settings.partition_count) for m in chosen}):
        for record in read_to_end(settings, topics.changes, number, None, lambda: True):
            if not isinstance(record, Incoming) or record.key.split("/")[0] not in chosen or not record.value:
                continue
            change = decode(record.value)
            if isinstance(change, Change) and change.version > chosen[change.mailbox].applied:
                changes[change.mailbox] += _unapplied(change)
                if change.generation == picture.of(change.mailbox).source.generation:
                    held[change.mailbox].add(change.sequence)
    return {
        mailbox: UnappliedLog(
            changes=tuple(changes[mailbox]),
            lost=max(0, picture.of(mailbox).not_applied - len(held[mailbox])),
        )
        for mailbox in chosen
    }


def _unapplied(change: Change) -> list[Unapplied]:
    operation = change.operation
    if isinstance(operation, Barrier | Checksum):
        return []
    summary = operation.summary if isinstance(operation, ItemSaved) else None
    return [
        Unapplied(
            generation=change.generation,
            sequence=change.sequence,
            captured_at=change.captured_at,
            kind=type(operation).__name__,
            item=subject_of(operation),
            subject=summary.subject if summary else "",
            sender=summary.sender if summary else "",
        )
    ]
