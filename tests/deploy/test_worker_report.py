"""A service is in one state, and what needs a person comes first."""

import pytest

from deploy.live_registry import LiveRegistry
from deploy.worker_report import REASONS, STATES, report_worker, state_of


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
    registry, lost = LiveRegistry(), dict[str, float]()
    report_worker(registry, "replay", "t", lambda: (True, 0.0), losing=lambda: lost)

    def told(name: str, **labels: str) -> float | None:
        list(registry.collect())
        return registry.get_sample_value(f"mailshadow_worker_{name}", {"role": "replay", "target": "t"} | labels)

    assert [told("losing_seconds", reason=reason) for reason in REASONS] == [0.0, 0.0, 0.0]
    assert told("state", state="losing") == 0
    lost["not acquired"] = 12.0
    assert told("losing_seconds", reason="not acquired") == 12.0
    assert told("state", state="losing") == 1
    lost.clear()
    assert told("losing_seconds", reason="not acquired") == 0.0
