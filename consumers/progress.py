"""How far one partition's log is applied, and the one transaction that says so.

State: the position before which everything is done, the one the group committed last, when a transaction last proved
that the partition is ours.
Order: the ledger's records first, then orders and dead letters they tell of, the positions with all of them.
Failure: nothing counts as committed before the transaction has ended. PartitionLost drops everything here.
"""

from typing import Protocol

from consumers.group_commit import GroupCommit
from consumers.ledger import Ledger
from consumers.orders import OrderBook
from schemas.ports import Clock, Outgoing, OwnedPartition
from schemas.topics import OWNER_KEY

OWNED_MS = 1_000
"""For so long a commit proves that no other owner has come since."""


class Drained(Protocol):
    """Something whose records wait for the next transaction."""

    def drain(self) -> list[Outgoing]:
        """Return the records that wait; they are written once."""
        ...


class Progress:
    """The position of one partition in the log; `topic` is the changes', `state_topic` the target's."""

    def __init__(self, owned: OwnedPartition, topic: str, state_topic: str, clock: Clock) -> None:
        self._owned = owned
        self._topic = topic
        self._state_topic = state_topic
        self._clock = clock
        self._ledger: Ledger | None = None
        self._others: tuple[Drained, ...] = ()
        self._book: OrderBook | None = None
        self._marks: list[Outgoing] = []
        self._owned_at = -1
        self.complete = 0
        self.committed: int | None = None
        self.commit = GroupCommit(self._transact)

    def write(self, ledger: Ledger, *others: Drained) -> None:
        """Have the transactions hold what the ledger and the others drain."""
        self._ledger, self._others = ledger, others

    def keep(self, book: OrderBook) -> None:
        """Have the transactions hold the position of the operators' orders too."""
        self._book = book

    def begin(self, position: int, committed: int | None) -> None:
        """Stand at a position of the log, with what the group committed last."""
        self.complete, self.committed = position, committed

    def prove_owned(self) -> None:
        """Commit if nothing was for a second: an owner that was stopped and fenced finds out (PartitionLost)."""
        if not 0 <= self._clock() - self._owned_at <= OWNED_MS:
            self._marks.append(Outgoing(self._state_topic, OWNER_KEY, None))
            self.commit()

    def _transact(self) -> None:
        # the ledger first: an order or a letter is there before the record that tells of it
        records = self._ledger.drain() if self._ledger else []
        records += [record for part in self._others for record in part.drain()]
        records += [self._marks.pop() for _ in range(len(self._marks))]
        positions = self._positions()
        if not records and not positions:
            return
        began_at = self._clock()
        self._owned.transact(records, positions)
        self._owned_at = began_at
        if self._ledger:
            self._ledger.settle()
        self.committed = self.complete
        if self._book:
            self._book.settle()

    def _positions(self) -> dict[str, int]:
        positions = dict(self._book.positions) if self._book else {}
        if self.complete != self.committed:
            positions[self._topic] = self.complete
        return positions
