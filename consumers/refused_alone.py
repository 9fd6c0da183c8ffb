"""Items whose own call fails again and again while the server answers others: they must not hold their mailbox.

State: of each such item since when and how often, in memory; a new owner counts anew.
"""

from collections.abc import Sequence

from schemas.ports import Clock

ATTEMPTS_MIN = 3
SECONDS_MIN = 10.0
"""What fails a few times within seconds may be the network's; what goes on is the item's."""
UNSETTLED_MAX = 20
"""So many items of a run can fail by themselves; more, and it is not the items."""


class RefusedAlone:
    """Counts the failures of single items."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[tuple[str, str], tuple[int, int]] = {}

    def last(self, mailbox: str, items: Sequence[str]) -> list[str]:
        """Return the items in their order, those that failed before at the end."""
        return sorted(items, key=lambda item: self._failed.get((mailbox, item), (0, 0))[1])

    def is_final(self, mailbox: str, item: str) -> bool:
        """Note a failure; tell whether the item is given up."""
        first_at, count = self._failed.get((mailbox, item), (self._clock(), 0))
        self._failed[mailbox, item] = first_at, count + 1
        return count + 1 >= ATTEMPTS_MIN and self._clock() - first_at >= SECONDS_MIN * 1000

    def settled(self, mailbox: str, item: str) -> None:
        """Forget an item that was settled."""
        self._failed.pop((mailbox, item), None)
