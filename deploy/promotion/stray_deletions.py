"""Deletions among what came to an old source after a promotion, which no merge of strays carries unasked (design §8).

An old source is emptied once its users are gone, by retention or a clean-up; items the target's users did not touch
would go with it.
"""

from collections.abc import Iterable, Mapping, Sequence

from deploy.promotion.tail import Left
from schemas.change import FolderDeleted, ItemDeleted

DELETIONS = frozenset({ItemDeleted.__name__, FolderDeleted.__name__})


def refusal(tails: Mapping[str, Sequence[Left]], mailboxes: Iterable[str]) -> str:
    """Return why the tails of mailboxes are not merged without a word for it, for people; nothing where they may be."""
    counts = {m: sum(left.kind in DELETIONS for left in tails.get(m, ())) for m in mailboxes}
    if not (number := sum(counts.values())):
        return ""
    return (
        f"the old source holds {number} deletions in {sum(map(bool, counts.values()))} mailboxes: a clean-up there, or "
        "users who work there? Nothing was merged; `migrate watch WAVE --merge --with-deletions` deletes at the target"
    )
