"""A merge of what came to an old source after a promotion: what it does not carry unasked, and what became of it. Pure.

Deletions are not carried unasked: an old source is emptied once its users are gone, by retention or a clean-up, and
items the target's users did not touch would go with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deploy.promotion import loss
from deploy.promotion.picture import Picture, Seen
from deploy.promotion.tail import Left
from schemas.change import FolderDeleted, ItemDeleted
from schemas.failover import Stage
from schemas.state import Promotion, TargetRole

DELETIONS = frozenset({ItemDeleted.__name__, FolderDeleted.__name__})


def refusal(tails: Mapping[str, Sequence[Left]], mailboxes: Iterable[str]) -> str:
    """Return why the tails of mailboxes are not merged without a word for it, for people; nothing where they may be."""
    counts = {m: _deletions(tails.get(m, ())) for m in mailboxes}
    if not (number := sum(counts.values())):
        return ""
    return (
        f"the old source holds {number} deletions in {sum(map(bool, counts.values()))} mailboxes: a clean-up there, or "
        "users who work there? Nothing was merged; `migrate watch WAVE --merge --with-deletions` deletes at the target"
    )


def _deletions(tail: Sequence[Left]) -> int:
    # a folder that can't be read keeps every deletion of its mailbox unclear until it can
    is_unread = any(left.kind == "unread folder" for left in tail)
    return sum(left.kind in DELETIONS or (is_unread and left.kind == "unclear") for left in tail)


def not_at_target(seen: Seen) -> list[str]:
    """Return, for people, what was captured of an opened mailbox or is known of, and is not at its target."""
    parked = [r for r in seen.parked.values() if not r.dropped_at]
    found = {
        "its strays are being merged, or that stopped": seen.target.role == TargetRole.MERGING,
        f"{seen.not_applied} captured changes are not applied": seen.not_applied,
        f"{len(seen.target.unsettled)} writes are not settled": seen.target.unsettled,
        f"{len(parked)} items are parked": parked,
        f"{len(seen.wanted)} items are wanted of the source": seen.wanted,
        f"{len(seen.owed)} items were not handed out by the source": seen.owed,
        f"{len(seen.pending)} items were deleted or moved there, unclear which": seen.pending,
    }
    return [text for text, is_so in found.items() if is_so]


def statement(progress: Promotion, picture: Picture, target: str) -> dict[str, Any]:
    """Return what became of a merge as plain values, by a picture of the direction that carried it to `target`.

    As a loss statement, with `merged` and `not_at_target` of each mailbox; that nothing was lost is never said.
    """
    found = loss.statement(progress, picture, {}, {}) | {"target": target, "strays": True, "nothing_lost": False}
    for row in found["mailboxes"]:
        row["merged"] = progress.stage == Stage.DONE and not row["left_out"]
        row["not_at_target"] = not_at_target(picture.of(row["mailbox"]))
    return found
