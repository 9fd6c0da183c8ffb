"""What the pipeline knows of mailboxes, read from its state topics: index, folders, ledger."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consumers.verifier import Knowledge
from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import IndexEntry, ItemRecord, MailboxRecord, SourceFolder, TargetFolder, TargetMailbox
from schemas.topics import Topics


@dataclass(slots=True)
class MailboxKnowledge:
    """One mailbox as feed and replay know it."""

    source: MailboxRecord
    target: TargetMailbox
    folders: dict[str, SourceFolder] = field(default_factory=dict)
    index: dict[str, IndexEntry] = field(default_factory=dict)
    target_folders: dict[str, TargetFolder] = field(default_factory=dict)
    ledger: dict[str, ItemRecord] = field(default_factory=dict)
    by_item_id: dict[str, str] = field(default_factory=dict)

    @property
    def is_level(self) -> bool:
        """Whether everything captured is applied and settled."""
        source, target = self.source, self.target
        is_applied = (target.generation, target.applied_sequence) == (source.generation, source.next_sequence - 1)
        return is_applied and not (target.unsettled or target.behind or target.waiting or source.seed_begun)

    def put(self, record: object) -> None:
        """Take in one record of a state topic."""
        match record:
            case MailboxRecord():
                self.source = record
            case TargetMailbox():
                self.target = record
            case SourceFolder():
                self.folders[record.folder_id] = record
            case TargetFolder():
                self.target_folders[record.folder_id] = record
            case IndexEntry():
                self.index[record.item] = record
                self.by_item_id[record.item_id] = record.item
            case ItemRecord():
                self.ledger[record.item] = record

    def for_verifier(self) -> Knowledge:
        """Return what the join of both listings needs."""
        return Knowledge(index=self.index, ledger=self.ledger, is_level=self.is_level)


def read(settings: KafkaSettings, topics: Topics, target: str, mailboxes: Iterable[str]) -> dict[str, MailboxKnowledge]:
    """Return what is known of some mailboxes at one target; PartitionLost if Kafka does not answer."""
    wanted = set(mailboxes)
    found = {m: MailboxKnowledge(MailboxRecord(mailbox=m), TargetMailbox(mailbox=m)) for m in wanted}
    for partition in sorted({partition_of(m, settings.partition_count) for m in wanted}):
        # the target first: what it has applied can't be ahead of what is read of the feed afterwards
        for topic in (topics.target_state(target), topics.source_state, topics.mailboxes):
            for key, value in _newest(settings, topic, partition).items():
                if known := found.get(key.split("/")[0]):
                    known.put(decode(value))
    return found


def _newest(settings: KafkaSettings, topic: str, partition: int) -> dict[str, bytes]:
    newest: dict[str, bytes] = {}
    for record in read_to_end(settings, topic, partition, None, lambda: True):
        if isinstance(record, Incoming):
            if record.value is None:
                newest.pop(record.key, None)
            else:
                newest[record.key] = record.value
    return newest
