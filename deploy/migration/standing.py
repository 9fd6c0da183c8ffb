"""What the log says of one mailbox of a wave: copied, ready or why not, opened by the wave's cut-over. Pure."""

from deploy.migration.stages import Standing
from deploy.promotion import readiness
from deploy.promotion.picture import Seen
from schemas.roles import users_work_at
from schemas.state import Wave


def standing_of(mailbox: str, seen: Seen, wave: Wave) -> Standing:
    """Return where one mailbox stands for its wave."""
    is_copied = _is_copied(seen)
    is_promoted = users_work_at(seen.target) and seen.target.promotion in wave.promotions
    why_not = tuple(_why_not(seen, wave)) if not is_promoted else ()
    return Standing(mailbox=mailbox, is_copied=is_copied, why_not=why_not, is_promoted=is_promoted)


def verified_folders(seen: Seen) -> int:
    """Return how many folders were found equal to a checksum of the source, now or before their newest changes."""
    # one in use always changed a moment ago: asked for a checksum that holds now, no wave at work would ever be ready
    return sum(bool(f.compared_at and not f.divergence) for f in seen.folders.values())


def _is_copied(seen: Seen) -> bool:
    source, target = seen.source, seen.target
    is_read = source.generation > 0 and source.certain_up_to > 0 and not source.seed_begun
    is_same_life = target.generation == source.generation
    return is_read and is_same_life and not target.seed_begun and not target.waiting


def _why_not(seen: Seen, wave: Wave) -> list[str]:
    never = readiness.never(seen, wave.target)
    if never:
        return [never]
    found = readiness.doubts(seen)
    if seen.not_applied > wave.behind_max:
        found.append(f"{seen.not_applied} changes are not applied yet; the wave's limit is {wave.behind_max}")
    verified, folders = verified_folders(seen), len(seen.folders)
    if not folders or verified < folders:
        found.append(f"{verified} of {folders} folders were found equal by checksums")
    return found
