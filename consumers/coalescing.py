"""Changes of a batch that a later one makes needless: an item's newest state is enough (design §5). Pure.

Only between two barriers (folders, seeds, checksums), and only by a later complete state or a later change of the same
kind: a deletion makes nothing needless, because an operator may hold or skip it. A save that somebody asked for stays:
it is applied although nothing seems to differ. Where a save changes an item where it is, because a copy would lose
something (`edits_in_place`), the moves before it stay, and what they move. What is left out counts as applied with the
change after it, so that one begins where it began: a mailbox that stops there reads it again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from consumers.subscription import Received
from schemas.change import ItemMarked, ItemMoved, ItemOperation, ItemSaved


def coalesced(changes: Iterable[Received], *, edits_in_place: bool = False) -> deque[Received]:
    """Return the changes of one mailbox that have to be applied, in their order; the last one always stays."""
    kept: deque[Received] = deque()
    later: dict[str, set[type]] = {}
    for received in reversed(list(changes)):
        operation = received.change.operation
        if not isinstance(operation, ItemOperation):
            later.clear()
            kept.appendleft(received)
            continue
        followers = later.setdefault(operation.ref.item, set())
        if _is_needless(operation, followers, edits_in_place=edits_in_place):
            kept[0] = replace(kept[0], begins_at=received.begins_at)
        else:
            kept.appendleft(received)
            if edits_in_place and isinstance(operation, ItemSaved):
                followers.clear()  # it needs the moves before it, whatever comes after
        followers.add(type(operation))
    return kept


def _is_needless(operation: ItemOperation, followers: set[type], *, edits_in_place: bool) -> bool:
    match operation:
        case ItemSaved(targets=targets):
            return not targets and ItemSaved in followers and not (edits_in_place and ItemMoved in followers)
        case ItemMoved() if edits_in_place:
            return ItemMoved in followers
        case ItemMarked() | ItemMoved():
            return bool(followers & {type(operation), ItemSaved})
        case _:
            return False
