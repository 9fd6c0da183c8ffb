"""The replay dies at every boundary between two I/O calls, and a new owner finishes: the target is exact.

The short form strikes every ninth boundary, beginning with MAILSHADOW_SEED; `make crash-points` strikes all.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from .ground import Ground, SourceLog, chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

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


@pytest.mark.parametrize("case", CASES)
def test_a_replay_that_dies_at_any_boundary_is_finished_exactly_by_the_next(ground: Ground, case: str) -> None:
    options = dict(CASES[case])
    log = SourceLog.tell(ground, options.pop("story"), forgets_index=options.pop("forgets_index", False))
    job = log.new_job(**options)
    undisturbed = ground.forkers.live(job)
    log.assert_exact(job)
    met = undisturbed.boundaries

    def strike(number: int) -> str:
        job = log.new_job(**options)
        life = ground.forkers.live(replace(job, die_at=number))
        try:
            ground.forkers.live(job)
            log.assert_exact(job)
        except AssertionError as error:
            error.add_note(f"died at boundary {number}: {life.at or 'not at all'}")
            raise
        return life.at

    print(f"{case}: {ground.strike_all(strike, chosen(len(met)), len(met))}")
