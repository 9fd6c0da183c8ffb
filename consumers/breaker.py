"""The deletion breaker: how many deletions are too many at once (design §7). Pure.

A window begins at its first deletion and lasts a fixed time by the log's own clock, so that the same log trips at the
same change whenever it is replayed. Both bounds have to be passed: a count, because small mailboxes are emptied every
day, and a share of what the ledger holds, because large ones lose many items to a tidy user. Right after a window ends
a new one begins to count from nothing: twice the bound may go in a little more than one window, never more.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimit:
    """`deletions_max` in a window (0: no breaker), `share_max` of the items held (0: any share), and its length."""

    deletions_max: int = 100
    share_max: float = 0.3
    window_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Window:
    """Deletions counted since a time of the log, in milliseconds."""

    deletions: int = 0
    since: int = 0

    def counting(self, at: int, limit: BreakerLimit, count: int = 1) -> "Window":
        """Return the window after `count` deletions appended to the log at `at`."""
        if self.deletions == 0 or at >= self.since + limit.window_seconds * 1000:
            return Window(count, at)
        return Window(self.deletions + count, self.since)

    def exceeds(self, limit: BreakerLimit, items: int) -> bool:
        """Tell whether so many are too many, of a ledger that held `items` when the window began."""
        return 0 < limit.deletions_max < self.deletions and self.deletions > limit.share_max * items
