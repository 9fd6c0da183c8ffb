"""The table of faults: every row can be drawn, and what is longer than the product's own time-outs is there."""

import pytest

from deploy.kafka import TRANSACTION_TIMEOUT_MS
from deploy.lab.broker.properties import SESSION_TIMEOUT_MS
from deploy.lab.chaos.faults.table import FAULTS, LONG_RUN_MINUTES
from deploy.lab.chaos.service import REQUEST_TIMEOUT_SECONDS


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("minutes", [0.5, LONG_RUN_MINUTES])
def test_every_fault_lasts_for_some_time(kind: str, minutes: float) -> None:
    draw = FAULTS[kind].drawn(minutes)
    assert draw.weight >= 0
    assert 0 < draw.seconds[0] < draw.seconds[1]


@pytest.mark.parametrize(
    "timeout_seconds",
    [SESSION_TIMEOUT_MS / 1000, TRANSACTION_TIMEOUT_MS / 1000, REQUEST_TIMEOUT_SECONDS],
    ids=["session", "transaction", "request"],
)
def test_processes_stand_for_shorter_and_for_longer_than_each_time_out(timeout_seconds: float) -> None:
    assert FAULTS["stop_short"].draw.seconds[0] < timeout_seconds
    assert FAULTS["stop_long"].draw.seconds[1] > timeout_seconds
    assert FAULTS["isolate"].draw.seconds[1] > timeout_seconds
    assert FAULTS["late_request"].draw.seconds[1] > timeout_seconds


def test_a_long_run_delivers_requests_minutes_late() -> None:
    assert FAULTS["late_request"].drawn(LONG_RUN_MINUTES).seconds[1] > 120
