"""Hand-made runs: one mailbox, one target, and a clock that moves on with every event."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deploy.lab.chaos.checker.check import check
from deploy.lab.chaos.checker.names import item_key, mailbox_id, target_id
from deploy.lab.chaos.evidence import Act, Anomaly, Evidence, FaultLine, LogRecord, Run, RunMailbox
from deploy.lab.exchange.history import Write
from schemas.change import (
    Change,
    FolderSaved,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemRef,
    ItemSaved,
    Marks,
    Operation,
    SeedBegin,
    Summary,
)
from schemas.codec import encode
from schemas.state import IndexEntry, Intent, IntentKind, ItemRecord, ItemState, TargetFolder, TargetMailbox

SOURCE, TARGET = "user1@source.test", "user1@target.test"
MAILBOX = mailbox_id(SOURCE)
US = target_id("chaos", "standby")
KEY = item_key(MAILBOX, "s1")
MARKS = Marks(is_read=False)


def _write(position: int, time_ms: int, mailbox: str, **values: Any) -> Write:
    texts = (
        "operation", "agent", "body", "kind", "id", "previous_id", "folder_id", "previous_folder_id", "deletion",
        "item_class", "message_id", "subject", "flag", "importance", "stamp", "search_key", "content", "change_key",
        "name", "distinguished",
    )  # fmt: skip
    blank: dict[str, Any] = dict.fromkeys(texts, "") | {
        "request": 0, "peer_port": 0, "is_read": False, "categories": (), "object": "item"
    }  # fmt: skip
    return Write(**(blank | {"position": position, "time_ms": time_ms, "mailbox": mailbox} | values))


@dataclass
class Story:
    """What happened so far; every method is one event, a millisecond after the one before."""

    time_ms: int = 1_000
    source: list[Write] = field(default_factory=list)
    target: list[Write] = field(default_factory=list)
    log: list[LogRecord] = field(default_factory=list)
    truth: list[Act] = field(default_factory=list)
    faults: list[FaultLine] = field(default_factory=list)
    run: Run = field(
        default_factory=lambda: Run(
            seed=7, minutes=1, command="mailshadow lab chaos --seed 7", pipeline="chaos", source="source",
            targets=("standby",), mailboxes=(RunMailbox(source=SOURCE, targets={"standby": TARGET}),),
            partition_count=12, began_ms=0, healed_ms=5_000, level_ms=6_000, ended_ms=9_000,
        )
    )  # fmt: skip
    sequence: int = 0

    def __post_init__(self) -> None:
        for side, mailbox, prefix in ((self.source, SOURCE, "s"), (self.target, TARGET, "t")):
            for name, parent in (
                ("root", ""), ("msgfolderroot", "root"), ("inbox", "msgfolderroot"), ("archive", "msgfolderroot"),
                ("recoverableitemsdeletions", "root"),
            ):  # fmt: skip
                above, distinguished = f"{prefix}-{parent}" if parent else "", "" if name == "archive" else name
                folder = {"object": "folder", "kind": "create", "id": f"{prefix}-{name}", "folder_id": above}
                self._add(side, mailbox, folder | {"name": name, "distinguished": distinguished})
        staging = {"object": "folder", "kind": "create", "id": "t-staging", "folder_id": "t-root", "name": "staging"}
        self._add(self.target, TARGET, staging)
        self.say(SeedBegin(previous=None, reason="new"))
        for name in ("inbox", "archive"):
            self.say(FolderSaved(folder_id=f"s-{name}", parent_id="", name=name, folder_class="", distinguished=""))
            self.state("target-state", f"{MAILBOX}/folder/s-{name}", mapped(f"s-{name}", f"t-{name}"))

    def _add(self, side: list[Write], mailbox: str, values: dict[str, Any]) -> None:
        self.time_ms += 1
        side.append(_write(len(side) + 1, self.time_ms, mailbox, **values))

    def user(self, **values: Any) -> None:
        """A user writes at the source."""
        self._add(self.source, SOURCE, {"agent": "mailshadow lab", "search_key": "k"} | values)

    def stranger(self, **values: Any) -> None:
        """A user writes at the target."""
        self._add(self.target, TARGET, {"agent": "mailshadow lab"} | values)

    def replay(self, **values: Any) -> None:
        """The product writes at the target."""
        self._add(self.target, TARGET, {"agent": "mailshadow", "stamp": f"{US}:{KEY}:n1"} | values)

    def commit(self, topic: str, key: str, value: Any) -> None:
        """The product commits a record."""
        self.time_ms += 1
        self.log.append(
            LogRecord(
                topic=topic, partition=0, offset=len(self.log), timestamp_ms=self.time_ms, key=key,
                value=None if value is None else encode(value),
            )
        )  # fmt: skip

    def state(self, kind: str, key: str, value: Any) -> None:
        """The product commits a state record."""
        self.commit(f"chaos.{kind}.source" + ("-standby" if kind != "source-state" else ""), key, value)

    def say(self, operation: Operation, **values: Any) -> None:
        """The feed commits the next change."""
        self.sequence += 1
        change = Change(
            mailbox=MAILBOX, generation=1, sequence=self.sequence, captured_at=self.time_ms, source_version="15.1",
            operation=operation,
        )  # fmt: skip
        self.commit("chaos.changes.source", f"{MAILBOX}/x", replace(change, **values))

    def index(self, item_id: str, folder_id: str = "s-inbox", key: str = KEY) -> None:
        entry = IndexEntry(
            item=key, item_id=item_id, folder_id=folder_id, change_key="c", search_key="k", fingerprint="",
            digest="", marks=None,
        )  # fmt: skip
        self.state("source-state", f"{MAILBOX}/item/{key}", entry)

    def unindex(self) -> None:
        self.state("source-state", f"{MAILBOX}/item/{KEY}", None)

    def holds(self, record: ItemRecord | None, key: str = KEY) -> None:
        """The replay commits an item record."""
        self.state("target-state", f"{MAILBOX}/item/{key}", record)

    def applied(self) -> None:
        """The replay commits that it stands at the last change."""
        held = TargetMailbox(mailbox=MAILBOX, generation=1, applied_sequence=self.sequence)
        self.state("target-state", MAILBOX, held)

    @property
    def evidence(self) -> Evidence:
        return Evidence(
            run=self.run, source=tuple(self.source), targets={"standby": tuple(self.target)}, log=tuple(self.log),
            truth=tuple(self.truth), faults=tuple(self.faults),
        )  # fmt: skip

    def anomalies(self) -> list[Anomaly]:
        return check(self.evidence)

    def rules(self) -> set[str]:
        """Which rules the checker found broken."""
        return {anomaly.rule for anomaly in self.anomalies()}

    key = KEY
    us = US
    mailbox = MAILBOX

    @staticmethod
    def held(held_id: str, nonce: str, intended: Intent | None = None) -> ItemRecord:
        """An item record, with an intent or without."""
        return record(held_id, nonce, intended)

    @staticmethod
    def parked(reason: str) -> ItemRecord:
        return record("", "", state=ItemState.PARKED, reason=reason)

    @staticmethod
    def intent(kind: str, held_id: str, nonce: str, replaced_id: str = "") -> Intent:
        return intent(IntentKind(kind), held_id, nonce, replaced_id)

    @staticmethod
    def key_of(item_id: str) -> str:
        """The key of an item first seen by an id."""
        return item_key(MAILBOX, item_id)

    def moves_by_intent(self, ident: str, was: str, folder_id: str) -> None:
        """The replay moves an item, as it should be."""
        self.holds(record(was, "n1", intent(IntentKind.MOVE, was, "n1")))
        self.moves(ident, was, folder_id)
        self.holds(record(ident, "n1"))

    def brings(self, key: str, item_id: str, ident: str, folder_id: str) -> None:
        """The replay stages and places an item under another key."""
        self.say(saved(item_id, "s-archive", key))
        state = {"subject": "i1 v1", "content": "v1", "stamp": f"{US}:{key}:n5"}
        staged = f"{ident}-staged"
        self.replay(operation="UploadItems", kind="create", id=staged, folder_id="t-staging", **state)
        self.holds(replace(record("", "", intent(IntentKind.PLACE, staged, "n5")), item=key), key)
        self.moves(ident, staged, folder_id, **state)
        self.holds(replace(record(ident, "n5"), item=key), key)
        self.applied()

    # -- chapters that are as they should be

    def receives(self) -> None:
        """An item arrives at the source and is captured."""
        self.user(operation="CreateItem", kind="create", id="s1", folder_id="s-inbox", subject="i1 v1", content="v1")
        self.say(saved("s1"))
        self.index("s1")

    def stages(self, ident: str = "t1", nonce: str = "n1", content: str = "v1", **intended: Any) -> None:
        """The replay stages content and commits the intent to place it."""
        state = {"folder_id": "t-staging", "subject": f"i1 {content}", "content": content}
        self.replay(operation="UploadItems", kind="create", id=ident, stamp="", **state)
        self.replay(operation="UpdateItem", kind="mark", id=ident, stamp=f"{US}:{KEY}:{nonce}", **state)
        self.holds(record("", "", intent(IntentKind.PLACE, ident, nonce, **intended)))

    def places(self, ident: str = "t2", was: str = "t1", nonce: str = "n1", content: str = "v1") -> None:
        """The replay moves what it staged to its place."""
        self.moves(ident, was, "t-inbox", stamp=f"{US}:{KEY}:{nonce}", subject=f"i1 {content}", content=content)

    def moves(self, ident: str, was: str, folder_id: str, **values: Any) -> None:
        known = {"operation": "MoveItem", "kind": "move", "id": ident, "previous_id": was, "folder_id": folder_id}
        self.replay(**({"subject": "i1 v1", "content": "v1"} | known | values))

    def copied(self) -> None:
        """An item arrives and is brought to the target, everything as it should be."""
        self.receives()
        self.stages()
        self.places()
        self.holds(record("t2", "n1"))
        self.applied()

    def soft_deletes(self, ident: str = "t3", was: str = "t2", nonce: str = "n1") -> None:
        """The replay deletes softly."""
        gone = {"operation": "DeleteItem", "deletion": "soft", "stamp": f"{US}:{KEY}:{nonce}"}
        self.moves(ident, was, "t-recoverableitemsdeletions", **gone)

    def marks(self, nonce: str, category: str = "", ident: str = "t2", **values: Any) -> None:
        """The replay marks in place."""
        stamp = f"{US}:{KEY}:{nonce}"
        state = {"folder_id": "t-inbox", "subject": "i1 v1", "content": "v1", "categories": (category,)}
        self.replay(**({"operation": "UpdateItem", "kind": "mark", "id": ident, "stamp": stamp} | state | values))

    def marked_at_source(self, category: str) -> None:
        """The user marks the item, and the log says so."""
        state = {"folder_id": "s-inbox", "subject": "i1 v1", "content": "v1", "categories": (category,)}
        self.user(operation="UpdateItem", kind="mark", id="s1", **state)
        self.say(ItemMarked(ref=ref("s1"), marks=MARKS))

    def moved_at_source(self) -> None:
        """The user moves the item to the archive, and the log says so."""
        self.user(
            operation="MoveItem", kind="move", id="s2", previous_id="s1", folder_id="s-archive", subject="i1 v1",
            content="v1",
        )  # fmt: skip
        self.say(ItemMoved(ref=ref("s2", "s-archive"), from_folder_id="s-inbox"))
        self.index("s2", "s-archive")

    def edited_at_source(self) -> None:
        """The user gives the item new content, and the log says so."""
        self.user(operation="UpdateItem", kind="update", id="s1", folder_id="s-inbox", subject="i1 v2", content="v2")
        self.say(saved("s1"))

    def edited(self) -> None:
        """New content arrives at the target, everything as it should be."""
        self.edited_at_source()
        self.stages("t3", "n2", "v2", replaced_id="t2")
        self.places("t4", "t3", "n2", "v2")
        self.drops("t2")
        self.holds(record("t4", "n2"))
        self.applied()

    def drops(self, ident: str, nonce: str = "n1") -> None:
        """The replay deletes for good what was replaced."""
        stamp = f"{US}:{KEY}:{nonce}"
        state = {"folder_id": "t-inbox", "subject": "i1 v1", "content": "v1", "deletion": "hard", "stamp": stamp}
        self.replay(operation="DeleteItem", kind="delete", id=ident, **state)

    def deleted_at_source(self) -> None:
        """The user deletes the item, and the log says so."""
        self.user(operation="DeleteItem", kind="delete", id="s1", folder_id="s-inbox", deletion="hard", content="v1")
        self.say(ItemDeleted(ref=ref("s1")))
        self.unindex()


def ref(item_id: str, folder_id: str = "s-inbox", key: str = KEY) -> ItemRef:
    return ItemRef(item=key, item_id=item_id, folder_id=folder_id, change_key="c", search_key="k", fingerprint="")


def saved(item_id: str, folder_id: str = "s-inbox", key: str = KEY) -> ItemSaved:
    summary = Summary(
        item_class="IPM.Note", subject="i1", sender="", message_id="", sent_at="", received_at="", size_bytes=1,
        has_attachments=False, is_draft=False,
    )  # fmt: skip
    return ItemSaved(ref=ref(item_id, folder_id, key), summary=summary, marks=MARKS, contents=())


def mapped(source_id: str, held_id: str) -> TargetFolder:
    return TargetFolder(
        folder_id=source_id, target_id=held_id, parent_id="", name="", folder_class="", distinguished="",
        created=False, generation=1, sequence=1,
    )  # fmt: skip


def record(
    held_id: str, nonce: str, intended: Intent | None = None, state: ItemState = ItemState.PRESENT, reason: str = ""
) -> ItemRecord:
    return ItemRecord(
        item=KEY, state=state, generation=1, sequence=1, source_change_key="", folder_id="s-inbox", marks=None,
        target_id=held_id, target_change_key="", nonce=nonce, reason=reason, intent=intended,
    )  # fmt: skip


def intent(kind: IntentKind, held_id: str, nonce: str, replaced_id: str = "") -> Intent:
    return Intent(
        kind=kind, generation=1, sequence=1, nonce=nonce, target_id=held_id, change_key="", folder_id="s-inbox",
        replaced_id=replaced_id, source_change_key="",
    )  # fmt: skip


@pytest.fixture
def story() -> Story:
    return Story()
