from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.sync_states import ITEMS, SyncState, read_state

NUMBERS = st.integers(0, 2**60)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 3))
def test_states_come_back(scope: int, low: int, high: int, place: int, phase: int) -> None:
    state = SyncState(ITEMS, scope, 1, low, high, 7, phase, place)
    assert read_state(state.text(), ITEMS, scope, 1, 7) == state


def test_an_empty_state_is_the_beginning() -> None:
    for text in (None, ""):
        state = read_state(text, ITEMS, 5, 1, 7)
        assert (state.low, state.high, state.resting) == (0, 0, True)


def test_a_pass_begins_once_and_ends_where_it_reached() -> None:
    state = read_state(None, ITEMS, 5, 1, 7).begin(10)
    assert (state.low, state.high, state.place) == (0, 10, 10)
    assert state.begin(20) == state
    assert (state.end().low, state.end().resting) == (10, True)


def test_a_state_of_elsewhere_or_changed_is_refused() -> None:
    text = SyncState(ITEMS, 5, 1, 0, 0, 7).text()
    foreign = [(2, 5, 1, 7), (ITEMS, 6, 1, 7), (ITEMS, 5, 2, 7), (ITEMS, 5, 1, 8)]
    for kind, scope, epoch, server in foreign:
        with pytest.raises(EwsError, match="ErrorInvalidSyncStateData"):
            read_state(text, kind, scope, epoch, server)
    for changed in ("x", text[:-4], "A" + text[1:], replace(read_state(text, ITEMS, 5, 1, 7)).text().lower()):
        with pytest.raises(EwsError, match="ErrorInvalidSyncStateData"):
            read_state(changed, ITEMS, 5, 1, 7)
