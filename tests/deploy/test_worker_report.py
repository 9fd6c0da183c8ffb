"""A service is in one state, and what needs a person comes first."""

import pytest
from prometheus_client import CollectorRegistry

from deploy.live_registry import LiveRegistry
from deploy.worker_report import STATES, report_worker, state_of


@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("working", {}),
        ("joining", {"is_assigned": False}),
        ("throttled", {"back_off_seconds": 5.0}),
        ("losing", {"losing_seconds": 40.0}),
        ("losing", {"losing_seconds": 40.0, "back_off_seconds": 5.0}),
        ("still", {"still_seconds": 31.0, "losing_seconds": 40.0, "back_off_seconds": 5.0}),
    ],
)
def test_the_state_that_needs_a_person_comes_first(state: str, values: dict[str, float]) -> None:
    well = {"is_assigned": True, "still_seconds": 0.0, "back_off_seconds": 0.0}
    assert state_of(**(well | values)) == state  # type: ignore[arg-type] # names are the function's own
    assert state in STATES


def test_a_partition_that_is_lost_again_and_again_is_told_at_every_scrape() -> None:
    registry, seconds = LiveRegistry(), [0.0]
    report_worker(registry, "replay", "t", lambda: (True, 0.0), losing=lambda: seconds[0])

    def losing() -> float | None:
        list(registry.collect())
        labels = {"role": "replay", "target": "t", "state": "losing"}
        return registry.get_sample_value("mailshadow_worker_state", labels)

    assert isinstance(registry, CollectorRegistry)
    assert losing() == 0
    seconds[0] = 12.0
    assert losing() == 1
