"""What a source still holds beyond what was captured: rounds from the last cursors that publish nothing (design §8).

Read once more after the clients were led away, and when an old source returns: only an empty tail says "nothing lost".
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from deploy import wiring
from deploy.exchange import Session
from deploy.partition.reader import read_to_end
from deploy.sections import Settings
from deploy.session_pool import SessionPool
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

MAILBOXES_AT_ONCE = 4
"""Read side by side; how many calls that makes at once is the throttle's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One change the source holds and nobody captured; subject and sender of a message, where they are known."""

    kind: str
    item: str
    item_id: str = ""
    folder_id: str = ""
    subject: str = ""
    sender: str = ""
    item_class: str = ""


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
    """Return what a source holds beyond an index, which is changed; CallFailed if it can't be read to its end.

    All of the hierarchy is read: after a cursor, Sync would not name a folder that the index forgot or never knew.
    """
    index.record = replace(index.record, hierarchy_cursor="")
    capture = Capture(source, address, index, contents, clock)
    found: list[Left] = []
    for part in capture.parts(Dirt()):
        found += [_left(o) for o in part.operations if not isinstance(o, Checksum)]
        for body in part.spooled.values():
            Spool.release(body)
    found += [Left(kind="unread folder", item="", folder_id=f) for f in sorted(capture.unread)]
    unclear = index.pending | index.owed
    return found + [Left(kind="unclear", item=i, item_id=index.entries[i].item_id) for i in sorted(unclear)]


def _left(operation: Operation) -> Left:
    kind = type(operation).__name__
    if isinstance(operation, ItemSaved):
        ref, summary = operation.ref, operation.summary
        return Left(
            kind=kind, item=ref.item, item_id=ref.item_id, folder_id=ref.folder_id, subject=summary.subject,
            sender=summary.sender, item_class=summary.item_class,
        )  # fmt: skip
    if isinstance(operation, ItemOperation):
        item_id = "" if isinstance(operation, ItemDeleted) else operation.ref.item_id
        return Left(kind=kind, item=operation.ref.item, item_id=item_id, folder_id=operation.ref.folder_id)
    return Left(kind=kind, item=subject_of(operation))


def read_tails(
    settings: Settings, addresses: Mapping[str, str], indexes: Iterable[MailboxIndex] | None = None
) -> dict[str, list[Left]]:
    """Return the tail of each mailbox (id to source address) that the source lets be read to its end.

    `indexes` say beyond what; where they are not given, beyond what was committed.
    """
    server, throttle = wiring.server_settings(settings.source), Throttle(settings.source.calls_at_once_max)
    metrics = SessionMetrics(CollectorRegistry())
    forms = tuple(Form(f) for f in settings.feed.forms)
    with (
        TemporaryDirectory(prefix="mailshadow-") as directory,
        closing(SessionPool(lambda: Session(server, throttle, metrics))) as sessions,
    ):
        source = ExchangeSource(sessions)
        contents = ContentReader(source, Spool(Path(directory)), forms)

        def read(index: MailboxIndex) -> list[Left]:
            return tail_of(source, addresses[index.record.mailbox], index, contents, wiring.now_ms)

        return read_at_once(_indexes(settings, addresses) if indexes is None else indexes, read)


def read_at_once(
    indexes: Iterable[MailboxIndex], read: Callable[[MailboxIndex], list[Left]], at_once: int = MAILBOXES_AT_ONCE
) -> dict[str, list[Left]]:
    """Return what `read` finds by mailbox, in the order of the indexes; a mailbox that can't be read is left out.

    An index is taken when one of the `at_once` mailboxes under way is done, so that no more of them are in memory.
    """
    futures: dict[str, Future[list[Left] | None]] = {}
    under_way: set[Future[list[Left] | None]] = set()

    def read_if_answered(index: MailboxIndex) -> list[Left] | None:
        try:
            return read(index)
        except (CallFailed, CursorLostError) as failure:
            log.warning("tail not read", extra={"mailbox": index.record.mailbox, "why": type(failure).__name__})
            return None

    with ThreadPoolExecutor(at_once, thread_name_prefix="tail") as threads:
        for index in indexes:
            futures[index.record.mailbox] = threads.submit(read_if_answered, index)
            under_way.add(futures[index.record.mailbox])
            if len(under_way) == at_once:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()  # what is no matter of one mailbox ends all, now
    return {mailbox: found for mailbox, future in futures.items() if (found := future.result()) is not None}


def _indexes(settings: Settings, mailboxes: Iterable[str]) -> Iterator[MailboxIndex]:
    """Yield the committed index of each mailbox; one partition at a time is in memory."""
    topics, count = wiring.topics_of(settings), wiring.kafka_settings(settings).partition_count
    by_partition: dict[int, list[str]] = {}
    for mailbox in mailboxes:
        by_partition.setdefault(partition_of(mailbox, count), []).append(mailbox)
    for number, mine in sorted(by_partition.items()):
        owned = Committed(number, _state(settings, topics, number, mine))
        for mailbox in mine:
            yield MailboxIndex.restore(mailbox, topics, owned)


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
