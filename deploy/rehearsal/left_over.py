"""What a rehearsal leaves: found in Kafka by its name, at the scratch server by its stamp, taken away in any state.

Order: nobody may be driving it → scratch mailboxes → its topics but `control` → its groups → `control`, which names
the mailboxes and so goes last → its working files. Dead at any line, running again finds what is left.
"""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from deploy import kafka, wiring
from deploy.partition.reader import read_to_end
from deploy.rehearsal.pipeline import DIRECTORY, Place, section_of, with_mailboxes
from deploy.rehearsal.rules import is_rehearsal_of
from deploy.rehearsal.scratch import Scratch, Thrown
from deploy.removal import StillReplayingError, delete_all
from deploy.sections import Settings, SettingsError
from deploy.verification import knowledge
from deploy.verification.knowledge import MailboxKnowledge
from schemas.codec import decode
from schemas.identity import target_id
from schemas.ports import Incoming
from schemas.state import MailboxRecord, Registration, TargetMailbox

GROUP_SECONDS_MAX = 60.0
"""Kafka's default session of a member is 45 s: so long a group of a process that was killed is not empty."""
RETRY_SECONDS = 0.5
LOCK = "lock"
SERVER = "server"
"""In the working files: the scratch server's URL, so that nothing is looked for at another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What was taken away of one rehearsal: at the scratch server, and in Kafka."""

    rehearsal: str
    thrown: Thrown = field(default_factory=Thrown)
    topics: int = 0
    groups: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing of it is anywhere."""
        return not self.thrown.folders_left


class Lock:
    """Held by the process that drives a rehearsal, on this machine; ends with that process, however it ends."""

    def __init__(self, place: Place) -> None:
        try:
            place.work.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file: IO[bytes] = (place.work / LOCK).open("ab")
        except OSError as error:
            raise SettingsError(f"pipeline.data_directory: {place.work} can't be written: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StillReplayingError(f"{place.name}: a process on this machine drives it; end that first") from error

    def close(self) -> None:
        """Let others take it away."""
        self._file.close()


def note_server(settings: Settings, place: Place) -> None:
    """Write down where a rehearsal places what it places, before it does."""
    (place.work / SERVER).write_text(section_of(settings).url, encoding="utf-8")


def require_server(settings: Settings, place: Place) -> None:
    """Raise SettingsError where another scratch server was written down than the settings name now."""
    noted, now = place.work / SERVER, section_of(settings).url
    if noted.is_file() and (held_at := noted.read_text(encoding="utf-8")) != now:
        raise SettingsError(
            f"rehearsal.url: {place.name} was held at {held_at}, not at {now}; put it back as it was, then --clean-up"
        )


def places_left(settings: Settings) -> list[Place]:
    """Return the rehearsals of this pipeline that are in Kafka or on this machine."""
    root, pipeline = settings.pipeline.data_directory / DIRECTORY, settings.pipeline.name
    named = {t.split(".", maxsplit=1)[0] for t in kafka.partition_counts(wiring.kafka_settings(settings))}
    named |= {path.name for path in root.glob("*") if Place(path.name, path).work.is_dir()} if root.is_dir() else set()
    return [Place(name, root / name) for name in sorted(named) if is_rehearsal_of(pipeline, name)]


def clear(settings: Settings, place: Place, say: Callable[[str], None], *, is_mine: bool = False) -> Cleared:
    """Take away all of one rehearsal; StillReplayingError while somebody drives it.

    `is_mine`: this process drove it, and holds its lock.
    """
    lock = None if is_mine else Lock(place)
    try:
        require_server(settings, place)
        own = with_mailboxes(settings, place, [])
        connection = wiring.kafka_settings(own)
        client, existing = kafka.admin(connection), kafka.partition_counts(connection)
        topics = [t for t in existing if t.startswith(f"{place.name}.")]
        groups = _groups(client, place.name)
        _await_empty(client, groups, say)
        thrown = _throw_away(settings, own, set(topics))
        control = wiring.topics_of(own).control
        delete_all(client, [t for t in topics if t != control], groups)
        delete_all(client, [t for t in topics if t == control], [])
        _await_gone(connection, place.name)
        shutil.rmtree(place.work, ignore_errors=True)
        if place.directory.is_dir() and not any(place.directory.iterdir()):
            place.directory.rmdir()
    finally:
        if lock is not None:
            lock.close()
    return Cleared(rehearsal=place.name, thrown=thrown, topics=len(topics), groups=len(groups))


def _throw_away(settings: Settings, own: Settings, existing: set[str]) -> Thrown:
    """Empty the scratch mailboxes of it; nothing was placed where its ledger is gone, or never was."""
    topics, section, connection = wiring.topics_of(own), section_of(settings), wiring.kafka_settings(own)
    total = Thrown()
    if topics.control not in existing:
        return total
    mailboxes = registered(own)
    is_held_otherwise = any(section.name not in r.targets for r in mailboxes)
    if topics.target_state(section.name) not in existing or is_held_otherwise:
        if mailboxes and (is_held_otherwise or any(".target-state." in topic for topic in existing)):
            raise SettingsError(
                f"{topics.pipeline}: was held with other names in source.name or rehearsal.name; put them back as they "
                "were, then --clean-up: where its mailboxes are is written nowhere else"
            )
        return total
    stamp_name = target_id(topics.pipeline, section.name)
    with closing(Scratch(section)) as scratch:
        for registration in mailboxes:
            mailbox = registration.mailbox
            known = MailboxKnowledge(MailboxRecord(mailbox=mailbox), TargetMailbox(mailbox=mailbox))
            if {topics.source_state, topics.mailboxes} <= existing:
                known = knowledge.read(connection, topics, section.name, [mailbox])[mailbox]
            total = total.plus(scratch.throw_away(registration.targets[section.name], known, stamp_name))
    return total


def registered(own: Settings) -> list[Registration]:
    """Return the mailboxes that a rehearsal wrote down before it placed anything in them."""
    records = read_to_end(wiring.kafka_settings(own), wiring.topics_of(own).control, 0, None, lambda: True)
    found = [decode(r.value) for r in records if isinstance(r, Incoming) and r.value]
    return list({r.mailbox: r for r in found if isinstance(r, Registration)}.values())


def _groups(client: AdminClient, name: str) -> list[str]:
    found = kafka.answer_of(client.list_consumer_groups())
    return [g.group_id for g in found.valid if g.group_id.startswith(f"{name}.")]


def _await_empty(client: AdminClient, groups: Iterable[str], say: Callable[[str], None]) -> None:
    """Wait until nobody takes part in the groups any more; StillReplayingError where somebody goes on."""
    deadline, is_told = time.monotonic() + GROUP_SECONDS_MAX, False
    while busy := [g for g in groups if _members(client, g)]:
        if time.monotonic() > deadline:
            raise StillReplayingError(f"{busy[0]} has members still: a process on another machine drives it; end that")
        if not is_told:
            say("a process that took part is waited for: Kafka forgets one that was killed after its session")
            is_told = True
        time.sleep(RETRY_SECONDS)


def _members(client: AdminClient, group: str) -> int:
    try:
        return len(kafka.answer_of(client.describe_consumer_groups([group])[group]).members)
    except KafkaException as error:
        if error.args[0].code() in {KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID}:
            return 0
        raise


def _await_gone(connection: kafka.KafkaSettings, name: str) -> None:
    deadline = time.monotonic() + kafka.CALL_TIMEOUT_SECONDS
    while any(t.startswith(f"{name}.") for t in kafka.partition_counts(connection)):
        if time.monotonic() > deadline:
            raise kafka.KafkaUnreachableError(f"topics of {name} are not gone yet; `rehearse --clean-up` looks again")
        time.sleep(0.1)
