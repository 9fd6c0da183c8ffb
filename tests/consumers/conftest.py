"""The replay's owned partition in memory, and builders of values with everything that does not matter filled in."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from threading import Lock

import pytest
from prometheus_client import CollectorRegistry

from consumers import patience
from consumers.ledger import Ledger
from consumers.subscription import Received
from schemas.change import Change, Content, Form, ItemRef, ItemSaved, Marks, Operation, Summary
from schemas.metrics import ReplayMetrics
from schemas.ports import Incoming, Outgoing
from schemas.topics import Topics

MAILBOX = "0a1b2c3d4e5f60718293"
ADDRESS = "first@target.test"
Hook = Callable[[str, str], None]


def _nothing(_name: str, _when: str) -> None:
    pass


def _always() -> bool:
    return True


@dataclass(slots=True)
class MemoryOwned:
    """`schemas.ports.OwnedPartition` in memory; `is_wanted` says when the loop has to end."""

    number: int = 0
    hook: Hook = _nothing
    is_wanted: Callable[[], bool] = _always
    state: dict[tuple[str, str], bytes] = field(default_factory=dict)
    written: list[Outgoing] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    logs: dict[str, list[Incoming]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def get(self, topic: str, key: str) -> bytes | None:
        return self.state.get((topic, key))

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        with self.lock:  # lanes read while one of them commits, as they do in the cache on disk
            held = list(self.state.items())
        yield from sorted((k, v) for (t, k), v in held if t == topic and k.startswith(prefix))

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:
        self.hook("transact", "before")
        self.written += records
        self.positions |= positions
        with self.lock:
            for record in records:
                if record.value is None:
                    self.state.pop((record.topic, record.key), None)
                else:
                    self.state[record.topic, record.key] = record.value
        self.hook("transact", "after")

    def history(self, topic: str) -> Iterable[Incoming]:
        if topic in self.logs:
            return self.logs[topic]
        records = [r for r in self.written if r.topic == topic]
        return [Incoming(n, 0, r.key, r.value) for n, r in enumerate(records)]

    def still_owned(self) -> bool:
        return self.is_wanted()


class Making:
    """Builds values of the contract with everything that does not matter filled in."""

    mailbox, address = MAILBOX, ADDRESS
    unread, read = Marks(is_read=False), Marks(is_read=True)

    @staticmethod
    def key(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()[:32]

    def ref(self, name: str, folder_id: str = "inbox-s", change_key: str = "") -> ItemRef:
        return ItemRef(
            item=self.key(name),
            item_id=name,
            folder_id=folder_id,
            change_key=change_key,
            search_key="",
            fingerprint="",
        )

    def saved(self, ref: ItemRef, body: bytes, marks: Marks = unread, **other: object) -> ItemSaved:
        form = Form(str(other.pop("form", Form.STREAM)))
        item_class = str(other.pop("item_class", "IPM.Note"))
        received_at = str(other.pop("received_at", ""))
        summary = Summary(
            item_class=item_class,
            subject="",
            sender="",
            message_id="",
            sent_at="",
            received_at=received_at,
            size_bytes=len(body),
            has_attachments=False,
            is_draft=False,
        )
        sha256 = hashlib.sha256(body).hexdigest()
        content = Content(form=form, size_bytes=len(body), sha256=sha256, chunk_count=0, body=body)
        made = ItemSaved(ref=ref, summary=summary, marks=marks, contents=(content,))
        return changed(made, **other)  # type: ignore[arg-type] # names are the record's own

    def change(self, operation: Operation, sequence: int = 1, generation: int = 1, mailbox: str = MAILBOX) -> Change:
        return Change(
            mailbox=mailbox,
            generation=generation,
            sequence=sequence,
            captured_at=0,
            source_version="15.0",
            operation=operation,
        )

    def received(self, change: Change, offset: int = 0) -> Received:
        contents = change.operation.contents if isinstance(change.operation, ItemSaved) else ()
        return Received(change, offset, b"", {c.form: c.body for c in contents}, begins_at=offset)


@pytest.fixture(scope="session")
def making() -> Making:
    return Making()


@pytest.fixture(scope="session")
def metrics() -> ReplayMetrics:
    return ReplayMetrics(CollectorRegistry())


@pytest.fixture(scope="session")
def memory_owned() -> type[MemoryOwned]:
    return MemoryOwned


@pytest.fixture
def owned() -> MemoryOwned:
    return MemoryOwned()


@pytest.fixture
def ledger(owned: MemoryOwned) -> Ledger:
    return Ledger(owned, Topics("p", "s").target_state("t"))


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patience, "WAIT_SECONDS_FIRST", 0.0)
        yield


@pytest.fixture(scope="session")
def commit() -> Callable[[Ledger, MemoryOwned], None]:
    """Commit what a ledger holds, as the replayer does."""

    def write(ledger: Ledger, owned: MemoryOwned) -> None:
        owned.transact(ledger.drain(), {})
        ledger.settle()

    return write
