"""What was read from the state topics at once, as looks to be judged."""

from collections.abc import Mapping

from deploy.observation.fleet import Judged
from deploy.observation.health import Limits, Look, judge, worst_first
from deploy.pipeline_state import PipelineState, TargetStanding
from schemas.roles import users_work_at


def look_at(state: PipelineState, target: str, mailbox: str, hold_seconds: float = 0.0) -> Look:
    """Return how a mailbox stands at a target; whether it moves can't be told from one reading."""
    source, at = state.sources[mailbox], state.targets.get(target, {}).get(mailbox)
    counts = {"owed": source.owed, "pending": source.pending}
    missing = set(source.missing)
    if at:
        missing |= at.missing.union(at.record.unsettled)
        counts |= {"parked": len(at.parked), "dropped": len(at.dropped), "orphan": len(at.orphans)}
        counts |= {"wanted": at.wanted, "unsettled": len(at.record.unsettled)}
    return Look(
        source=source.record,
        target=at.record if at else None,
        counts=counts,
        missing=len(missing),
        divergence=at.divergence if at else {},
        hold_seconds=hold_seconds,
        open_at=next((t for t, known in state.targets.items() if _is_open(known.get(mailbox))), ""),
    )


def _is_open(standing: TargetStanding | None) -> bool:
    return standing is not None and users_work_at(standing.record)


def judge_all(
    state: PipelineState, hold_seconds: Mapping[str, float], limits: Limits, now: int
) -> dict[str, list[Judged]]:
    """Return every mailbox with its finding by target, the worst first."""
    found: dict[str, list[Judged]] = {}
    for target, seconds in hold_seconds.items():
        looks = [look_at(state, target, mailbox, seconds) for mailbox in state.sources]
        rows = [(look, judge(look, limits, now)) for look in looks]
        found[target] = sorted(rows, key=lambda one: worst_first(one[1]))
    return found
