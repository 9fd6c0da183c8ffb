"""A whole replay in memory: a source that writes its log, a world that replays it, and one adversity."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from consumers.replay_settings import ReplaySettings
from consumers.replayer import Replayer, Side
from consumers.scope import Scope
from schemas.canonical_row import FolderDigest, canonical_row
from schemas.change import (
    Barrier,
    Checksum,
    FolderDeleted,
    FolderSaved,
    Handover,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    Marks,
    SeedBegin,
    SeedEnd,
    Version,
)
from schemas.codec import decode, encode
from schemas.faults import TransportFault
from schemas.metrics import ReplayMetrics
from schemas.ports import AnswerUnknown, CallRefused, Incoming, PartitionLost
from schemas.state import Conflict, ItemRecord, Order, Orphan, TargetFolder, TargetMailbox
from schemas.topics import Topics

LATE = "still under way"
ITEM_WRITES = frozenset({"upload", "create", "update", "edit", "move", "delete"})
State = tuple[str, bytes, Marks]


class Died(BaseException):
    """The process is gone; no handler of its own runs."""


def can_strike(kind: str, name: str, when: str) -> bool:
    is_transaction = name == "transact"
    is_item_write = name in ITEM_WRITES and when == "before"
    return {
        "death": True,
        "partition lost": is_transaction,
        "answer unknown": not is_transaction,
        "busy": not is_transaction and when == "before",
        "late": is_item_write,
        "very late": is_item_write,
    }[kind]


@dataclass(slots=True)
class Adversity:
    """Strikes by number of the boundary (before, inside and after every call and transaction); counts them all."""

    strikes: dict[int, str] = field(default_factory=dict)
    boundaries: list[tuple[str, str]] = field(default_factory=list)
    deliver: Callable[[], None] = lambda: None
    also: Callable[[str, str], None] = lambda _name, _when: None

    def places(self, kind: str) -> list[int]:
        """Return the numbers of the boundaries met where this kind can strike."""
        return [n for n, (name, when) in enumerate(self.boundaries) if can_strike(kind, name, when)]

    def meet(self, name: str, when: str) -> None:
        kind = self.strikes.get(len(self.boundaries), "")
        self.boundaries.append((name, when))
        if "late" in self.strikes.values():
            self.deliver()
        if kind and can_strike(kind, name, when):
            raise _struck(kind)
        self.also(name, when)


def _struck(kind: str) -> BaseException:
    return {
        "death": Died(),
        "partition lost": PartitionLost("struck"),
        "busy": CallRefused("ErrorServerBusy", "struck"),
        "answer unknown": AnswerUnknown(TransportFault.RESET, "struck"),
        "late": AnswerUnknown(TransportFault.TIMED_OUT, LATE),
        "very late": AnswerUnknown(TransportFault.TIMED_OUT, LATE),
    }[kind]


@dataclass(slots=True)
class Source:
    """One mailbox: what it holds, its changes appended to the log, the story of every item."""

    making: Any
    log: list[Incoming]
    mailbox: str
    clock: Callable[[], int]
    form: str = "STREAM"
    sequence: int = 0
    generation: int = 1
    seed_begun: int = 0
    folders: dict[str, tuple[str, str]] = field(default_factory=dict)
    items: dict[str, tuple[str, bytes, Marks, str]] = field(default_factory=dict)
    story: defaultdict[str, list[State | None]] = field(default_factory=lambda: defaultdict(list))
    change_keys: Iterator[int] = field(default_factory=lambda: count(1))

    def write(self, operation: Any) -> None:
        self.sequence += 1
        change = self.making.change(operation, self.sequence, self.generation, self.mailbox)
        self.log.append(Incoming(len(self.log), self.clock(), self.mailbox, encode(change)))

    def close(self, target: str = "t") -> None:
        """End the source's role."""
        self.write(
            Barrier(
                promotion="p1", role="MIRRORING", target=target, reason="test", at=1, planned=False, complete=False,
                certain_up_to=1, owed=0, pending=0,
            )
        )  # fmt: skip

    def reopen(self) -> None:
        """Begin a new generation with a seed."""
        self.generation, self.sequence = self.generation + 1, 0
        self.seed()

    def hand_over(self, promotion: str = "p2", previous: Version | None = None) -> None:
        """Begin a generation without a seed: of the tail after the barrier, or of what was taken over."""
        self.generation, self.sequence = self.generation + 1, 0
        self.write(Handover(previous=previous, promotion=promotion, reason="test"))

    @property
    def last(self) -> Version:
        return Version(generation=self.generation, sequence=self.sequence)

    def lose(self) -> None:
        """Number a change that never comes into the log."""
        self.sequence += 1

    def begin_seed(self) -> None:
        self.write(SeedBegin(previous=None, reason="test"))
        self.seed_begun = self.sequence

    def end_seed(self) -> None:
        self.write(SeedEnd(begun=self.seed_begun, items=len(self.items)))

    def seed(self) -> None:
        """Name everything there is, as a feed does."""
        self.begin_seed()
        for folder_id in self.folders:
            self._write_folder(folder_id)
        for name in self.items:
            self.name(name)
        self.end_seed()

    def folder(self, folder_id: str, name: str, parent_id: str = "") -> None:
        self.folders[folder_id] = (parent_id, name)
        self._write_folder(folder_id)

    def drop_folder(self, folder_id: str, *, silently: bool = False) -> None:
        del self.folders[folder_id]
        if not silently:
            self.write(FolderDeleted(folder_id=folder_id))

    def save(self, name: str, body: bytes, folder_id: str = "inbox-s", marks: Marks | None = None) -> None:
        self._put(name, folder_id, body, marks or self.making.unread)
        self.name(name)

    def name(self, name: str, *targets: str) -> None:
        """Write the complete state of an item once more."""
        folder_id, body, marks, change_key = self.items[name]
        ref = self.making.ref(name, folder_id, change_key)
        self.write(self.making.saved(ref, body, marks, targets=targets, form=self.form))

    def mark(self, name: str, marks: Marks) -> None:
        folder_id, body, _, _ = self.items[name]
        self._put(name, folder_id, body, marks)
        self.write(ItemMarked(ref=self.making.ref(name, folder_id, self.items[name][3]), marks=marks))

    def move(self, name: str, folder_id: str) -> None:
        old_id, body, marks, _ = self.items[name]
        self._put(name, folder_id, body, marks)
        ref = self.making.ref(name, folder_id, self.items[name][3])
        self.write(ItemMoved(ref=ref, from_folder_id=old_id))

    def delete(self, name: str, *, silently: bool = False) -> None:
        folder_id, _, _, change_key = self.items.pop(name)
        self.story[self.making.key(name)].append(None)
        if not silently:
            self.write(ItemDeleted(ref=self.making.ref(name, folder_id, change_key)))

    def prove(self, folder_id: str = "inbox-s") -> None:
        """Write the checksum of a folder, of rows as the target in memory lists them."""
        digest = FolderDigest()
        for name, (where, body, marks, _) in self.items.items():
            if where == folder_id:
                row = canonical_row(
                    item_class="IPM.Note", message_id="", subject=body.decode(), sent="", received="", is_draft=False,
                    marks=marks, sensitivity="Normal", with_flag=True,
                )  # fmt: skip
                digest = digest.plus(self.making.key(name), row)
        self.write(Checksum(folder_id=folder_id, items=digest.items, digest=digest.hex, form=1, has_flags=True))

    def path(self, folder_id: str) -> str:
        if folder_id == "inbox-s":
            return "inbox"
        parent_id, name = self.folders[folder_id]
        return f"{self.path(parent_id) if parent_id else 'msgfolderroot'}/{name}"

    def expected(self) -> dict[str, list[State]]:
        return {self.making.key(n): [(self.path(f), body, marks)] for n, (f, body, marks, _) in self.items.items()}

    def _put(self, name: str, folder_id: str, body: bytes, marks: Marks) -> None:
        self.items[name] = (folder_id, body, marks, f"ck-{next(self.change_keys)}")
        self.story[self.making.key(name)].append((self.path(folder_id), body, marks))

    def _write_folder(self, folder_id: str) -> None:
        parent_id, name = self.folders[folder_id]
        distinguished = "inbox" if folder_id == "inbox-s" else ""
        self.write(
            FolderSaved(
                folder_id=folder_id,
                parent_id=parent_id,
                name=name,
                folder_class="IPF.Note",
                distinguished=distinguished,
            )
        )


@dataclass(slots=True)
class MemoryLog:
    """`schemas.ports.LogReader` over a list; after every `cut` records `looks` reads find nothing, as at the end."""

    world: "World"
    position: int
    cut: int
    looks: int = 1
    idle_reads: int = 0
    given: int = 0
    looked: int = 0

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:  # noqa: ARG002 - the port's
        log = self.world.log
        if self.position >= len(log) or self.given >= self.cut:
            self.idle_reads += self.position >= len(log)
            self.looked = (self.looked + 1) % self.looks
            self.given = self.given if self.looked else 0
            self.world.now_ms += 1000 * self.world.rest_seconds if self.position >= len(log) else 0
            return []
        found = log[self.position : self.position + min(count_max, self.cut - self.given)]
        self.position += len(found)
        self.given += len(found)
        return found

    def seek(self, offset: int) -> None:
        self.world.seeks.append(offset)
        self.position = offset

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return len(self.world.log) - self.position

    def close(self) -> None:
        pass


@dataclass(slots=True)
class MemoryOrders:
    """The orders of the target as a reader from the committed offset; gives one at a time."""

    orders: list[Incoming]
    position: int
    idle_reads: int = 0

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:  # noqa: ARG002 - the port's
        found = self.orders[self.position : self.position + 1]
        self.position += len(found)
        self.idle_reads += not found
        return found

    def seek(self, offset: int) -> None:
        self.position = offset

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return len(self.orders) - self.position


class World:
    """A log, a committed state and a target, which outlive every replayer that works on them."""

    def __init__(self, make_target: Any, make_owned: Any, making: Any, metrics: ReplayMetrics) -> None:
        self.log: list[Incoming] = []
        self.target = make_target()
        self.owned = make_owned()
        self.making = making
        self.topics = Topics("p", "s")
        self.owned.logs[self.topics.changes] = self.log
        self.addresses = {making.mailbox: making.address}
        self.registered = lambda: self.addresses
        self.now_ms = 0
        self.rest_seconds = 2
        self.rests = 3
        self.rounds = 1_000_000
        self.cut = 1000
        self.ahead_cut = 1000
        self.ahead_looks = 1
        self.portable_only = False
        self.scope = Scope()
        self.checksum_interval_seconds = 0.0
        self.settings: dict[str, Any] = {}
        self.opposite: Callable[[Order], Any] = lambda _order: None
        self.ordered: list[Incoming] = []
        self.seeks: list[int] = []
        self._metrics = metrics
        self._nonces = count(1)
        self.foreign_folder_id = self.target.add_folder(self.target.root(making.address, "msgfolderroot"), "Mine")
        inbox_id = self.target.root(making.address, "inbox")
        self.foreign = {i: self.target.add_item(i, b"mine") for i in (inbox_id, self.foreign_folder_id)}

    def source(self, mailbox: str = "") -> Source:
        """Return a seeded mailbox with an inbox."""
        source = Source(self.making, self.log, mailbox or self.making.mailbox, lambda: self.now_ms)
        source.form = "PORTABLE" if self.portable_only else "STREAM"
        source.folders["inbox-s"] = ("", "Inbox")
        source.seed()
        return source

    def order(
        self, kind: str, *items: str, mailbox: str = "", until: int = 0, promotion: str = "p1", **values: Any
    ) -> None:
        """Give an order to this target, as an operator does."""
        mailbox = mailbox or self.making.mailbox
        order = Order(
            mailbox=mailbox, kind=kind, items=items, target="t", reason=values.pop("reason", ""),
            issued_at=self.now_ms, until=until, promotion=promotion, **values,
        )  # fmt: skip
        self.ordered.append(Incoming(len(self.ordered), self.now_ms, mailbox, encode(order)))

    def replay(self, adversity: Adversity | None = None) -> None:
        """Run one replayer until it has nothing to do; what the adversity raises comes out."""
        self.target.hook = self.owned.hook = adversity.meet if adversity else lambda _name, _when: None
        if adversity:
            adversity.deliver = self.target.deliver_late
        settings = ReplaySettings(
            target="t",
            portable_only=self.portable_only,
            scope=self.scope,
            checksum_interval_seconds=self.checksum_interval_seconds,
            **self.settings,
        )
        replayer = Replayer(
            self.owned,
            self.target,
            self.topics,
            settings,
            lambda: self.now_ms,
            self._mint,
            self._metrics,
            self.opposite,
        )
        committed = self.owned.positions.get(self.topics.changes)
        start = replayer.start_offset(committed)
        reader = MemoryLog(self, start or 0, self.cut)
        orders = MemoryOrders(self.ordered, self.owned.positions.get(self.topics.orders("t"), 0))
        self.owned.is_wanted = lambda: reader.idle_reads < self.rests and orders.idle_reads < self.rounds
        side = Side(orders=orders, open_log=lambda offset: MemoryLog(self, offset, self.ahead_cut, self.ahead_looks))
        replayer.run(self.registered, reader, committed, side)

    def replay_hooked(self, hook: Callable[[str, str], None]) -> None:
        """Replay to the end with a hook of the test's own."""
        adversity = Adversity()
        adversity.also = hook
        self.replay(adversity)

    def replay_through(self, adversity: Adversity) -> None:
        """Replay to the end, with a new owner after each death or loss of the partition."""
        while True:
            try:
                self.replay(adversity)
            except (Died, PartitionLost):
                continue
            break
        self.target.deliver_late()
        self.replay()

    def mailbox_record(self, mailbox: str = "") -> TargetMailbox:
        value = self.owned.get(self.topics.target_state("t"), mailbox or self.making.mailbox)
        found: TargetMailbox = decode(value) if value else TargetMailbox(mailbox=mailbox)
        return found

    def folder_records(self) -> list[TargetFolder]:
        found = (decode(v) for _, v in self.owned.scan(self.topics.target_state("t"), ""))
        return [r for r in found if isinstance(r, TargetFolder)]

    def item_records(self) -> list[ItemRecord]:
        found = (decode(v) for _, v in self.owned.scan(self.topics.target_state("t"), ""))
        return [r for r in found if isinstance(r, ItemRecord)]

    def orphans(self) -> list[Orphan]:
        found = (decode(v) for _, v in self.owned.scan(self.topics.target_state("t"), ""))
        return [r for r in found if isinstance(r, Orphan)]

    def conflicts(self) -> dict[str, tuple[str, str, str]]:
        """Return what the old source and the target's users did to an item, and whose is kept, by item key."""
        found = (decode(v) for _, v in self.owned.scan(self.topics.target_state("t"), ""))
        return {c.item: (c.at_source, c.at_target, c.kept) for c in found if isinstance(c, Conflict)}

    def orders(self) -> list[tuple[str, tuple[str, ...]]]:
        records = [decode(r.value) for r in self.owned.history(self.topics.orders("s"))]
        return [(r.kind, r.items) for r in records]

    def assert_exact(self, *sources: Source, orders: bool = False) -> None:
        """Every item once, in its folder, in its newest state; nothing staged, open, foreign or backwards."""
        seen = self.target.visible()
        assert {c for _, c, _ in seen.pop("foreign")} == {b"mine"}
        assert all(self.target.items[item_id].folder_id == folder_id for folder_id, item_id in self.foreign.items())
        assert seen == {key: states for source in sources for key, states in source.expected().items()}
        assert self.target.staged() == []
        folders = {s.path(f) for s in sources for f in s.folders} - {"inbox"}
        assert self.target.tree() == folders | {"msgfolderroot/Mine"}
        assert [r for r in self.item_records() if r.intent or r.target_id not in self.target.items] == []
        assert orders or self.orders() == []
        for source in sources:
            for key, story in source.story.items():
                assert _is_subsequence(self.target.seen[key], story), (self.target.seen[key], story)

    def _mint(self) -> str:
        return f"{next(self._nonces):08x}"


def _is_subsequence(seen: list[State | None], story: list[State | None]) -> bool:
    """Whether `seen` runs forward through `story`; a state may be written twice, none twice over a later one."""
    rest, last = iter(story), None
    for state in seen:
        if state != last and state not in rest:
            return False
        last = state
    return True


@pytest.fixture(scope="session")
def new_world(memory_target: Any, memory_owned: Any, making: Any, metrics: ReplayMetrics) -> Callable[..., World]:
    def make(**settings: object) -> World:
        world = World(memory_target, memory_owned, making, metrics)
        for name, value in settings.items():
            setattr(world, name, value)
        return world

    return make


@pytest.fixture(scope="session")
def adversity() -> type[Adversity]:
    return Adversity


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world()
