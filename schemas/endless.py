"""Tells a reading that goes on from one that only repeats itself: a server's answers alone must not keep a loop going.

Exchange ends a reading by saying so in its last page. A server that never says it, or that refuses every cursor, would
keep one mailbox busy for ever and its partition with it.
"""

from collections.abc import Iterable

from schemas.faults import CURSOR_LOST, ReplicationFault
from schemas.ports import CallRefused

PAGES_WITHOUT_NEWS_MAX = 8
CURSORS_LOST_MAX = 3


class ReadingBounds:
    """Bounds one reading of a folder, or of the hierarchy; every excess is a CallRefused."""

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._pages_without_news = 0
        self._cursors_lost = 0

    def take_page(self, ids: Iterable[str], *, is_last: bool) -> None:
        """Note a page; CallRefused after too many that name nothing new and are not the last."""
        before = len(self._named)
        self._named.update(ids)
        self._pages_without_news = 0 if len(self._named) > before else self._pages_without_news + 1
        if not is_last and self._pages_without_news >= PAGES_WITHOUT_NEWS_MAX:
            raise CallRefused(
                ReplicationFault.ENDLESS_ANSWER, "page after page names nothing new, and none is the last"
            )

    def lose_cursor(self, cursor: str) -> None:
        """Note a refused cursor; CallRefused for the empty one, and after too many others."""
        self._cursors_lost += 1
        if not cursor or self._cursors_lost >= CURSORS_LOST_MAX:
            raise CallRefused(min(CURSOR_LOST), "the server accepts no sync state, not even an empty one")
