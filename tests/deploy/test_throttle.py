"""A server is asked as hard as it bears: one more at once while it answers, half as many when it says too much."""

import threading
import time

from deploy.throttle import (
    ANSWERED_UNTIL_ONE_MORE,
    BACK_OFF_SECONDS_MAX,
    CALLS_AT_ONCE_FIRST,
    Throttle,
)


def test_a_back_off_lasts_as_long_as_the_longest_asked_for_and_no_longer_than_the_limit() -> None:
    now = 0.0
    throttle = Throttle(8, lambda: now)
    throttle.back_off(10.0)
    throttle.back_off(5.0)
    assert throttle.remaining_seconds() == 10.0
    now = 10.001
    assert throttle.remaining_seconds() == 0.0
    throttle.back_off(1e9)
    assert throttle.remaining_seconds() == BACK_OFF_SECONDS_MAX


def answer(throttle: Throttle, times: int) -> None:
    for _ in range(times):
        throttle.answered()


def test_calls_at_once_grow_by_one_while_the_server_answers_up_to_the_limit() -> None:
    throttle = Throttle(4)
    answer(throttle, ANSWERED_UNTIL_ONE_MORE - 1)
    assert throttle.calls_at_once == CALLS_AT_ONCE_FIRST
    answer(throttle, 1)
    assert throttle.calls_at_once == CALLS_AT_ONCE_FIRST + 1
    answer(throttle, 10 * ANSWERED_UNTIL_ONE_MORE)
    assert throttle.calls_at_once == 4


def test_a_busy_server_is_asked_half_as_hard_once_for_the_calls_that_were_under_way_together() -> None:
    now = 0.0
    throttle = Throttle(8, lambda: now)
    answer(throttle, 10 * ANSWERED_UNTIL_ONE_MORE)
    throttle.back_off(1.0)
    throttle.back_off(1.0)
    assert throttle.calls_at_once == 4
    now = 2.0
    throttle.back_off(1.0)
    assert throttle.calls_at_once == 2
    for n in range(5):
        now = 4.0 + 2 * n
        throttle.back_off(1.0)
    assert throttle.calls_at_once == 1


def test_no_more_calls_are_under_way_at_once_than_allowed() -> None:
    throttle = Throttle(2)
    under_way, most = 0, 0
    lock = threading.Lock()

    def call() -> None:
        nonlocal under_way, most
        with throttle.turn():
            with lock:
                under_way += 1
                most = max(most, under_way)
            time.sleep(0.02)
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert (under_way, most) == (0, 2)
