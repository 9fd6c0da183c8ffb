"""The folders of the pipeline's own mailboxes, by the ids their servers gave: what no scratch mailbox may hold."""

from collections.abc import Sequence

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from schemas.codec import decode
from schemas.ports import Incoming
from schemas.state import SourceFolder, TargetFolder


def folder_ids(settings: KafkaSettings, topics: Sequence[str]) -> set[str]:
    """Return the FolderIds in the state topics: a scratch mailbox may be anybody's by another name."""
    found: set[str] = set()
    for number in range(settings.partition_count):
        for topic in topics:
            for incoming in read_to_end(settings, topic, number, None, lambda: True):
                if isinstance(incoming, Incoming) and "/folder/" in incoming.key and incoming.value:
                    record = decode(incoming.value)
                    if isinstance(record, SourceFolder):
                        found.add(record.folder_id)
                    elif isinstance(record, TargetFolder) and record.target_id:
                        found.add(record.target_id)
    return found
