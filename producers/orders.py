"""What an order does to a mailbox of the feed; its effect is committed with the order's position.

An order for a mailbox that this process does not know yet waits in the state of the partition: it is committed with
the position too, and obeyed by whichever owner knows the mailbox first.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from producers import round as decisions
from producers.capture import Capture
from schemas.change import Version
from schemas.codec import decode, encode
from schemas.faults import ReplicationFault
from schemas.ports import Incoming, Outgoing, OwnedPartition
from schemas.roles import OrderKind
from schemas.state import Order
from schemas.topics import CHANGES_RETENTION_MS, Topics, waiting_order_key

log = logging.getLogger(__name__)

REPEATED = frozenset({OrderKind.WANT, OrderKind.SEED})
"""Kinds that a replay asks again until they are answered: one that waits is enough."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An order with its offset, and the log's time when it was written (milliseconds)."""

    order: Order
    offset: int
    at: int


def heard_of(incoming: Incoming) -> Heard | None:
    """Return the order that a record of the topic holds; None where it holds none."""
    order = decode(incoming.value) if incoming.value else None
    return Heard(order, incoming.offset, incoming.appended_at) if isinstance(order, Order) else None


class WaitingOrders:
    """The orders of one partition for mailboxes that its owner does not know yet, in the topic of mailbox records."""

    def __init__(self, owned: OwnedPartition, topics: Topics) -> None:
        self._owned = owned
        self._topic = topics.mailboxes
        self._unwritten: list[Outgoing] = []

    def keep(self, heard: Heard) -> None:
        """Have an order wait; the caller commits it with the position of the orders."""
        order = heard.order
        if order.kind in REPEATED and any(_is_same(order, waiting.order) for waiting in self._of(order.mailbox)):
            return
        log.warning("order waits for its mailbox", extra={"mailbox": order.mailbox, "kind": order.kind})
        key = waiting_order_key(order.mailbox, heard.offset, heard.at)
        self._unwritten.append(Outgoing(self._topic, key, encode(order)))

    def take(self, mailbox: str, now: int) -> list[Heard]:
        """Return the orders of a mailbox that waited, in their order; the caller commits what they do."""
        waiting = list(self._of(mailbox))
        keys = [waiting_order_key(mailbox, heard.offset, heard.at) for heard in waiting]
        self._unwritten += [Outgoing(self._topic, key, None) for key in keys]
        return [heard for heard in waiting if now - heard.at <= CHANGES_RETENTION_MS]

    def drain(self) -> list[Outgoing]:
        """Return the records for the next transaction."""
        records, self._unwritten = self._unwritten, []
        return records

    @property
    def is_unwritten(self) -> bool:
        """Whether anything waits to be committed."""
        return bool(self._unwritten)

    def _of(self, mailbox: str) -> Iterator[Heard]:
        prefix = waiting_order_key(mailbox)
        for key, value in self._owned.scan(self._topic, prefix):
            offset, _, at = key.removeprefix(prefix).partition("-")
            yield Heard(decode(value), int(offset), int(at))


def _is_same(order: Order, other: Order) -> bool:
    return (order.kind, order.items, order.target) == (other.kind, other.items, other.target)


def apply_order(capture: Capture, order: Order, now: int) -> None:
    """Obey WANT, SEED, PAUSE and RESUME; other kinds are for other owners and are logged."""
    index = capture.index
    match order.kind:
        case OrderKind.WANT:
            for item in order.items:
                if entry := index.entries.get(item):
                    decisions.want(index, entry, now, order.target, order.reason)
                elif not index.record.seed_begun:
                    capture.say_gone(item)
        case OrderKind.SEED:
            last = index.record.next_sequence - 1
            # also while a seed runs: who orders now is past its beginning, and waits for a new one
            capture.begin_seed(Version(generation=index.record.generation, sequence=last), order.reason)
        case OrderKind.PAUSE:
            index.record = replace(index.record, paused=order.reason or "paused by an operator")
        case OrderKind.RESUME:
            if index.record.paused == ReplicationFault.SOURCE_WENT_BACK:
                for folder in list(index.folders.values()):
                    index.put_folder(replace(folder, cursor="", probe=""))
            index.record = replace(index.record, paused="")
        case _:
            log.warning("order not for a feed", extra={"mailbox": order.mailbox, "kind": order.kind})
