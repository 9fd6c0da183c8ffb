"""What a promotion really missed, item by item: what the old source shows against what its target shows.

Knows nothing of mailshadow's own records: both servers are read through EWS, and the old source's journal tells which
items users moved. An item lies elsewhere too when its folder was renamed or moved: neither server has the other's path
then, and the item itself is not missed.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.lab.comparison.comparison import read_side
from deploy.lab.comparison.folders import FolderKey
from deploy.lab.comparison.matching import Seen, match
from deploy.lab.session import UserSession


@dataclass(frozen=True, slots=True)
class Missed:
    """ItemIds at the source of what is new, changed or moved there, and how many items are gone there."""

    items: frozenset[str]
    deleted: int


@dataclass(frozen=True, slots=True)
class Journal:
    """What the old source's users wrote, by ItemId: which items they moved, and which was written after which."""

    moved: frozenset[str] = frozenset()
    order: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]]) -> "Journal":
        """Read it from a server's history."""
        entries = list(entries)
        moved = frozenset(entry["item_id"] for entry in entries if entry["kind"] == "move")
        return cls(moved, {entry["item_id"]: number for number, entry in enumerate(entries)})


@dataclass(frozen=True, slots=True)
class _Placed:
    key: FolderKey
    seen: Seen


def missed(sessions: tuple[UserSession, UserSession], pair: tuple[str, str], journal: Journal) -> Missed:
    """Compare one mailbox, given as (address at the source, at the target). SessionError."""
    source, target = (read_side(session, address).folders for session, address in zip(sessions, pair, strict=True))
    return missed_between(source, target, journal)


def missed_between(
    source: dict[FolderKey, list[Seen]], target: dict[FolderKey, list[Seen]], journal: Journal
) -> Missed:
    """Pair by folder first, then by content wherever it lies, then by identity.

    Of items that are alike, as a copy beside its original, it is the one written last that is missed.
    """
    found: set[str] = set()
    left: list[_Placed] = []
    over: list[_Placed] = []
    for key in source.keys() | target.keys():
        oldest_first = sorted(source.get(key, ()), key=lambda one: journal.order.get(one.item_id, -1))
        matched = match(oldest_first, target.get(key, ()))
        found |= {one.item_id for one, _ in matched.differing}
        left += [_Placed(key, one) for one in matched.missing]
        over += [_Placed(key, one) for one in matched.extra]
    waiting = _by(over, "digest")
    unpaired: list[_Placed] = []
    for one in left:
        other = _taken(waiting, one.seen.digest)
        if other is None:
            unpaired.append(one)
        elif one.seen.item_id in journal.moved and (one.key in target or other.key in source):
            found.add(one.seen.item_id)
    waiting = _by((one for rest in waiting.values() for one in rest), "identity")
    for one in unpaired:
        _taken(waiting, one.seen.identity)
        found.add(one.seen.item_id)
    return Missed(frozenset(found), sum(map(len, waiting.values())))


def _by(items: Iterable[_Placed], name: str) -> dict[bytes, deque[_Placed]]:
    found: defaultdict[bytes, deque[_Placed]] = defaultdict(deque)
    for item in items:
        found[getattr(item.seen, name)].append(item)
    return found


def _taken(waiting: dict[bytes, deque[_Placed]], key: bytes) -> _Placed | None:
    """Take one away, if there is one."""
    return waiting[key].popleft() if waiting.get(key) else None
