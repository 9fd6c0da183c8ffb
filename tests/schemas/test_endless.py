from __future__ import annotations

import pytest

from schemas.endless import CURSORS_LOST_MAX, PAGES_WITHOUT_NEWS_MAX, ReadingBounds
from schemas.faults import ReplicationFault
from schemas.ports import CallRefused


def test_pages_that_name_something_new_may_go_on_for_ever() -> None:
    bounds = ReadingBounds()
    for number in range(100 * PAGES_WITHOUT_NEWS_MAX):
        bounds.take_page([f"item-{number}"], is_last=False)


@pytest.mark.parametrize("ids", [[], ["the same"]], ids=["empty", "repeated"])
def test_pages_without_news_end_the_reading(ids: list[str]) -> None:
    bounds = ReadingBounds()
    bounds.take_page(["the same"], is_last=False)
    for _ in range(PAGES_WITHOUT_NEWS_MAX - 1):
        bounds.take_page(ids, is_last=False)
    with pytest.raises(CallRefused, match=ReplicationFault.ENDLESS_ANSWER):
        bounds.take_page(ids, is_last=False)


def test_the_last_page_may_be_empty_after_many_others() -> None:
    bounds = ReadingBounds()
    for _ in range(PAGES_WITHOUT_NEWS_MAX - 1):
        bounds.take_page([], is_last=False)
    bounds.take_page([], is_last=True)


def test_the_empty_cursor_can_be_refused_once() -> None:
    with pytest.raises(CallRefused, match="ErrorInvalidSyncStateData"):
        ReadingBounds().lose_cursor("")


def test_other_cursors_can_be_lost_a_few_times() -> None:
    bounds = ReadingBounds()
    for number in range(1, CURSORS_LOST_MAX):
        bounds.lose_cursor(f"cursor-{number}")
    with pytest.raises(CallRefused, match="ErrorInvalidSyncStateData"):
        bounds.lose_cursor("one more")
