"""What a replay asks of the feed: the content of an item, or the whole mailbox once more.

An order is written in the transaction that records why it is needed, so neither can be there without the other. What a
record says is wanted is asked again until it is answered: the order may have been lost with its topic or its reader.
State: when each mailbox was asked last, and what was wanted when it was looked at last; lost with the owner.
"""

from collections import deque
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
LOOK_SECONDS = 3_600
"""How often all items are looked through for those that are still wanted, one mailbox after the other."""
ORDER_ITEMS_MAX = 500


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
        self._to_look_at: deque[str] = deque()
        self._look_at = 0
        self._wanted: dict[str, frozenset[str]] = {}
        self._wants_asked: dict[str, tuple[int, int]] = {}

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
        """Ask again for what could be applied if it came, ever more seldom: the answer may be under way."""
        now = self._clock()
        self._remind_of_wants(addresses, now, int(1000 * (LOOK_SECONDS + 2 * hold_seconds)))
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

    def _remind_of_wants(self, addresses: Container[str], now: int, wait_ms: int) -> None:
        """Look at the next mailbox, and ask again for the items that were wanted the last time already."""
        if not self._to_look_at:
            if now < self._look_at:
                return
            self._to_look_at.extend(record.mailbox for record in self._ledger.mailboxes())
            self._look_at = now + wait_ms
        if not self._to_look_at:
            return
        mailbox = self._to_look_at.popleft()
        record = self._ledger.mailbox(mailbox)
        if record.waiting or record.behind or record.held or roles.is_resting(record) or mailbox not in addresses:
            return
        wanted = frozenset(r.item for r in self._ledger.items(mailbox) if r.is_wanted)
        unanswered = sorted(wanted & self._wanted.pop(mailbox, frozenset()))
        if not wanted:
            self._wants_asked.pop(mailbox, None)
            return
        self._wanted[mailbox] = wanted
        asked_at, pause_ms = self._wants_asked.get(mailbox, (0, 0))
        if unanswered and now - asked_at >= pause_ms:
            self._wants_asked[mailbox] = now, min(2 * (pause_ms or wait_ms), REMIND_SECONDS_MAX * 1000)
            for start in range(0, len(unanswered), ORDER_ITEMS_MAX):
                self._add(
                    mailbox, OrderKind.WANT, tuple(unanswered[start : start + ORDER_ITEMS_MAX]), "content still needed"
                )

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
