"""The folders of the pipeline's own mailboxes, by the ids their servers gave: what no scratch mailbox may hold."""

from collections.abc import Iterable, Sequence

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import SourceFolder, TargetFolder


def folder_ids(settings: KafkaSettings, topics: Sequence[str], mailboxes: Iterable[str]) -> set[str]:
    """Return the FolderIds in the state topics, of all mailboxes that share a partition with these."""
    found: set[str] = set()
    for number in sorted({partition_of(m, settings.partition_count) for m in mailboxes}):
        for topic in topics:
            for incoming in read_to_end(settings, topic, number, None, lambda: True):
                if isinstance(incoming, Incoming) and "/folder/" in incoming.key and incoming.value:
                    record = decode(incoming.value)
                    if isinstance(record, SourceFolder):
                        found.add(record.folder_id)
                    elif isinstance(record, TargetFolder) and record.target_id:
                        found.add(record.target_id)
    return found
