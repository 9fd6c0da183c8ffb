"""Is a mailbox protected at a target, and if not: why, since when, and what is there to do? Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.backlog import changes_not_applied
from schemas.state import MailboxRecord, SourceRole, TargetMailbox


class Health(StrEnum):
    """The one state a mailbox is in at a target, the worst first."""

    NOT_CAPTURED = "not-captured"  # the source is not read: what happens there is in no log
    STALLED = "stalled"  # changes wait in the log and nothing moves
    WAITING = "waiting"  # changes were lost; a seed is ordered
    HELD = "held"  # an operator has to say how it goes on
    PAUSED = "paused"  # the source's mailbox is paused
    BEHIND = "behind"  # the target's mailbox can't be written now
    DIVERGENT = "divergent"  # the target differs from the source's checksums
    INCOMPLETE = "incomplete"  # items are parked, or can't be read at the source
    LATE = "late"  # it moves, and lags more than it may
    PROMOTING = "promoting"  # fenced for a promotion, and not open yet: its users wait
    FIRST_COPY = "first-copy"  # it is being filled
    PROMOTED = "promoted"  # its users work at a target: nothing is captured or applied any more, on purpose
    PROTECTED = "protected"


FINE = frozenset({Health.PROTECTED})
DIFFERS = "differs"
"""The kind under which `Look.since` holds when a checksum first differed."""
READING = "reading"
"""The kind under which `Look.since` holds when a first copy began."""
ON_ITS_WAY = frozenset({Health.FIRST_COPY, Health.LATE, Health.PROMOTING})
SET_ASIDE = frozenset({Health.PROMOTING, Health.PROMOTED})
"""The source of these is not read on purpose: they are in no figure of lag and no alert."""

TO_DO: Mapping[Health, str] = {
    Health.NOT_CAPTURED: "does a feed run, does the source answer? /metrics and log of the feed",
    Health.STALLED: "does a replay run, does the target answer? /metrics and log of the replay",
    Health.WAITING: "nothing: the feed says the mailbox once more; see that a feed runs",
    Health.HELD: "mailboxes release | skip | resume MAILBOX --target TARGET",
    Health.PAUSED: "mailboxes resume MAILBOX",
    Health.BEHIND: "mend the target's mailbox (quota, access); mailboxes resume MAILBOX --target TARGET",
    Health.DIVERGENT: "verify --repair",
    Health.INCOMPLETE: "dead-letters list; dead-letters redrive",
    Health.LATE: "more replays, or more calls at once at the target",
    Health.PROMOTING: "wait; if no failover runs any more: failover --resume, or --undo",
    Health.FIRST_COPY: "wait",
    Health.PROMOTED: "nothing; what the old source got since: failover --tail",
    Health.PROTECTED: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a person has to know, in seconds: lag over the objective, nothing read or nothing moved for so long."""

    lag_objective_seconds: float = 60.0
    stall_seconds: float = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a mailbox at the source and at one target; times in milliseconds, 0 where not known.

    `target` None: its replay has not begun. `moved_at`: when the target's position was seen to move, or was level.
    `level_at`: everything captured up to then was once seen to be at the target. `open_at`: the target, this one or
    another, where its users work after a promotion. `missing`: how many items, each counted once, the target is known
    to lack or to hold in an older state; None where they were counted by kind alone. `oldest_at`: when the oldest
    change that is not applied came into the log.
    `source_down`, `target_down`: why nothing reads the source, or nothing can be applied. `since`: when the oldest
    entry of each kind of `counts` began, and `DIFFERS` for what a checksum found.
    """

    source: MailboxRecord
    target: TargetMailbox | None
    counts: Mapping[str, int] = field(default_factory=dict)
    missing: int | None = None
    divergence: Mapping[str, int] = field(default_factory=dict)
    hold_seconds: float = 0.0
    moved_at: int = 0
    level_at: int = 0
    open_at: str = ""
    oldest_at: int = 0
    source_down: str = ""
    target_down: str = ""
    since: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The state of health, why, since when (milliseconds, 0: not known), how far behind, and what waits."""

    health: Health
    why: str
    since: int
    lag_seconds: float
    not_applied: int

    @property
    def to_do(self) -> str:
        """What a person does about it."""
        return TO_DO[self.health]


def held_up_to(look: Look) -> int:
    """Return the time up to which the target surely holds everything (milliseconds, 0: nothing)."""
    if look.target is None:
        return 0
    if changes_not_applied(look.source, look.target) == 0:
        return look.source.certain_up_to
    if look.oldest_at:
        return look.oldest_at
    return min(max(look.target.applied_at, look.level_at), look.source.certain_up_to or look.target.applied_at)


def judge(look: Look, limits: Limits, now: int) -> Finding:
    """Say how a mailbox stands at a target."""
    if found := _promoted(look):
        health, why, since = found
        waiting = 0 if health is Health.PROMOTED else changes_not_applied(look.source, look.target)
        return Finding(health=health, why=why, since=since, lag_seconds=0.0, not_applied=waiting)
    waiting = changes_not_applied(look.source, look.target)
    lag_seconds = max(0, now - held_up_to(look)) / 1000 if held_up_to(look) else 0.0
    health, why, since = _cause(look, limits, now, waiting, lag_seconds)
    return Finding(health=health, why=why, since=since, lag_seconds=lag_seconds, not_applied=waiting)


def _cause(look: Look, limits: Limits, now: int, waiting: int, lag_seconds: float) -> tuple[Health, str, int]:
    source, target = look.source, look.target
    stall_ms = int(limits.stall_seconds * 1000)
    is_due = bool(waiting and look.moved_at) and now - look.moved_at - look.hold_seconds * 1000 > stall_ms
    stalled_since = look.moved_at if is_due else 0
    if cause := _not_read(look, stall_ms, now):
        return cause
    if look.target_down:
        why = f"{look.target_down}, {waiting} changes wait" if waiting else look.target_down
        return Health.STALLED, why, stalled_since
    if cause := _stopped(target):
        return cause
    if is_due:
        return Health.STALLED, f"{waiting} changes wait", stalled_since
    if target is None or source.seed_begun or target.seed_begun or not source.certain_up_to:
        return Health.FIRST_COPY, f"{waiting} changes to apply" if waiting else "being read", _copied_since(look)
    return _imperfect(look, limits, waiting, lag_seconds)


def _copied_since(look: Look) -> int:
    times = (look.oldest_at, look.since.get(READING, 0))
    return min((time for time in times if time), default=0)


def _promoted(look: Look) -> tuple[Health, str, int] | None:
    source, target = look.source, look.target
    if look.open_at:
        opened_at = target.opened_at if target else 0
        return Health.PROMOTED, f"open at {look.open_at}", opened_at or source.closed_at
    if source.role == SourceRole.FENCED:
        return Health.PROMOTING, f"fenced, to be opened at {source.opening or 'a target'}", source.closed_at
    return None


def _not_read(look: Look, stall_ms: int, now: int) -> tuple[Health, str, int] | None:
    source = look.source
    if source.paused:
        return Health.PAUSED, source.paused, source.certain_up_to
    if look.source_down:
        why = "; ".join(filter(None, (look.source_down, look.target_down)))
        return Health.NOT_CAPTURED, why, source.certain_up_to
    if source.trouble:
        return Health.NOT_CAPTURED, source.trouble, source.trouble_since
    if source.certain_up_to and now - source.certain_up_to > stall_ms:
        return Health.NOT_CAPTURED, "the source was not read", source.certain_up_to
    return None


def _stopped(target: TargetMailbox | None) -> tuple[Health, str, int] | None:
    if target is None:
        return None
    if target.held:
        return Health.HELD, target.tripped_on or target.paused or target.held, target.tripped_at
    if target.waiting:
        return Health.WAITING, target.waiting, target.looked_at
    if target.behind:
        return Health.BEHIND, target.behind, target.applied_at
    return None


def _imperfect(look: Look, limits: Limits, waiting: int, lag_seconds: float) -> tuple[Health, str, int]:
    different = [f"{number} {kind}" for kind, number in look.divergence.items() if number]
    lacking = [kind for kind in ("parked", "owed", "wanted") if look.counts.get(kind)]
    why = ", ".join(different + [f"{look.counts[kind]} {kind}" for kind in lacking])
    if different:
        return Health.DIVERGENT, why, look.since.get(DIFFERS, 0)
    if lacking:
        times = [look.since[kind] for kind in lacking if look.since.get(kind)]
        return Health.INCOMPLETE, why, min(times, default=0)
    if waiting and lag_seconds - look.hold_seconds > limits.lag_objective_seconds:
        return Health.LATE, f"{waiting} changes to apply", held_up_to(look)
    return Health.PROTECTED, f"{waiting} on their way" if waiting else "", 0


def worst_first(finding: Finding) -> tuple[int, float]:
    """Return a key to sort by: the worst state first, then the longest lag."""
    return list(Health).index(finding.health), -finding.lag_seconds
