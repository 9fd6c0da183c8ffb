"""What of a promotion has not gone back to mirroring yet, by what the mailboxes' records say. Pure.

An order counts as obeyed when the record names this promotion in `reopened`, not when the role looks right: orders are
obeyed one after another, so only then is no CLOSE or OPEN of this promotion still under way.
"""

from collections.abc import Mapping, Sequence

from deploy.promotion.picture import Picture
from schemas.roles import users_work_at


def unobeyed_at_source(picture: Picture, promotion: str, mailboxes: Sequence[str]) -> list[str]:
    """Return the mailboxes whose feed has not obeyed the undoing."""
    return [m for m in mailboxes if picture.of(m).source.reopened != promotion]


def unobeyed_at_target(picture: Picture, promotion: str, mailboxes: Sequence[str]) -> list[str]:
    """Return the mailboxes whose replay has not obeyed the undoing."""
    return [m for m in mailboxes if picture.of(m).target.reopened != promotion]


def is_any_open(picture: Picture, mailboxes: Sequence[str]) -> bool:
    """Tell whether a target is still its users', so that the source must not go on: nothing of it would be applied."""
    return any(users_work_at(picture.of(m).target) for m in mailboxes)


def said(waiting: Mapping[str, Sequence[str]]) -> str:
    """Return at which servers nobody obeyed, for people; empty where all did."""
    parts = [f"{len(names)} mailboxes at {server}" for server, names in waiting.items() if names]
    return f"not reopened: {' and '.join(parts)}, because nobody obeys there" if parts else ""
