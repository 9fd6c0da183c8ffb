from producers.notice import Notice


def test_the_first_ring_since_the_last_round_counts() -> None:
    notice = Notice()
    notice.begin(1_000)
    notice.hear(5_000)
    notice.hear(6_000)
    assert notice.waited_seconds(7_000) == 2.0


def test_without_a_ring_a_change_waited_at_most_since_the_last_certain_reading() -> None:
    notice = Notice()
    notice.begin(4_000)
    assert notice.waited_seconds(7_000) == 3.0


def test_a_ring_while_a_round_runs_belongs_to_the_next_one() -> None:
    notice = Notice()
    notice.hear(1_000)
    notice.end(5_000, is_rung=True)
    assert notice.waited_seconds(6_000) == 1.0
    notice.end(6_000, is_rung=False)
    notice.begin(6_000)
    assert notice.waited_seconds(6_500) == 0.5


def test_a_first_reading_and_a_clock_set_back_wait_for_nothing() -> None:
    assert Notice().waited_seconds(9_000) == 0.0
    notice = Notice()
    notice.hear(9_000)
    assert notice.waited_seconds(8_000) == 0.0
