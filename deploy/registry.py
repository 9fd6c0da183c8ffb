"""Which mailboxes are mirrored: the settings file and what `mailshadow mailboxes add` wrote to `control`.

A missing registration never means removal: only forgetting one on purpose does (design §3).
"""

import threading
from dataclasses import replace

from confluent_kafka import Producer

from deploy.kafka import KafkaSettings
from deploy.partition.reader import PartitionReader, read_to_end
from deploy.sections import Settings
from schemas.codec import decode, encode
from schemas.identity import mailbox_id, partition_of
from schemas.ports import Incoming, PartitionLost
from schemas.state import Registration
from schemas.topics import Topics

REFRESH_SECONDS = 1.0


class Registry:
    """The mailboxes of a pipeline, kept up to date on a thread."""

    def __init__(self, settings: Settings, connection: KafkaSettings, topics: Topics) -> None:
        self._settings = settings
        self._connection = connection
        self._topics = topics
        self._lock = threading.Lock()
        self._known = {r.mailbox: r for r in configured(settings)}
        self._reader = PartitionReader(connection, topics.control, 0, None)
        self._stop = threading.Event()
        for record in read_to_end(connection, topics.control, 0, None, lambda: True):
            if isinstance(record, Incoming):
                self._take(record)
        threading.Thread(target=self._follow, name="registry", daemon=True).start()

    def of_source(self, partition: int) -> dict[str, str]:
        """Return mailbox id to source address for a partition."""
        with self._lock:
            return {r.mailbox: r.source for r in self._known.values() if self._is_of(r, partition)}

    def of_target(self, partition: int, target: str) -> dict[str, str]:
        """Return mailbox id to target address for a partition."""
        with self._lock:
            return {
                r.mailbox: r.targets[target]
                for r in self._known.values()
                if target in r.targets and self._is_of(r, partition)
            }

    def all(self) -> list[Registration]:
        """Return every registration, by mailbox id."""
        with self._lock:
            return sorted(self._known.values(), key=lambda r: r.mailbox)

    def add(self, source: str, targets: dict[str, str]) -> Registration:
        """Register a mailbox for every process of the pipeline."""
        with self._lock:
            known = self._known.get(mailbox_id(source))
        fresh = Registration(mailbox=mailbox_id(source), source=source, targets=targets)
        # what a migration decided of it stays
        registration = replace(known, source=source, targets=targets) if known else fresh
        producer = Producer(self._connection.options() | {"acks": "all"})
        producer.produce(self._topics.control, key=registration.mailbox, value=encode(registration))
        producer.flush(10)
        return registration

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _is_of(self, registration: Registration, partition: int) -> bool:
        return partition_of(registration.mailbox, self._connection.partition_count) == partition

    def _follow(self) -> None:
        stamp = self._connection.stamp()
        while not self._stop.is_set():
            if stamp != (found := self._connection.stamp()) and self._read_with_new_secrets():
                stamp = found
            for record in self._reader.read(100, REFRESH_SECONDS):
                self._take(record)
        self._reader.close()

    def _read_with_new_secrets(self) -> bool:
        """Go on with a reader made anew; False where Kafka does not let it in yet."""
        try:
            fresh = PartitionReader(self._connection, self._topics.control, 0, self._reader.position)
        except PartitionLost:
            return False
        self._reader.close()
        self._reader = fresh
        return True

    def _take(self, record: Incoming) -> None:
        found = decode(record.value) if record.value else None
        if isinstance(found, Registration):
            with self._lock:
                self._known[found.mailbox] = found


def configured(settings: Settings) -> list[Registration]:
    """Return the registrations of the settings file."""
    return [Registration(mailbox=mailbox_id(m.source), source=m.source, targets=m.targets) for m in settings.mailboxes]
