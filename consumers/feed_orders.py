"""What a replay asks of the feed: the content of an item, or the whole mailbox once more.

An order is written in the transaction that records why it is needed, so neither can be there without the other.
"""

from consumers.ledger import Ledger
from schemas.codec import encode
from schemas.ports import Clock, Outgoing
from schemas.state import Order
from schemas.topics import Topics, mailbox_key

REMIND_SECONDS = 300


class FeedOrders:
    """Orders of one partition's replay, collected for the next transaction."""

    def __init__(self, topics: Topics, target: str, ledger: Ledger, clock: Clock) -> None:
        self._topic = topics.orders(topics.source)
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._orders: list[Outgoing] = []
        self._reminded_at = 0

    def want(self, mailbox: str, item: str) -> None:
        """Ask for the content of an item."""
        self._add(mailbox, "WANT", (item,), "content needed")

    def seed(self, mailbox: str, reason: str) -> None:
        """Ask for the whole mailbox."""
        self._add(mailbox, "SEED", (), reason)

    def remind(self) -> None:
        """Ask again for the mailboxes that wait, now and then: an order may find its owner unable to obey."""
        now = self._clock()
        if now - self._reminded_at >= REMIND_SECONDS * 1000:
            self._reminded_at = now
            for record in self._ledger.mailboxes():
                if record.waiting:
                    self.seed(record.mailbox, record.waiting)

    def drain(self) -> list[Outgoing]:
        """Return the records for the next transaction."""
        orders = self._orders.copy()
        del self._orders[: len(orders)]
        return orders

    def _add(self, mailbox: str, kind: str, items: tuple[str, ...], reason: str) -> None:
        order = Order(
            mailbox=mailbox, kind=kind, items=items, target=self._target, reason=reason, issued_at=self._clock()
        )
        self._orders.append(Outgoing(self._topic, mailbox_key(mailbox), encode(order)))
