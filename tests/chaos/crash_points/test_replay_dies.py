"""The replay dies at every boundary between two I/O calls, and a new owner finishes: the target is exact.

The short form strikes some boundaries of some cases, others with another MAILSHADOW_SEED; `make crash-points` all.
"""

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from .ground import IS_FULL, SEED, Ground, SourceLog, chosen, chosen_cases, failing_at

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SENT_AND_UNKNOWN = ("MoveItem after", "UpdateItem after", "DeleteItem after")
CASES: Mapping[str, Mapping[str, Any]] = {
    "first copy": {"story": "items changed", "from_start": True},
    "new items as streams": {"story": "new items"},
    "new items in the portable form": {"story": "new items", "is_portable": True},
    "new content": {"story": "new content"},
    "new content in the portable form": {"story": "new content", "is_portable": True},
    "marks": {"story": "marks"},
    "moves": {"story": "moves"},
    "deletions": {"story": "deletions"},
    "everything that happens to items": {"story": "items changed"},
    "folders made, renamed and moved": {"story": "folders made, renamed and moved"},
    "folders deleted": {"story": "folders deleted"},
    "a seed that does not name what is gone": {"story": "folders deleted", "forgets_index": True},
}


@pytest.mark.parametrize("case", chosen_cases(CASES))
def test_a_replay_that_dies_at_any_boundary_is_finished_exactly_by_the_next(ground: Ground, case: str) -> None:
    options = dict(CASES[case])
    log = SourceLog.tell(ground, options.pop("story"), forgets_index=options.pop("forgets_index", False))
    job = log.new_job(**options)
    undisturbed = ground.forkers.finish(job)
    log.assert_exact(job)
    met = undisturbed.boundaries

    def strike(number: int) -> str:
        job = log.new_job(**options)
        life = ground.forkers.live(replace(job, die_at=number))
        ground.forkers.finish(job)
        with failing_at(number, life):
            log.assert_exact(job)
        return life.at

    print(f"{case}: {ground.strike_all(strike, chosen(len(met)), len(met))}")


def test_a_second_death_while_settling_the_first_leaves_the_target_exact(ground: Ground) -> None:
    log = SourceLog.tell(ground, "items changed")
    met = ground.forkers.finish(log.new_job()).boundaries
    firsts = [n for n, name in enumerate(met) if name in SENT_AND_UNKNOWN]

    for first in firsts if IS_FULL else [firsts[SEED % len(firsts)]]:

        def strike(number: int, first: int = first) -> str:
            job = log.new_job()
            ground.forkers.live(replace(job, die_at=first))
            life = ground.forkers.live(replace(job, counted_from=0, die_at=number))
            ground.forkers.finish(job)
            with failing_at(number, life):
                log.assert_exact(job)
            return life.at

        job = log.new_job()
        ground.forkers.live(replace(job, die_at=first))
        settling = len(ground.forkers.finish(replace(job, counted_from=0)).boundaries)
        done = ground.strike_all(strike, chosen(settling, sparser=1 if IS_FULL else 3), settling)
        print(f"after a death at {met[first]}: {done}")


@pytest.mark.parametrize("death", chosen_cases(["kill", "kill running"]))
def test_a_replay_that_is_killed_from_outside_is_finished_exactly_by_the_next(ground: Ground, death: str) -> None:
    log = SourceLog.tell(ground, "items changed")
    met = ground.forkers.finish(log.new_job()).boundaries

    def strike(number: int) -> str:
        job = log.new_job()
        life = ground.forkers.live(replace(job, die_at=number, death=death))
        ground.forkers.finish(job)
        with failing_at(number, life):
            log.assert_exact(job)
        return "killed" if life.code == -signal.SIGKILL else ""

    print(f"{death}: {ground.strike_all(strike, chosen(len(met), sparser=3), len(met))}")
