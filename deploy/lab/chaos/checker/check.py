"""The rules, and `check`: from the evidence of a run to everything that must not be in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from deploy.lab.chaos.checker import figures_told, outcome, permits, records, sightings
from deploy.lab.chaos.checker.case import Case
from deploy.lab.chaos.checker.story import story_of
from deploy.lab.chaos.evidence import Anomaly, Evidence

Rule = Callable[[Case], Iterator[Anomaly]]

ALWAYS: Final[tuple[Rule, ...]] = (
    records.records_are_whole,
    records.sequences_are_dense,
    records.deletions_are_true,
    permits.source_is_only_read,
    permits.writes_have_permits,
    sightings.items_never_go_backwards,
    sightings.nothing_vanishes_or_comes_twice,
    outcome.truth_is_in_the_history,
    outcome.run_recovers,
)
"""What holds at every moment."""

AT_REST: Final[tuple[Rule, ...]] = (
    records.index_equals_log,
    outcome.ends_equal,
    outcome.ledger_tells_the_truth,
    outcome.parked_items_have_a_cause,
    figures_told.positions_equal_the_log,
    figures_told.status_equals_the_log,
)
"""What holds once changes stopped and faults healed; a mailbox that never came to rest is not judged by it."""

STORIES_MAX: Final = 20
SLOWNESS: Final = frozenset({"not-level", "slow-recovery"})
"""Rules that say no more than that something took too long."""


def check(evidence: Evidence) -> list[Anomaly]:
    """Return every anomaly of a run; the first ones tell the story of their item."""
    case = Case(evidence)
    found = list(dict.fromkeys(anomaly for rule in ALWAYS + AT_REST for anomaly in rule(case)))
    told = [replace(a, story=tuple(story_of(case, a.mailbox, a.item))) for a in found[:STORIES_MAX] if a.item]
    stories = {(a.rule, a.mailbox, a.item, a.detail): a for a in told}
    return [stories.get((a.rule, a.mailbox, a.item, a.detail), a) for a in found]
