"""The window of the deletion breaker, as a table and as a property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.breaker import BreakerLimit, Window

LIMIT = BreakerLimit(deletions_max=3, share_max=0.5, window_seconds=10)


@pytest.mark.parametrize(
    ("deletions", "items", "exceeds"),
    [(3, 4, False), (4, 4, True), (4, 8, False), (4, 7, True), (0, 0, False), (100, 1000, False), (501, 1000, True)],
)
def test_both_the_count_and_the_share_have_to_be_passed(deletions: int, items: int, *, exceeds: bool) -> None:
    assert Window(deletions, 0).exceeds(LIMIT, items) is exceeds


def test_no_count_means_no_breaker_and_no_share_means_any() -> None:
    assert not Window(1_000, 0).exceeds(BreakerLimit(deletions_max=0), 1)
    assert Window(4, 0).exceeds(BreakerLimit(deletions_max=3, share_max=0), 1_000_000)


def test_a_window_begins_at_its_first_deletion_and_ends_by_the_clock_of_the_log() -> None:
    window = Window().counting(5_000, LIMIT).counting(14_999, LIMIT)
    assert window == Window(2, 5_000)
    assert window.counting(15_000, LIMIT) == Window(1, 15_000)


@given(st.lists(st.integers(0, 60_000)).map(sorted))
def test_never_more_than_twice_the_limit_passes_within_the_length_of_a_window(times: list[int]) -> None:
    window, passed = Window(), []
    for at in times:
        following = window.counting(at, LIMIT)
        if not following.exceeds(LIMIT, 0):
            window = following
            passed.append(at)
    for at in passed:
        assert sum(at <= other < at + 10_000 for other in passed) <= 2 * LIMIT.deletions_max
