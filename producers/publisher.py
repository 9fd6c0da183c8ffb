"""Parts of rounds to one transaction: changes with dense sequences, chunks, index, mailbox record.

What if we die here? Before the commit nothing of it exists and everything is read again from the cursors;
after it all of it does. An unclear commit raises PartitionLost and the state is restored from the topics.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from producers.capture import Capture
from producers.item_look import Part
from producers.proof import note_published
from producers.spool import Spool
from schemas.change import Change, Chunk, ItemSaved, Operation, subject_of
from schemas.codec import encode
from schemas.ports import Clock, Outgoing, OwnedPartition
from schemas.state import MailboxRecord
from schemas.topics import Topics, change_record_key


class Publisher:
    """Writes parts of many mailboxes of one partition in one transaction."""

    def __init__(self, owned: OwnedPartition, topics: Topics, source_version: str, clock: Clock) -> None:
        self._owned = owned
        self._topics = topics
        self._source_version = source_version
        self._clock = clock

    def publish(
        self,
        parts: Sequence[tuple[Capture, Part]],
        positions: Mapping[str, int],
        others: Sequence[Outgoing] = (),
    ) -> int:
        """Commit the parts with the orders' position and other records; PartitionLost if unclear.

        Returns how many changes there were.
        """
        records: list[Outgoing] = list(others)
        count = 0
        for capture, part in parts:
            index = capture.index
            record = index.record
            for operation in part.operations:
                records += self._operation(record, operation, part)
                note_published(index, operation)
                record = replace(record, next_sequence=record.next_sequence + 1)
            count += len(part.operations)
            index.record = record
            records += index.drain(self._topics)
            records += index.own_records(self._topics)
        try:
            if records or positions:
                self._owned.transact(records, positions)
        finally:
            for _, part in parts:
                for body in part.spooled.values():
                    Spool.release(body)
        return count

    def _operation(self, record: MailboxRecord, operation: Operation, part: Part) -> Iterator[Outgoing]:
        key = change_record_key(record.mailbox, subject_of(operation))
        if isinstance(operation, ItemSaved):
            for content in operation.contents:
                if content.chunk_count:
                    for number, piece in enumerate(part.spooled[content.sha256].chunks()):
                        chunk = Chunk(
                            mailbox=record.mailbox,
                            item=operation.ref.item,
                            sha256=content.sha256,
                            index=number,
                            count=content.chunk_count,
                            body=piece,
                        )
                        yield Outgoing(self._topics.changes, key, encode(chunk))
        change = Change(
            mailbox=record.mailbox,
            generation=record.generation,
            sequence=record.next_sequence,
            captured_at=self._clock(),
            source_version=self._source_version,
            operation=operation,
        )
        yield Outgoing(self._topics.changes, key, encode(change))
