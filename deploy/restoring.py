"""Rebuilds one mailbox from the log, as it stood at a time, into another live mailbox: the replay over a folded log.

State: a ledger of its own in a file beside the caches, never the pipeline's; its target name, and so every stamp, is
its own too. It is what makes a second run go on: what the file says is there is not written again.
Order: read the log once and fold it; look that the mailbox is none the pipeline writes to; replay the fold.
Failure: dead at any point, the same command goes on. Every write is in the file before it is sent, on the disk.
"""

import fcntl
import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from consumers.breaker import BreakerLimit
from consumers.dead_letters import DeadLetterLimit
from consumers.exchange_target import ExchangeTarget
from consumers.folding import Folded
from consumers.replay_settings import ReplaySettings
from consumers.replayer import Replayer
from consumers.restored_log import RestoredLog
from consumers.subscription import Received
from deploy import pipeline_state, wiring
from deploy.exchange import Session
from deploy.partition.reader import read_to_end
from deploy.sections import Settings
from deploy.throttle import Throttle
from schemas.change import Change, Chunk
from schemas.codec import decode
from schemas.identity import partition_of, target_id
from schemas.metrics import ReplayMetrics, SessionMetrics
from schemas.ports import Incoming, Outgoing
from schemas.state import ItemRecord, ItemState, TargetMailbox

TIDY_SECONDS = 2.5
NO_LIMIT = 1_000_000_000
ANCHOR = "inbox"
"""The distinguished folder by whose id a mailbox is known again under another address."""


class RestoreError(Exception):
    """A restore can't be done, or not as a whole: says why, and how far the log reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What is to be rebuilt: the mailbox id, up to a time of the log (milliseconds), into an address at a target."""

    mailbox: str
    until: int
    into: str
    target: str

    @property
    def name(self) -> str:
        """The target's name in stamps and in the ledger: no pipeline's, for it holds a dot."""
        digest = hashlib.sha256(f"{self.mailbox}\0{self.into.lower()}".encode()).hexdigest()[:12]
        return f"{self.target}.restore-{digest}"


@dataclass(slots=True)
class Restored:
    """What came of it; `lost` and `parked` count items by reason, `stopped` is why it did not come to its end."""

    items: int = 0
    folders: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    ledger: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything that was there is there."""
        return not (self.lost or self.parked or self.stopped)


class RestoreLedger:
    """`schemas.ports.OwnedPartition` over one SQLite file that one process holds at a time."""

    number = 0

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = path.with_suffix(".lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise RestoreError(f"{path}: another restore into this mailbox runs; wait for its end") from error
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS state (topic TEXT, key TEXT, value BLOB, PRIMARY KEY (topic, key))"
        )
        self.is_wanted = True

    def get(self, topic: str, key: str) -> bytes | None:
        """Return the value of a key."""
        row = self._database.execute("SELECT value FROM state WHERE topic = ? AND key = ?", (topic, key)).fetchone()
        return row[0] if row else None

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield key and value of the keys that start with `prefix`, in order."""
        yield from self._database.execute(
            "SELECT key, value FROM state WHERE topic = ? AND key >= ? AND key < ? ORDER BY key",
            (topic, prefix, prefix + "\U0010ffff"),
        ).fetchall()

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:  # noqa: ARG002 - the port's
        """Write records as one; a position in a log of one run means nothing to the next."""
        self._database.execute("BEGIN IMMEDIATE")
        for record in records:
            if record.value is None:
                self._database.execute("DELETE FROM state WHERE topic = ? AND key = ?", (record.topic, record.key))
            else:
                row = (record.topic, record.key, record.value)
                self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", row)
        self._database.execute("COMMIT")

    def history(self, topic: str) -> Iterable[Incoming]:  # noqa: ARG002 - the port's
        """Return nothing: there is no log behind it."""
        return ()

    def still_owned(self) -> bool:
        """Tell whether there is still something to do."""
        return self.is_wanted

    def close(self) -> None:
        """Close the file and let others have it."""
        self._database.close()
        self._lock.close()


def fold(records: Iterable[Incoming], mailbox: str, until: int) -> Folded:
    """Fold the changes of a mailbox that the log took up to a time (milliseconds)."""
    folded, begins_at = Folded(), -1
    for incoming in records:
        if incoming.value is None or not incoming.key.startswith(mailbox):
            continue
        if incoming.appended_at > until:
            break
        record = decode(incoming.value)
        if isinstance(record, Chunk):
            begins_at = begins_at if begins_at >= 0 else incoming.offset
        elif isinstance(record, Change):
            begins_at = begins_at if begins_at >= 0 else incoming.offset
            folded.take(Received(record, incoming.offset, b"", {}, incoming.appended_at, begins_at))
            begins_at = -1
    return folded


def read_log(settings: Settings, mailbox: str, begin: int | None = None, end: int = 2**62) -> Iterator[Incoming]:
    """Yield the records of a mailbox's partition from an offset (None: the start) up to another."""
    connection = wiring.kafka_settings(settings)
    partition = partition_of(mailbox, connection.partition_count)
    for record in read_to_end(connection, wiring.topics_of(settings).changes, partition, begin, lambda: True):
        if isinstance(record, Incoming):
            if record.offset >= end:
                return
            yield record


def require_whole(folded: Folded, asked: str, *, is_partial: bool) -> None:
    """Raise RestoreError if the log does not say all that was in the mailbox, unless that is accepted."""
    if folded.first is None:
        raise RestoreError(f"{asked}: the log has nothing of this mailbox up to that time")
    if folded.is_ended and not is_partial:
        raise RestoreError(
            f"{asked}: this log ends with a failover at {wiring.iso_time(folded.ended_at)}, and what the users did at "
            "their new server since is not in it; name a time before that, or --partial restores what was there then"
        )
    if not folded.is_whole and not is_partial:
        raise RestoreError(
            f"{asked}: the log reaches back to {wiring.iso_time(folded.first_at)} "
            f"(generation {folded.first.generation}, sequence {folded.first.sequence}; {folded.gaps} gaps) and holds "
            "neither the first change nor a whole seed before that time; --partial restores what is there"
        )


def restore(settings: Settings, wanted: Restore, folded: Folded) -> Restored:
    """Replay a folded mailbox into the address; RestoreError, CallFailed or TargetHaltError if that can't be done."""
    topics = wiring.topics_of(settings)
    state_topic = topics.target_state(wanted.name)
    section = settings.targets[wanted.target]
    file = f"{topics.pipeline}.{wanted.name}.sqlite"
    registry = CollectorRegistry()
    server = wiring.server_settings(section)
    with (
        closing(RestoreLedger(settings.pipeline.data_directory / "restore" / file)) as ledger,
        closing(Session(server, Throttle(), SessionMetrics(registry))) as session,
    ):
        target = ExchangeTarget(session)
        _refuse_replayed(settings, target, wanted)
        known = _mailbox_record(ledger, state_topic, wanted.mailbox)
        _let_go(ledger, state_topic, known)
        log = RestoredLog(
            wanted.mailbox, folded, lambda begin, end: read_log(settings, wanted.mailbox, begin, end),
            known.generation + 1,
        )  # fmt: skip
        replayer = Replayer(
            ledger,
            target,
            topics,
            ReplaySettings(
                target=wanted.name,
                portable_only=section.portable_only,
                dead_letter_limit=DeadLetterLimit(consecutive_max=NO_LIMIT, share_max=0.0),
                breaker_limit=BreakerLimit(deletions_max=0),
            ),
            wiring.now_ms,
            wiring.mint_nonce,
            ReplayMetrics(registry),
        )
        progress = _Progress(ledger, state_topic, wanted.mailbox, log)
        replayer.run(lambda: progress.addresses(wanted.into), log)
        return _outcome(ledger, state_topic, wanted.mailbox, folded)


class _Progress:
    """Asked by the loop between batches for addresses; notices when there is nothing to do any more."""

    def __init__(self, ledger: RestoreLedger, topic: str, mailbox: str, log: RestoredLog) -> None:
        self._ledger = ledger
        self._topic = topic
        self._mailbox = mailbox
        self._log = log
        self._ended_at: float | None = None
        self._has_begun = False

    def addresses(self, into: str) -> dict[str, str]:
        """Return the address; a mailbox that fell behind, or an end that was tidied up after, ends the run."""
        if self._has_begun and _mailbox_record(self._ledger, self._topic, self._mailbox).behind:
            self._ledger.is_wanted = False
        self._has_begun = True
        if self._log.is_at_end:
            self._ended_at = self._ended_at or time.monotonic()
            if time.monotonic() - self._ended_at > TIDY_SECONDS:
                self._ledger.is_wanted = False
        return {self._mailbox: into}


def _mailbox_record(ledger: RestoreLedger, topic: str, mailbox: str) -> TargetMailbox:
    value = ledger.get(topic, mailbox)
    found: TargetMailbox = decode(value) if value else TargetMailbox(mailbox=mailbox)
    return found


def _let_go(ledger: RestoreLedger, topic: str, known: TargetMailbox) -> None:
    """Refuse a ledger whose last run was of a mailbox that still has to be asked of somebody: there is nobody."""
    if known.held:
        raise RestoreError(f"{ledger.path}: {topic} is held ({known.held}); remove the file after emptying the mailbox")


def _refuse_replayed(settings: Settings, target: ExchangeTarget, wanted: Restore) -> None:
    """Raise RestoreError if the pipeline's own ledger is of the mailbox behind the address, whatever its name there."""
    topic = wiring.topics_of(settings).target_state(wanted.target)
    replayed = pipeline_state.distinguished_folders(wiring.kafka_settings(settings), topic, ANCHOR)
    root_id = target.root(wanted.into, "root")
    name = f"mailshadow-staging-{target_id(settings.pipeline.name, wanted.target)}-note"
    if target.root(wanted.into, ANCHOR) in replayed or target.find_child(wanted.into, root_id, name):
        raise RestoreError(
            f"--into {wanted.into}: the pipeline replays into this mailbox, or did; name one that it does not write to"
        )


def _outcome(ledger: RestoreLedger, topic: str, mailbox: str, folded: Folded) -> Restored:
    if _mailbox_record(ledger, topic, mailbox).waiting:
        # what was only found there: the next run has to look again, for the mailbox may have been emptied
        ledger.transact([Outgoing(topic, key, None) for key, _ in ledger.scan(topic, "")], {})
        raise RestoreError(
            "the mailbox holds what an earlier restore left, and its ledger is not in this data directory: "
            "go on where that one ran, or empty the mailbox first"
        )
    records = [decode(value) for _, value in ledger.scan(topic, f"{mailbox}/item/")]
    items = [r for r in records if isinstance(r, ItemRecord)]
    parked = Counter(r.reason or r.state.value for r in items if r.state is not ItemState.PRESENT)
    return Restored(
        items=sum(r.state is ItemState.PRESENT for r in items),
        folders=sum(1 for _ in ledger.scan(topic, f"{mailbox}/folder/")),
        lost=folded.lost(),
        parked=dict(parked),
        stopped=_mailbox_record(ledger, topic, mailbox).behind,
        ledger=str(ledger.path),
    )
