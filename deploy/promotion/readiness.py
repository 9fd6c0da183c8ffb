"""What an operator has to know, and to accept, before a mailbox is promoted as it stands. Pure."""

from deploy.promotion.loss import is_verified
from deploy.promotion.picture import Seen
from producers.round import UNREADABLE_ATTEMPTS
from schemas.roles import is_merging, users_work_at
from schemas.state import SourceRole

NEVER = "never captured: there is nothing to open; wait for its first copy"


def never(seen: Seen, target: str) -> str:
    """Say why a mailbox can't be promoted to a target, whatever is accepted; nothing where it can."""
    if seen.source.generation == 0 or seen.target.generation == 0:
        return NEVER
    if seen.source.role == SourceRole.FENCED and seen.source.opening != target:
        return f"its barrier opens {seen.source.opening}: only that target has all of it"
    if is_merging(seen.target):
        return f"promoted already: its users work at {target}, and a merge is under way; `mailshadow failback --resume`"
    if users_work_at(seen.target):
        return f"promoted already: its users work at {target}, by promotion {seen.target.promotion}"
    return ""


def doubts(seen: Seen) -> list[str]:
    """Return what is not as it should be, for people; nothing: the mailbox is promoted without a word."""
    source, target = seen.source, seen.target
    unread = [e for e in seen.owed.values() if e.owed and e.owed.attempts >= UNREADABLE_ATTEMPTS]
    parked = [r for r in seen.parked.values() if not r.dropped_at]
    found = {
        f"paused at the source: {source.paused}": source.paused,
        "a first copy or a resync is not complete": source.seed_begun,
        f"{len(unread)} items the source does not hand out": unread,
        f"behind at the target: {target.behind}": target.behind,
        f"held at the target: {target.tripped_on or target.paused}": target.held,
        f"waits for a seed: {target.waiting}": target.waiting,
        f"{len(parked)} parked items": parked,
        f"{len(seen.wanted)} items wanted of the source": seen.wanted,
        f"{seen.divergent} items differ from the source's checksums": seen.divergent,
    }
    return [text for text, is_so in found.items() if is_so]


def unread(seen: Seen) -> list[str]:
    """Return what a planned promotion did not read: the barrier came before the source was read to its end."""
    is_read = seen.source.certain_up_to >= seen.source.closed_at
    return [] if is_read else ["the source was not read to its end after the close (`--source-lost` or `--accept`)"]


def blocked(seen: Seen) -> str:
    """Say why the replay does not go on with a mailbox by itself; nothing where it does."""
    target = seen.target
    return (target.held and f"held: {target.tripped_on or target.paused}") or target.behind or target.waiting


def verified(seen: Seen) -> tuple[bool, str]:
    """Tell whether every folder was found equal after the barrier was applied, and say what was compared."""
    confirmed, folders = seen.target.confirmed, len(seen.folders)
    if seen.divergent:
        return False, f"{seen.divergent} items differ"
    if is_verified(seen):
        return True, f"{folders} of {folders} folders equal, looked at after the last change was applied"
    return False, f"unverified: {max(confirmed, 0)} of {folders} folders were found equal after the last change"


def is_looked_at(seen: Seen) -> bool:
    """Tell whether all folders were looked at since the barrier was applied."""
    return seen.target.confirmed >= 0
