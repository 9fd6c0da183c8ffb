"""Changes of a batch that a later one makes needless: an item's newest state is enough (design §5). Pure.

Only between two barriers (folders, seeds, checksums), and only by a later complete state or a later change of the same
kind: a deletion makes nothing needless, because an operator may hold or skip it. A save that somebody asked for stays:
it is applied although nothing seems to differ. A move stays before a save that holds elements alone: that changes an
item where it is, and can't make it anew elsewhere. What is left out counts as applied with the change after it, so that
one begins where it began: a mailbox that stops there reads it again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from consumers.subscription import Received
from schemas.change import Form, ItemMarked, ItemMoved, ItemOperation, ItemSaved


def coalesced(changes: Iterable[Received]) -> deque[Received]:
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
        if _is_needless(operation, followers):
            kept[0] = replace(kept[0], begins_at=received.begins_at)
        else:
            kept.appendleft(received)
        followers.add(_InPlace if _is_in_place(operation) else type(operation))
    return kept


class _InPlace:
    """Stands for a save that makes nothing anew."""


def _is_in_place(operation: ItemOperation) -> bool:
    return isinstance(operation, ItemSaved) and {c.form for c in operation.contents} == {Form.ELEMENTS}


def _is_needless(operation: ItemOperation, followers: set[type]) -> bool:
    match operation:
        case ItemSaved(targets=targets):
            return not targets and bool(followers & {ItemSaved, _InPlace})
        case ItemMarked():
            return bool(followers & {ItemMarked, ItemSaved, _InPlace})
        case ItemMoved():
            return bool(followers & {ItemMoved, ItemSaved})
        case _:
            return False
