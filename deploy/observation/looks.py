"""What was read from the state topics at once, as looks to be judged."""

from collections.abc import Mapping

from deploy.observation.fleet import Judged
from deploy.observation.health import DIFFERS, READING, Limits, Look, judge, worst_first
from deploy.observation.services import Services
from deploy.pipeline_state import PipelineState, SourceStanding, TargetStanding
from schemas.backlog import changes_not_applied
from schemas.roles import users_work_at


def look_at(state: PipelineState, target: str, mailbox: str, hold_seconds: float = 0.0) -> Look:
    """Return how a mailbox stands at a target; it moved last when its record there was written last."""
    source, at = state.sources[mailbox], state.targets.get(target, {}).get(mailbox)
    counts = {"owed": source.owed, "pending": source.pending}
    missing = set(source.missing)
    if at:
        missing |= at.missing.union(at.record.unsettled)
        counts |= {"parked": len(at.parked), "dropped": len(at.dropped), "orphan": len(at.orphans)}
        counts |= {"wanted": at.wanted, "unsettled": len(at.record.unsettled)}
    oldest_at = state.oldest_at.get((target, mailbox), 0)
    return Look(
        source=source.record,
        target=at.record if at else None,
        counts=counts,
        missing=len(missing),
        divergence=at.divergence if at else {},
        hold_seconds=hold_seconds,
        moved_at=_moved_at(state, target, mailbox, oldest_at),
        open_at=next((t for t, standings in state.targets.items() if _is_open(standings.get(mailbox))), ""),
        oldest_at=oldest_at,
        since=_since(source, at),
    )


def _moved_at(state: PipelineState, target: str, mailbox: str, oldest_at: int) -> int:
    """Return since when nothing moved, 0 where nothing waits.

    A mailbox that the target never had waits for its turn as long as the target takes changes of others.
    """
    if not oldest_at:
        return 0
    standings = state.targets.get(target, {})
    at = standings.get(mailbox)
    moves = [at.written_at] if at else [other.written_at for other in standings.values()]
    return max(oldest_at, *moves, 0)


def _since(source: SourceStanding, at: TargetStanding | None) -> dict[str, int]:
    since = {"owed": source.owed_since}
    if not source.record.certain_up_to:
        since[READING] = source.first_at
    if at:
        since |= at.since | {DIFFERS: at.differs_since}
    return since


def _is_open(standing: TargetStanding | None) -> bool:
    return standing is not None and users_work_at(standing.record)


def judge_all(
    state: PipelineState, hold_seconds: Mapping[str, float], limits: Limits, now: int, services: Services | None = None
) -> dict[str, list[Judged]]:
    """Return every mailbox with its finding by target, the worst first; `services` says which of them run."""
    services = services or Services()
    judged_by_target: dict[str, list[Judged]] = {}
    for target, seconds in hold_seconds.items():
        looks = [services.with_services(look_at(state, target, mailbox, seconds), target) for mailbox in state.sources]
        rows = [(look, judge(look, limits, now)) for look in looks]
        judged_by_target[target] = sorted(rows, key=lambda row: worst_first(row[1]))
    return judged_by_target


def lag_at(look: Look, now: int) -> float:
    """Return for how long the oldest change that a target lacks is in the log, in seconds; 0 where it lacks none."""
    if look.open_at or not changes_not_applied(look.source, look.target):
        return 0.0
    since = look.oldest_at or (look.target.applied_at if look.target else 0)
    return max(0.0, (now - since) / 1000) if since else 0.0
