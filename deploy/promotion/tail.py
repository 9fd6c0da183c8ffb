"""What a source still holds beyond what was captured: rounds from the last cursors that publish nothing (design §8).

Read once more after the clients were led away, and when an old source returns: only an empty tail says "nothing lost".
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from deploy import wiring
from deploy.exchange import Session
from deploy.partition.reader import read_to_end
from deploy.sections import Settings
from deploy.throttle import Throttle
from producers.capture import Capture, Dirt
from producers.contents import ContentReader
from producers.exchange_source import ExchangeSource
from producers.index import MailboxIndex
from producers.source import CursorLostError, Source
from producers.spool import Spool
from schemas.change import Checksum, Form, ItemDeleted, ItemOperation, ItemSaved, Operation, subject_of
from schemas.identity import partition_of
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed, Clock, Incoming, Outgoing
from schemas.topics import Topics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One change the source holds and nobody captured; subject and sender of a message, where they are known."""

    kind: str
    item: str
    item_id: str = ""
    folder_id: str = ""
    subject: str = ""
    sender: str = ""


class Committed:
    """`schemas.ports.OwnedPartition` of what is committed, to be read only."""

    def __init__(self, number: int, state: Mapping[tuple[str, str], bytes]) -> None:
        self.number = number
        self._state = state

    def get(self, topic: str, key: str) -> bytes | None:
        """Return the value of a key."""
        return self._state.get((topic, key))

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield the keys that start with `prefix`, in order."""
        yield from sorted((k, v) for (t, k), v in self._state.items() if t == topic and k.startswith(prefix))

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:  # noqa: ARG002 - the port's
        """Refuse."""
        raise TypeError("a tail is read, not written")

    def history(self, topic: str) -> Iterable[Incoming]:  # noqa: ARG002 - the port's
        """Return nothing."""
        return ()

    def still_owned(self) -> bool:
        """Tell that reading may go on."""
        return True


def tail_of(source: Source, address: str, index: MailboxIndex, contents: ContentReader, clock: Clock) -> list[Left]:
    """Return what a source holds beyond an index, which is changed; CallFailed if it can't be read to its end."""
    capture = Capture(source, address, index, contents, clock)
    found: list[Left] = []
    for part in capture.parts(Dirt()):
        found += [_left(o) for o in part.operations if not isinstance(o, Checksum)]
        for body in part.spooled.values():
            Spool.release(body)
    unclear = index.pending | index.owed
    return found + [Left(kind="unclear", item=i, item_id=index.entries[i].item_id) for i in sorted(unclear)]


def _left(operation: Operation) -> Left:
    kind = type(operation).__name__
    if isinstance(operation, ItemSaved):
        ref, summary = operation.ref, operation.summary
        return Left(
            kind=kind, item=ref.item, item_id=ref.item_id, folder_id=ref.folder_id, subject=summary.subject,
            sender=summary.sender,
        )  # fmt: skip
    if isinstance(operation, ItemOperation):
        item_id = "" if isinstance(operation, ItemDeleted) else operation.ref.item_id
        return Left(kind=kind, item=operation.ref.item, item_id=item_id, folder_id=operation.ref.folder_id)
    return Left(kind=kind, item=subject_of(operation))


def read_tails(settings: Settings, addresses: Mapping[str, str]) -> dict[str, list[Left]]:
    """Return the tail of each mailbox (id to source address) that the source lets be read to its end."""
    topics, connection = wiring.topics_of(settings), wiring.kafka_settings(settings)
    server, throttle = wiring.server_settings(settings.source), Throttle(settings.source.calls_at_once_max)
    metrics = SessionMetrics(CollectorRegistry())
    forms = tuple(Form(f) for f in settings.feed.forms)
    found: dict[str, list[Left]] = {}
    with TemporaryDirectory(prefix="mailshadow-") as directory, closing(Session(server, throttle, metrics)) as session:
        source = ExchangeSource(session)
        contents = ContentReader(source, Spool(Path(directory)), forms)
        for number in sorted({partition_of(m, connection.partition_count) for m in addresses}):
            mine = {m: a for m, a in addresses.items() if partition_of(m, connection.partition_count) == number}
            owned = Committed(number, _state(settings, topics, number, mine.keys()))
            for mailbox, address in mine.items():
                index = MailboxIndex.restore(mailbox, topics, owned)
                try:
                    found[mailbox] = tail_of(source, address, index, contents, wiring.now_ms)
                except (CallFailed, CursorLostError) as failure:
                    log.warning("tail not read", extra={"mailbox": mailbox, "why": type(failure).__name__})
    return found


def _state(settings: Settings, topics: Topics, number: int, mailboxes: Iterable[str]) -> dict[tuple[str, str], bytes]:
    chosen, found = set(mailboxes), dict[tuple[str, str], bytes]()
    for topic in (topics.mailboxes, topics.source_state):
        for record in read_to_end(wiring.kafka_settings(settings), topic, number, None, lambda: True):
            if not isinstance(record, Incoming) or record.key.split("/")[0] not in chosen:
                continue
            if record.value is None:
                found.pop((topic, record.key), None)
            else:
                found[topic, record.key] = record.value
    return found
