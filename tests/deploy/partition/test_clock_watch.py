"""A clock that jumps is seen at the next look, whatever time passed between two."""

import pytest

from deploy.partition.clock_watch import JUMP_MS, ClockWatch


class Clocks:
    def __init__(self) -> None:
        self.wall_ms = 1_700_000_000_000
        self.steady_seconds = 50.0

    def wall(self) -> int:
        return self.wall_ms

    def steady(self) -> float:
        return self.steady_seconds

    def go_on(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.steady_seconds += seconds


@pytest.mark.parametrize("seconds", [0.01, 60.0, 86_400.0])
def test_time_that_passes_is_no_jump(seconds: float) -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.wall, clocks.steady)
    clocks.go_on(seconds)
    assert not watch.has_jumped()


@pytest.mark.parametrize("jump_ms", [JUMP_MS, -JUMP_MS, 3_600_000, -3_600_000])
def test_a_jump_is_seen_and_stays_seen(jump_ms: int) -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.wall, clocks.steady)
    clocks.go_on(30.0)
    clocks.wall_ms += jump_ms
    assert watch.has_jumped()
    clocks.wall_ms -= jump_ms
    assert watch.has_jumped()
    assert watch.jumped_ms == jump_ms


def test_a_clock_that_is_slewed_for_weeks_does_not_jump() -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.wall, clocks.steady)
    for _ in range(10_000):
        clocks.go_on(0.5)
        clocks.wall_ms += 1
        assert not watch.has_jumped()
