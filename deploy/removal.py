"""Taking a target out of a pipeline: its staging folders, topics, group and caches; the mail there stays.

Order: nobody may be replaying → staging folders at the server → topics → the group → local caches, so that dying
anywhere leaves something that running again finds and takes away.
Failure: a mailbox whose server or rights are gone is told; `--keep-staging` goes on without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from deploy.kafka import answer_of
from schemas import ews
from schemas.faults import GONE
from schemas.ports import EwsSession
from schemas.topics import Topics

_NO_SUCH = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID}
)  # fmt: skip


class StillReplayingError(Exception):
    """A replay of the target runs: it would make again what is taken away."""


class StagingLeftError(Exception):
    """A staging folder is still at the target."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What a pipeline keeps of one target in Kafka and on this machine's disk."""

    topics: tuple[str, ...]
    group: str
    cache_files: tuple[Path, ...]


def remains_of(topics: Topics, target: str, existing: Mapping[str, int], data_directory: Path) -> Remains:
    """Return what is there of a target, given the topics that exist."""
    named = (topics.target_state(target), topics.dead_letters(target), topics.orders(target))
    group = topics.replay_group(target)
    found = sorted((data_directory / "state").glob(f"{group}-*"))
    # a target whose name goes on behind a hyphen has caches of its own
    caches = [p for p in found if p.name.removeprefix(f"{group}-").split(".")[0].isdigit()]
    return Remains(tuple(t for t in named if t in existing), group, tuple(caches))


def refuse_while_replaying(admin: AdminClient, group: str) -> None:
    """Raise StillReplayingError if the group has members."""
    described = admin.describe_consumer_groups([group])[group]
    try:
        found = answer_of(described)
    except KafkaException as error:
        if error.args[0].code() in _NO_SUCH:
            return
        raise
    if found.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        raise StillReplayingError(f"group {group} has {len(found.members)} members: stop every replay of it first")


def remove_staging(session: EwsSession, address: str, folder_ids: Mapping[str, str]) -> int:
    """Delete the staging folders of a mailbox for good; return how many were there."""
    removed = 0
    for folder_id in folder_ids.values():
        body = (
            '<m:DeleteFolder DeleteType="HardDelete">'
            f"<m:FolderIds>{ews.folder_ref(folder_id)}</m:FolderIds></m:DeleteFolder>"
        )
        message = session.call("DeleteFolder", address, body, 1).messages[0]
        if not message.is_done and message.code not in GONE:
            raise StagingLeftError(f"{address}: a staging folder can't be deleted ({message.code})")
        removed += message.is_done
    return removed


def remove(admin: AdminClient, remains: Remains, delete_file: Callable[[Path], None] = Path.unlink) -> None:
    """Delete topics, group and caches; what is gone already is no error."""
    delete_all(admin, remains.topics, [remains.group])
    for path in remains.cache_files:
        delete_file(path)


def delete_all(admin: AdminClient, topics: Sequence[str], groups: Sequence[str]) -> None:
    """Delete topics and groups; what is gone already is no error."""
    _settle(admin.delete_topics(list(topics)) if topics else {})
    _settle(admin.delete_consumer_groups(list(groups)) if groups else {})


def _settle(futures: Mapping[str, object]) -> None:
    for future in futures.values():
        try:
            answer_of(future)
        except KafkaException as error:
            if error.args[0].code() not in _NO_SUCH:
                raise
