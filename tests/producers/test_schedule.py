from producers.capture import Dirt
from producers.schedule import FAILURE_SECONDS_MAX, Turn


def test_a_new_mailbox_is_due_at_once_with_its_hierarchy() -> None:
    turn = Turn()
    assert turn.is_due(0, None)
    assert turn.begin(0, 30.0) == Dirt(frozenset(), is_hierarchy_dirty=True)


def test_a_mailbox_is_due_again_when_the_timer_ends_and_not_before() -> None:
    turn = Turn()
    turn.begin(0, 30.0)
    assert not turn.is_due(29_999, None)
    assert turn.is_due(30_000, None)


def test_a_ring_makes_it_due_and_names_the_folders_once() -> None:
    turn = Turn()
    turn.begin(0, 30.0)
    turn.ring({"a"}, hierarchy=False)
    turn.ring({"b"}, hierarchy=False)
    assert turn.is_due(1, None)
    assert turn.begin(1, 30.0) == Dirt(frozenset({"a", "b"}), is_hierarchy_dirty=False)
    assert not turn.is_due(2, None)


def test_rings_for_folders_never_put_off_the_timer_of_the_hierarchy() -> None:
    turn, read_at = Turn(), []
    for now in range(0, 100_000, 1_000):
        turn.ring({"a"}, hierarchy=False)
        assert turn.is_due(now, None)
        if turn.begin(now, 30.0).is_hierarchy_dirty:
            read_at.append(now)
    assert read_at == [0, 30_000, 60_000, 90_000]


def test_an_owed_item_makes_it_due_at_its_time() -> None:
    turn = Turn()
    turn.begin(0, 30.0)
    assert not turn.is_due(999, 1000)
    assert turn.is_due(1000, 1000)


def test_a_failure_holds_even_a_ring_for_as_long_as_the_server_said() -> None:
    turn = Turn()
    turn.begin(0, 30.0)
    turn.fail(0, 20.0)
    turn.ring(set(), hierarchy=True)
    assert not turn.is_due(19_999, 0)
    assert turn.is_due(20_000, None)


def test_after_a_failure_everything_is_read_again() -> None:
    turn = Turn()
    turn.begin(0, 30.0)
    turn.fail(0, 0.0)
    assert turn.is_due(turn.not_before, None)
    assert turn.begin(turn.not_before, 30.0).is_hierarchy_dirty


def test_failures_wait_longer_each_time_up_to_a_limit_and_success_forgets_them() -> None:
    turn, waits = Turn(), []
    for _ in range(20):
        turn.fail(0, 0.0)
        waits.append(turn.not_before)
    assert waits == sorted(waits)
    assert waits[-1] == FAILURE_SECONDS_MAX * 1000
    turn.succeed()
    turn.fail(0, 0.0)
    assert turn.not_before == waits[0]
