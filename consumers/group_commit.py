"""One transaction for all who wait for one: mailboxes work side by side, the log is written by one at a time.

State: how many commits were asked for, and up to which of them the transactions that began since reach.
Order: whoever finds nobody writing writes for everybody who asked before; the others wait and find it done.
Failure: one who finds a transaction failed tries for itself; after PartitionLost nobody can, and all drop their work.
"""

import threading
from collections.abc import Callable


class GroupCommit:
    """Calls `transact` so that every caller is covered by one that began after it asked."""

    def __init__(self, transact: Callable[[], None]) -> None:
        self._transact = transact
        self._asking = threading.Lock()
        self._writing = threading.Lock()
        self._asked = 0
        self._reached = 0

    def __call__(self) -> None:
        """Return once everything the caller put into the ledger is committed; raises what `transact` raises."""
        with self._asking:
            self._asked += 1
            mine = self._asked
        with self._writing:
            if self._reached >= mine:
                return
            with self._asking:
                reaching = self._asked
            self._transact()
            self._reached = reaching
