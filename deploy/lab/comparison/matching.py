"""Which items of two folders are the same, as values: multisets by canonical form, so that duplicates show."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One item as a server showed it: digest and identity of its canonical form, id, and whether it is ours."""

    digest: bytes
    identity: bytes
    item_id: str
    is_stamped: bool


@dataclass(slots=True)
class Match:
    """How one folder compares: how many items are identical, and the others by what is wrong with them."""

    identical: int = 0
    differing: list[tuple[Seen, Seen]] = field(default_factory=list)
    missing: list[Seen] = field(default_factory=list)
    extra: list[Seen] = field(default_factory=list)
    foreign: list[Seen] = field(default_factory=list)


def match(source: Iterable[Seen], target: Iterable[Seen]) -> Match:
    """Pair the items of a folder.

    Equal digests are identical, stamped ones first. Of what is left, an item with the same identity is the same
    item in another state (differing); the rest is missing, or at the target extra (stamped) or foreign.
    """
    found = Match()
    by_digest: defaultdict[bytes, deque[Seen]] = defaultdict(deque)
    for item in sorted(target, key=lambda i: not i.is_stamped):
        by_digest[item.digest].append(item)
    left: list[Seen] = []
    for item in source:
        if by_digest.get(item.digest):
            by_digest[item.digest].popleft()
            found.identical += 1
        else:
            left.append(item)
    by_identity: defaultdict[bytes, deque[Seen]] = defaultdict(deque)
    for item in (i for rest in by_digest.values() for i in rest):
        if item.is_stamped:
            by_identity[item.identity].append(item)
        else:
            found.foreign.append(item)
    for item in left:
        if by_identity.get(item.identity):
            found.differing.append((item, by_identity[item.identity].popleft()))
        else:
            found.missing.append(item)
    found.extra += [i for rest in by_identity.values() for i in rest]
    return found
