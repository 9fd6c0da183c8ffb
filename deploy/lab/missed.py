"""What a promotion really missed, item by item: what the old source shows against what its target shows.

Knows nothing of mailshadow's own records: both servers are read through EWS, and the old source's journal tells which
items users moved (an item in a folder that was renamed lies elsewhere too, and was not moved).
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from deploy.lab.comparison.comparison import read_side
from deploy.lab.comparison.folders import FolderKey
from deploy.lab.comparison.matching import Seen, match
from deploy.lab.session import UserSession


@dataclass(frozen=True, slots=True)
class Missed:
    """ItemIds at the source of what is new, changed or moved there, and how many items are gone there."""

    items: frozenset[str]
    deleted: int


def missed(sessions: tuple[UserSession, UserSession], pair: tuple[str, str], moved: Collection[str]) -> Missed:
    """Compare one mailbox, given as (address at the source, at the target); `moved` are ItemIds. SessionError."""
    source, target = (read_side(session, address).folders for session, address in zip(sessions, pair, strict=True))
    return missed_between(source, target, moved)


def missed_between(
    source: dict[FolderKey, list[Seen]], target: dict[FolderKey, list[Seen]], moved: Collection[str]
) -> Missed:
    """Pair by folder first, then by content wherever it lies, then by identity."""
    found: set[str] = set()
    left: list[Seen] = []
    over: list[Seen] = []
    for key in source.keys() | target.keys():
        matched = match(source.get(key, ()), target.get(key, ()))
        found |= {one.item_id for one, _ in matched.differing}
        left += matched.missing
        over += matched.extra
    by_digest = _by(over, "digest")
    elsewhere = [one for one in left if not _taken(by_digest, one.digest)]
    found |= {one.item_id for one in left if one not in elsewhere and one.item_id in moved}
    by_identity = _by((one for rest in by_digest.values() for one in rest), "identity")
    for one in elsewhere:
        _taken(by_identity, one.identity)
        found.add(one.item_id)
    return Missed(frozenset(found), sum(map(len, by_identity.values())))


def _by(items: Iterable[Seen], name: str) -> dict[bytes, deque[Seen]]:
    found: defaultdict[bytes, deque[Seen]] = defaultdict(deque)
    for item in items:
        found[getattr(item, name)].append(item)
    return found


def _taken(waiting: dict[bytes, deque[Seen]], key: bytes) -> bool:
    """Take one away; tell whether there was one."""
    if not waiting.get(key):
        return False
    waiting[key].popleft()
    return True
