"""What a replay asks of the feed: the content of an item, or the whole mailbox once more.

An order is written in the transaction that records why it is needed, so neither can be there without the other.
"""

from collections.abc import Container

from consumers.ledger import Ledger
from schemas import roles
from schemas.codec import encode
from schemas.ports import Clock, Outgoing
from schemas.roles import OrderKind
from schemas.state import Order
from schemas.topics import Topics, mailbox_key

REMIND_SECONDS = 300
REMIND_SECONDS_MAX = 7 * 86_400


class FeedOrders:
    """Orders of one partition's replay, collected for the next transaction."""

    def __init__(self, topics: Topics, target: str, ledger: Ledger, clock: Clock) -> None:
        self._topic = topics.orders(topics.source)
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._orders: list[Outgoing] = []
        self._reminded_at = 0
        self._asked: dict[str, tuple[int, int]] = {}

    def want(self, mailbox: str, item: str) -> None:
        """Ask for the content of an item; not after the barrier, where the feed would refuse it."""
        if not roles.is_resting(self._ledger.mailbox(mailbox)):
            self._add(mailbox, OrderKind.WANT, (item,), "content needed")

    def seed(self, mailbox: str, reason: str) -> None:
        """Ask for the whole mailbox; not after the barrier, and never over what users do at the target."""
        record = self._ledger.mailbox(mailbox)
        if not roles.is_resting(record) and not roles.is_merging(record):
            self._add(mailbox, OrderKind.SEED, (), reason)

    def remind(self, addresses: Container[str], hold_seconds: float = 0.0) -> None:
        """Ask again for the mailboxes that wait and could go on, ever more seldom: the answer may be under way."""
        now = self._clock()
        if now - self._reminded_at < REMIND_SECONDS * 1000:
            return
        self._reminded_at = now
        for record in list(self._ledger.mailboxes()):
            if not record.waiting or record.behind or record.held or record.mailbox not in addresses:
                self._asked.pop(record.mailbox, None)
                continue
            asked_at, wait_ms = self._asked.get(record.mailbox, (now, int((REMIND_SECONDS + 2 * hold_seconds) * 1000)))
            self._asked[record.mailbox] = (asked_at, wait_ms)
            if now - asked_at >= wait_ms:
                self._asked[record.mailbox] = (now, min(2 * wait_ms, REMIND_SECONDS_MAX * 1000))
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
