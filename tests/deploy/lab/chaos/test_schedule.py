"""Faults are drawn from a seed: the same seed, the same faults."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.chaos.schedule import Draw, plan

DRAWS = {"kill": Draw(weight=9, seconds=(0.1, 4.0)), "cut": Draw(weight=1, seconds=(8.0, 22.0))}


@given(seed=st.integers(0, 1000), seconds=st.floats(2.0, 300.0))
def test_no_fault_begins_after_the_run_or_outlasts_it(seed: int, seconds: float) -> None:
    faults = plan(seed, seconds, DRAWS)
    assert faults
    for fault in faults:
        assert 0 < fault.at_seconds < seconds
        assert fault.lasts_seconds > 0
        assert fault.at_seconds + fault.lasts_seconds <= seconds * (1 + 1e-9)


@given(seed=st.integers(0, 1000))
def test_the_same_seed_draws_the_same_faults_and_every_kind_comes(seed: int) -> None:
    faults = plan(seed, 60.0, DRAWS)
    assert faults == plan(seed, 60.0, dict(reversed(DRAWS.items())))
    assert {fault.kind for fault in faults} == set(DRAWS)
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))


def test_another_seed_draws_others() -> None:
    assert plan(1, 60.0, DRAWS) != plan(2, 60.0, DRAWS)


def test_a_kind_with_a_larger_share_comes_more_often() -> None:
    kinds = [fault.kind for fault in plan(5, 3000.0, DRAWS)]
    assert kinds.count("kill") > 4 * kinds.count("cut")
