"""What operators order of the replay into one target: its reader, and what an order does (design §5, §7).

State: none of its own. An order's effect is in the records of the target, and its offset is committed in the
transaction that holds the effect or in a later one: dead in between, the order is obeyed again, which changes nothing,
because every effect is a value (held until, paused, dropped) or asks for what is not there yet (redrive).
Order: as in the topic, one at a time; the next is begun when the effect of the last is in the ledger.
Failure: an order that names nothing this target has is logged and done. One that can't be read ends the replay
(CodecError), like a change: passed over, what an operator ordered of a newer release would be lost.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from consumers.gate import Gate
from consumers.ledger import Ledger
from consumers.opening import refuses
from schemas import roles
from schemas.codec import decode
from schemas.faults import ReplicationFault
from schemas.ports import Clock, LogReader
from schemas.roles import OrderKind
from schemas.state import ItemState, Order, is_void

log = logging.getLogger(__name__)

ORDERS_MAX = 100
RENEW_MS = 6 * 3_600_000
"""Kafka forgets an offset of a topic that a group does not subscribe to a week after its last commit (KIP-211)."""
PAUSED = "paused"
OPEN = "OPEN"


@dataclass(frozen=True, slots=True)
class Given:
    """An order with its offset, and the log's time when it was written (milliseconds)."""

    order: Order
    offset: int
    at: int


class OrderBook:
    """The orders of one partition, in order; `position` may be committed with what is done."""

    def __init__(self, reader: LogReader, topic: str, clock: Clock) -> None:
        self._reader = reader
        self._topic = topic
        self._clock = clock
        self._committed_at = clock()
        self._given: deque[Given] = deque()
        self._done = self._committed = reader.position

    def next(self) -> Given | None:
        """Return the order that is to be obeyed now, or None; CodecError at one that can't be read."""
        if not self._given:
            self._read()
        return self._given[0] if self._given else None

    def done(self) -> None:
        """Note that the first order's effect is in the ledger."""
        given = self._given.popleft()
        self._done = self._given[0].offset if self._given else max(self._reader.position, given.offset + 1)

    @property
    def positions(self) -> Mapping[str, int]:
        """What is to be committed; nothing if that is so already, and was done lately."""
        is_old = self._done and self._clock() - self._committed_at >= RENEW_MS
        return {self._topic: self._done} if is_old or self._done != self._committed else {}

    def settle(self) -> None:
        """Note that `positions` is committed."""
        self._committed, self._committed_at = self._done, self._clock()

    def _read(self) -> None:
        for record in self._reader.read(ORDERS_MAX, 0.0):
            order = decode(record.value) if record.value else None
            if isinstance(order, Order):
                self._given.append(Given(order, record.offset, record.appended_at))
        if not self._given:
            self._done = self._reader.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What orders act on; `fall_behind` and `retry` are the stragglers', `redrive` sends parked items again.

    `change_role` ends the replay's role, takes it up again, or another one. `is_lagged`: the log is held back from this
    target, so that a release or skip means what is held.
    `void_before`: an OPEN before this offset is of a life whose ledger was lost with all positions.
    """

    ledger: Ledger
    gate: Gate
    fall_behind: Callable[[str, str], None]
    retry: Callable[[str], None]
    redrive: Callable[[Order], None]
    change_role: Callable[[Order], None]
    is_lagged: bool
    clock: Clock
    void_before: int = 0


def obey(desk: Desk, given: Given) -> None:
    """Do what an order says; its effect is in the ledger afterwards."""
    order = given.order
    log.info("order", extra={"mailbox": order.mailbox, "kind": order.kind, "items": len(order.items)})
    is_of_before = order.kind == OPEN and given.offset < desk.void_before
    if is_of_before or is_void(desk.ledger.mailbox(order.mailbox), given.offset, given.at):
        log.warning("order of an earlier role is void", extra={"mailbox": order.mailbox, "kind": order.kind})
        return
    if refuses(desk.ledger.mailbox(order.mailbox), order.kind):
        log.warning("order after the barrier refused", extra={"mailbox": order.mailbox, "kind": order.kind})
        return
    match order.kind:
        case kind if kind in roles.TARGET_ORDERS:
            desk.change_role(order)
            _note_role_order(desk, given)
        case OrderKind.PAUSE:
            _pause(desk, order)
        case OrderKind.RESUME:
            _let_go(desk, order, paused="", tripped="")
        case OrderKind.RELEASE:
            _let_go(desk, order, tripped="", deletions=0, released_until=order.until or given.at)
        case OrderKind.SKIP:
            _skip(desk, order, given)
        case OrderKind.REDRIVE | OrderKind.REDRIVE_FROM_EVIDENCE:
            desk.redrive(order)
        case OrderKind.DROP:
            _drop(desk, order)
        case _:
            log.warning("order not for a replay", extra={"mailbox": order.mailbox, "kind": order.kind})


def _note_role_order(desk: Desk, given: Given) -> None:
    """Have this order and all before it void for the mailbox, should they ever be read again."""
    record = desk.ledger.mailbox(given.order.mailbox)
    desk.ledger.put_mailbox(replace(record, ordered_offset=given.offset, ordered_at=given.at))


def _pause(desk: Desk, order: Order) -> None:
    desk.fall_behind(order.mailbox, PAUSED)
    record = desk.ledger.mailbox(order.mailbox)
    desk.ledger.put_mailbox(replace(record, paused=order.reason or "paused by an operator"))
    desk.gate.show(order.mailbox)


def _let_go(desk: Desk, order: Order, **values: object) -> None:
    record = desk.ledger.mailbox(order.mailbox)
    desk.ledger.put_mailbox(replace(record, **values))  # type: ignore[arg-type] # names are the record's own
    desk.gate.show(order.mailbox)
    desk.retry(order.mailbox)


def _skip(desk: Desk, order: Order, given: Given) -> None:
    """Skip the deletions that the breaker holds, or on a lagged target deletions and new content."""
    record = desk.ledger.mailbox(order.mailbox)
    if given.at <= record.skip_obeyed_at:
        log.warning("skip given twice, obeyed once", extra={"mailbox": order.mailbox})
        return
    until = order.until or given.at
    is_breaker = record.tripped == ReplicationFault.DELETION_BREAKER
    if not is_breaker and not desk.is_lagged:
        log.warning("nothing is held that could be skipped", extra={"mailbox": order.mailbox})
        return
    tripped = "" if is_breaker else record.tripped
    values = {"skipped_until": until, "skips_content": not is_breaker, "skip_obeyed_at": desk.clock()}
    _let_go(desk, order, tripped=tripped, deletions=0, **values)


def _drop(desk: Desk, order: Order) -> None:
    for item in order.items:
        record = desk.ledger.item(order.mailbox, item)
        if record and record.state is ItemState.PARKED and not record.dropped_at:
            desk.ledger.put_item(order.mailbox, replace(record, dropped_at=desk.clock()))
