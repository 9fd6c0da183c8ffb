"""The loop of one partition: orders and doorbell in, rounds of its mailboxes, one transaction after another.

State: an index a mailbox (restored when first needed), rounds under way, a schedule.
Order: orders are applied in the transaction that commits their position; parts are published in the order
they were drafted, at most one a mailbox in a transaction.
Failure: a failed call postpones its mailbox, and its record says why once that lasts; PartitionLost drops everything
here and ownership begins anew. Refusals to several mailboxes or calls, over minutes, end the process.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from producers import closing, taking_over
from producers.capture import Capture, Dirt
from producers.contents import ContentReader
from producers.index import MailboxIndex
from producers.item_look import Part
from producers.lineage import last_appended, last_barriers, last_versions
from producers.notice import Notice
from producers.orders import Heard, WaitingOrders, apply_order, heard_of
from producers.proof import ProofSettings
from producers.publisher import Publisher
from producers.schedule import Turn
from producers.source import CursorLostError, Source
from producers.spool import Spool
from schemas import roles
from schemas.change import Change, Checksum, Form, Handover, Version
from schemas.faults import CURSOR_LOST, Disposition, ReplicationFault, disposition_of
from schemas.metrics import FeedMetrics
from schemas.ports import CallFailed, Clock, Incoming, LogReader, OwnedPartition
from schemas.refusals import RefusalWatch
from schemas.roles import OrderKind
from schemas.state import Order, SourceRole, is_void
from schemas.topics import Topics

log = logging.getLogger(__name__)

TRANSACTION_SIZE_BYTES_MAX = 32_000_000
TRANSACTION_RECORDS_MAX = 2_000
"""After so many records nothing is added: one more part at most, and Kafka ends a transaction after 15 s."""
ORDERS_MAX = 100
PAUSED_RETRY_SECONDS = 300.0
REFUSED_RETRY_SECONDS = 5.0
"""How long a mailbox waits at least after the server refused us: trying a wrong password soon locks the account."""
LASTING_FAILURES = 3
"""After so many failed rounds in a row a mailbox is told as troubled; fewer may be a passing fault."""
SLOW_MS = 1_000
"""After so long with the source, orders are looked for between two mailboxes."""
OFFSET_MAX = 2**63 - 1
CLOSED_POLL_MS = 1_000
"""How soon a closed mailbox is read again while it is waited for something that is owed."""


class HaltError(Exception):
    """Source or we ourselves are in a state no mailbox can work in; a person has to act."""


class Doorbell(Protocol):
    """Says which folders of which mailboxes were touched; may lose any of it."""

    def watch(self, mailboxes: Mapping[str, str]) -> None:
        """Listen to these mailboxes (id to address), besides those of other partitions."""
        ...

    def rung(self, mailbox: str) -> Dirt | None:
        """Return and forget what was heard of a mailbox."""
        ...

    def wait(self, timeout_seconds: float) -> None:
        """Return when something was heard, or after the time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """Intervals in seconds (no checksums at 0), the content forms the targets take, and the targets' names.

    `is_capturing` False: the source is not asked for anything, orders alone are obeyed. `is_back` True: of the way
    back, where a mailbox is captured once it was taken over, and never by a first copy. `opposite` reads what the other
    direction left.
    """

    poll_interval_seconds: float = 30.0
    heartbeat_seconds: float = 30.0
    checksum_interval_seconds: float = 0.0
    forms: tuple[Form, ...] = (Form.STREAM,)
    targets: tuple[str, ...] = ()
    is_capturing: bool = True
    is_back: bool = False
    opposite: taking_over.Opposite = taking_over.no_opposite
    refusals: RefusalWatch = field(default_factory=RefusalWatch, compare=False)


@dataclass(slots=True)
class _Mailbox:
    capture: Capture
    turn: Turn
    parts: Iterator[Part] | None = None
    recorded_at: int = 0
    found: int = 0
    is_begun_closed: bool = False
    is_ordered: bool = False
    notice: Notice = field(default_factory=Notice)


class Feed:
    """Captures the mailboxes of one owned partition until it is asked to stop."""

    def __init__(
        self,
        owned: OwnedPartition,
        source: Source,
        topics: Topics,
        settings: FeedSettings,
        spool: Spool,
        doorbell: Doorbell,
        clock: Clock,
        metrics: FeedMetrics,
    ) -> None:
        self._refusals = settings.refusals
        self._owned = owned
        self._source = source
        self._topics = topics
        self._settings = settings
        self._contents = ContentReader(source, spool, settings.forms)
        self._doorbell = doorbell
        self._clock = clock
        self._metrics = metrics
        self._publisher = Publisher(owned, topics, source.version, clock)
        self._mailboxes: dict[str, _Mailbox] = {}
        self._heard: list[Incoming] = []
        self._first = ""
        self._barriers: dict[str, Change] = {}
        self._waiting = WaitingOrders(owned, topics)
        self._lineage: tuple[dict[str, Version], dict[str, int]] | None = None

    def run(self, registered: Callable[[], Mapping[str, str]], orders: LogReader) -> None:
        """Work until the partition is to be given up; `registered` is mailbox id to source address."""
        while self._owned.still_owned():
            self._take_up(registered())
            incoming = self._heard + (orders.read(ORDERS_MAX, 0.0) if len(self._heard) < ORDERS_MAX else [])
            if ordered := (self._obey(incoming) or self._waiting.is_unwritten):
                # at once: a source that does not answer must not keep a close waiting
                self._publish(self._heartbeats([]), self._obeyed(orders))
            self._end_closed()
            self._begin_rounds()
            parts = self._gather(orders)
            beats = self._heartbeats(parts)
            # again and again: Kafka forgets an offset of a topic nobody subscribed after a week
            self._publish(parts + beats, self._obeyed(orders) if beats else {})
            if not parts and not ordered:
                self._doorbell.wait(0.1)

    def _obeyed(self, orders: LogReader) -> Mapping[str, int]:
        """Return where the orders were obeyed to."""
        position = self._heard[0].offset if self._heard else orders.position
        return {self._topics.orders(self._topics.source): position}

    def _take_up(self, registered: Mapping[str, str]) -> None:
        """Take up mailboxes that are new here; where many are, some wait for the next turn."""
        records = 0
        new = {m: a for m, a in registered.items() if m not in self._mailboxes}
        if not new:
            return
        for mailbox, address in new.items():
            index = MailboxIndex.restore(mailbox, self._topics, self._owned)
            if self._settings.is_back and index.record.generation == 0:
                index.record = roles.await_take_over(index.record)
            capture = Capture(self._source, address, index, self._contents, self._clock)
            self._mailboxes[mailbox] = _Mailbox(capture, Turn())
            self._prove(capture)
            is_index_lost = bool(index.record.hierarchy_cursor) and not index.folders
            is_to_begin = self._settings.is_capturing and not roles.is_fenced(index.record)
            if is_to_begin and (index.record.generation == 0 or is_index_lost):
                self._begin_generation(capture)
            for heard in self._waiting.take(mailbox, self._clock()):
                self._obey_one(self._mailboxes[mailbox], heard)
            records += 1 + self._mailboxes[mailbox].capture.unpublished
            if records >= TRANSACTION_RECORDS_MAX:
                break
        self._doorbell.watch(registered)

    def _prove(self, capture: Capture) -> None:
        if interval_seconds := self._settings.checksum_interval_seconds:
            spacing_seconds = self._settings.poll_interval_seconds
            proof = ProofSettings(interval_seconds=interval_seconds, spacing_seconds=spacing_seconds)
            capture.prove(proof, self._metrics)

    def _read_lineage(self) -> tuple[dict[str, Version], dict[str, int]]:
        if self._lineage is None:
            self._lineage = last_versions(self._owned, self._topics, self._settings.targets)
            self._barriers = last_barriers(self._owned, self._topics)
        return self._lineage

    def _highest(self, mailbox: str) -> int:
        """Return the highest generation that log or ledgers know of a mailbox."""
        in_log, in_ledgers = self._read_lineage()
        return max(in_log[mailbox].generation if mailbox in in_log else 0, in_ledgers.get(mailbox, 0))

    def _begin_generation(self, capture: Capture) -> None:
        lineage = self._read_lineage()
        record = capture.index.record
        if record.generation == 0 and record.mailbox in lineage[0]:
            # its state was lost, and the position of the orders with it: those the log has gone past were obeyed
            appended_at = last_appended(self._owned, self._topics).get(record.mailbox, 0)
            capture.index.record = record = replace(record, ordered_offset=OFFSET_MAX, ordered_at=appended_at)
        if barrier := self._barriers.get(record.mailbox):
            capture.index.record = closing.restored(record, barrier)
            return
        in_log, highest = lineage[0].get(record.mailbox), max(self._highest(record.mailbox), record.generation)
        previous = in_log if in_log and in_log.generation == highest else None
        reason = "first copy" if highest == 0 else "new generation"
        log.info("begin generation", extra={"mailbox": record.mailbox, "generation": highest + 1})
        capture.index.record = replace(record, generation=highest + 1, next_sequence=1, hierarchy_cursor="")
        capture.begin_seed(previous, reason)

    def _obey(self, incoming: list[Incoming]) -> bool:
        """Obey orders, as many as fit a transaction; tell whether there were any."""
        self._heard, records = [], 0
        for number, record in enumerate(incoming):
            if records >= TRANSACTION_RECORDS_MAX:
                self._heard = incoming[number:]
                break
            records += 1
            if (heard := heard_of(record)) is None:
                continue
            if mailbox := self._mailboxes.get(heard.order.mailbox):
                before = mailbox.capture.unpublished
                self._obey_one(mailbox, heard)
                records += max(0, mailbox.capture.unpublished - before)
            else:
                self._waiting.keep(heard)
        return bool(incoming)

    def _obey_one(self, mailbox: _Mailbox, heard: Heard) -> None:
        """Obey an order, unless it was obeyed before the mailbox's last change of role and is read again."""
        order = heard.order
        if is_void(mailbox.capture.index.record, heard.offset, heard.at):
            log.warning("order of an earlier role is void", extra={"mailbox": order.mailbox, "kind": order.kind})
            return
        self._carry_out(mailbox, order)
        if order.kind in roles.SOURCE_ORDERS or order.kind == OrderKind.TAKE_OVER:
            index = mailbox.capture.index
            index.record = replace(index.record, ordered_offset=heard.offset, ordered_at=heard.at)
        mailbox.turn.ring(set(), hierarchy=True)
        mailbox.recorded_at, mailbox.is_ordered = 0, True

    def _carry_out(self, mailbox: _Mailbox, order: Order) -> None:
        if order.kind == OrderKind.TAKE_OVER:
            self._take_over(mailbox, order)
        elif order.kind in roles.SOURCE_ORDERS:
            closing.obey(mailbox.capture, order, self._clock(), is_capturing=self._settings.is_capturing)
            mailbox.is_begun_closed = False
            if roles.is_fenced(mailbox.capture.index.record):
                mailbox.parts = None
        elif closing.refuses(mailbox.capture.index.record, order.kind):
            log.warning("order after the barrier refused", extra={"mailbox": order.mailbox, "kind": order.kind})
        else:
            apply_order(mailbox.capture, order, self._clock())
            if order.kind == OrderKind.SEED:
                mailbox.parts = None  # a round says the folders first and marks the items

    def _take_over(self, mailbox: _Mailbox, order: Order) -> None:
        """Begin a generation with what the other direction left; the caller publishes it with the order's position."""
        index = mailbox.capture.index
        if index.record.handed == order.promotion or not self._settings.is_capturing:
            return
        known = self._settings.opposite(order) if roles.is_fenced(index.record) else None
        if known is None:
            log.error("not taken over", extra={"mailbox": order.mailbox, "role": index.record.role})
            return
        record = roles.take_over_source(index.record, order, self._highest(order.mailbox))
        fresh = taking_over.take_over(
            index, known, order, self._topics, lambda records: self._owned.transact(records, {}), self._clock()
        )
        fresh.record = record
        mailbox.capture = Capture(self._source, mailbox.capture.address, fresh, self._contents, self._clock)
        self._prove(mailbox.capture)
        mailbox.capture.draft(Handover(previous=None, promotion=order.promotion, reason=order.reason))
        mailbox.parts, mailbox.turn = None, Turn()

    def _end_closed(self) -> None:
        """Write the barrier of the closed mailboxes whose time is over; what is under way of them is dropped."""
        for mailbox in self._mailboxes.values():
            if closing.after_time(mailbox.capture, self._clock()):
                mailbox.parts, mailbox.recorded_at = None, 0

    def _begin_rounds(self) -> None:
        now = self._clock()
        for name, mailbox in self._mailboxes.items():
            if dirt := self._doorbell.rung(name):
                mailbox.notice.hear(now)
                mailbox.turn.ring(set(dirt.folders), hierarchy=dirt.is_hierarchy_dirty)
            record = mailbox.capture.index.record
            is_free = mailbox.parts is None and not record.paused and not roles.is_fenced(record)
            is_free &= self._settings.is_capturing
            if is_free and mailbox.turn.is_due(now, mailbox.capture.next_due_at()):
                mailbox.found, mailbox.is_begun_closed = 0, record.role == SourceRole.CLOSED
                mailbox.notice.begin(mailbox.capture.index.record.certain_up_to)
                mailbox.parts = mailbox.capture.parts(mailbox.turn.begin(now, self._settings.poll_interval_seconds))

    def _gather(self, orders: LogReader) -> list[tuple[Capture, Part]]:
        """Take the next part of each round under way, up to the size of a transaction or to an order that waits."""
        parts: list[tuple[Capture, Part]] = []
        size_bytes, records, began_at = 0, 0, self._clock()
        for name, mailbox in self._in_turn():
            if mailbox.parts is None:
                continue
            if size_bytes >= TRANSACTION_SIZE_BYTES_MAX or records >= TRANSACTION_RECORDS_MAX:
                self._first = name
                break
            if self._clock() - began_at > SLOW_MS and (heard := orders.read(ORDERS_MAX, 0.0)):
                self._heard = heard
                break
            try:
                part = next(mailbox.parts)
            except StopIteration:
                mailbox.parts = None
                mailbox.notice.end(self._clock(), is_rung=mailbox.turn.is_rung)
                mailbox.turn.succeed()
                self._refusals.answered()
                self._metrics.rounds.inc()
                self._note_trouble(mailbox, mailbox.capture.trouble)
                self._end_round(mailbox)
            except (CallFailed, CursorLostError) as failure:
                mailbox.parts = None
                self._postpone(name, mailbox, failure)
            else:
                parts.append((mailbox.capture, part))
                size_bytes += part.size_bytes
                records += 1 + len(part.operations) + mailbox.capture.unpublished
                mailbox.found += sum(not isinstance(o, Checksum) for o in part.operations)
        return parts

    def _in_turn(self) -> list[tuple[str, _Mailbox]]:
        """Return the mailboxes, first the one that a full transaction had no room for: a seed starves no other."""
        mailboxes = list(self._mailboxes.items())
        start = next((n for n, (name, _) in enumerate(mailboxes) if name == self._first), 0)
        self._first = ""
        return mailboxes[start:] + mailboxes[:start]

    def _end_round(self, mailbox: _Mailbox) -> None:
        """After a round of a closed mailbox: the barrier, or another round soon."""
        capture, now = mailbox.capture, self._clock()
        if capture.index.record.role != SourceRole.CLOSED:
            return
        is_empty = mailbox.is_begun_closed and not mailbox.found
        if closing.after_round(capture, now, is_empty=is_empty):
            mailbox.recorded_at = 0
        elif not is_empty or capture.index.pending:
            mailbox.turn.ring(set(), hierarchy=True)
        else:
            mailbox.turn.next_poll_at = min(mailbox.turn.next_poll_at, now + CLOSED_POLL_MS)

    def _postpone(self, name: str, mailbox: _Mailbox, failure: CallFailed | CursorLostError) -> None:
        code = failure.code if isinstance(failure, CallFailed) else min(CURSOR_LOST)
        back_off_seconds = failure.back_off_seconds if isinstance(failure, CallFailed) else 0.0
        disposition = disposition_of(code)
        self._metrics.call_failures.labels(code=code).inc()
        if code == ReplicationFault.SOURCE_WENT_BACK:
            index = mailbox.capture.index
            index.record = replace(index.record, paused=code)
            mailbox.recorded_at = 0
        elif disposition is Disposition.HALT:
            operation = failure.operation if isinstance(failure, CallFailed) else ""
            if self._refusals.must_halt(self._clock(), name, operation):
                raise HaltError(f"source: {failure}")
            back_off_seconds = max(back_off_seconds, REFUSED_RETRY_SECONDS)
        elif disposition is Disposition.PAUSE:
            back_off_seconds = PAUSED_RETRY_SECONDS
        mailbox.turn.fail(self._clock(), back_off_seconds)
        if mailbox.turn.failures >= LASTING_FAILURES or disposition in {Disposition.HALT, Disposition.PAUSE}:
            self._note_trouble(mailbox, code)
        log.warning("round ended early", extra={"mailbox": name, "code": code, "disposition": disposition.value})

    def _note_trouble(self, mailbox: _Mailbox, reason: str) -> None:
        """Say in the mailbox's record why it can't be read, or that it can."""
        index = mailbox.capture.index
        if index.record.trouble != reason:
            since = (index.record.trouble_since or self._clock()) if reason else 0
            index.record = replace(index.record, trouble=reason, trouble_since=since)
            mailbox.recorded_at = 0

    def _heartbeats(self, parts: list[tuple[Capture, Part]]) -> list[tuple[Capture, Part]]:
        """Add the mailbox records that were not written for a while: certain-up-to moves on when idle.

        What orders did goes with their position; of the rest, as much as fits, the next time more.
        """
        now = self._clock()
        written = {capture.index.record.mailbox for capture, _ in parts}
        beats: list[tuple[Capture, Part]] = []
        records = sum(1 + len(part.operations) + capture.unpublished for capture, part in parts)
        for name, mailbox in sorted(self._mailboxes.items(), key=lambda named: not named[1].is_ordered):
            if records >= TRANSACTION_RECORDS_MAX and not mailbox.is_ordered:
                break
            is_idle = mailbox.parts is None and not roles.is_fenced(mailbox.capture.index.record)
            is_idle_and_old = is_idle and (now - mailbox.recorded_at >= self._settings.heartbeat_seconds * 1000)
            if name not in written and (is_idle_and_old or mailbox.recorded_at == 0):
                records += 1 + mailbox.capture.unpublished
                beats.append((mailbox.capture, mailbox.capture.take_part()))
                written.add(name)
        for name in written:
            self._mailboxes[name].recorded_at, self._mailboxes[name].is_ordered = now, False
        return beats

    def _publish(self, parts: list[tuple[Capture, Part]], positions: Mapping[str, int]) -> None:
        if not parts and not positions and not self._waiting.is_unwritten:
            return
        drafted_at = self._clock()
        for capture, part in parts:
            record = capture.index.record
            if part.operations and not record.seed_begun:  # what a seed says is not news
                waited_seconds = self._mailboxes[record.mailbox].notice.waited_seconds(drafted_at)
                self._metrics.stage_seconds.labels(stage="captured").observe(waited_seconds)
        changes = self._publisher.publish(parts, positions, self._waiting.drain())
        self._metrics.changes.inc(changes)
        if changes:
            self._metrics.stage_seconds.labels(stage="logged").observe(max(0, self._clock() - drafted_at) / 1000)
        self._metrics.content_bytes.inc(sum(part.size_bytes for _, part in parts))
        for capture, _ in parts:
            record, index = capture.index.record, capture.index
            self._metrics.certain_up_to.labels(mailbox=record.mailbox).set(record.certain_up_to / 1000)
            self._metrics.index_items.labels(mailbox=record.mailbox).set(len(index.entries))
            self._metrics.owed.labels(mailbox=record.mailbox).set(len(index.owed))
            self._metrics.pending.labels(mailbox=record.mailbox).set(len(index.pending))
            self._metrics.paused.labels(mailbox=record.mailbox).set(bool(record.paused))
