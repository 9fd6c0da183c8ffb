from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.lag import lags_seconds, percentile, seconds_text

MAILBOXES = {"a@source": "a@target"}


def entry(
    time: float, kind: str, message_id: str = "<1>", *, at: str = "a@source", folder: str = "inbox"
) -> dict[str, Any]:
    return {"time": time, "kind": kind, "message_id": message_id, "mailbox": at, "folder_id": folder}


def there(time: float, kind: str, message_id: str = "<1>", folder: str = "inbox") -> dict[str, Any]:
    return entry(time, kind, message_id, at="a@target", folder=folder)


def test_a_new_message_arrives_with_the_move_out_of_staging() -> None:
    target = [there(1.5, "create", folder="staging"), there(1.6, "mark", folder="staging"), there(2, "move")]
    assert lags_seconds([entry(1, "create")], target, MAILBOXES, {"staging"}) == [1.0]


@pytest.mark.parametrize(("kind", "arrives"), [("mark", "mark"), ("move", "move"), ("delete", "delete")])
def test_marks_moves_and_deletions_arrive_as_such(kind: str, arrives: str) -> None:
    assert lags_seconds([entry(1, kind)], [there(1.25, arrives)], MAILBOXES, ()) == [0.25]


def test_changes_of_one_message_are_paired_in_order() -> None:
    source = [entry(1, "create"), entry(2, "mark"), entry(3, "mark")]
    target = [there(1.25, "create", folder="staging"), there(1.5, "move"), there(2.25, "mark"), there(3.125, "mark")]
    assert lags_seconds(source, target, MAILBOXES, {"staging"}) == [0.5, 0.25, 0.125]


def test_an_edit_arrives_by_a_new_copy_and_is_not_taken_for_a_move() -> None:
    source = [entry(1, "mark"), entry(1.25, "move")]
    target = [there(1.5, "move"), there(1.625, "create", folder="staging"), there(2, "move")]
    assert lags_seconds(source, target, MAILBOXES, {"staging"}) == [1.0, 0.25]


def test_what_arrived_before_it_was_written_is_no_arrival() -> None:
    assert lags_seconds([entry(5, "mark")], [there(1, "mark")], MAILBOXES, ()) == []


def test_changes_without_a_message_id_are_left_out() -> None:
    assert lags_seconds([entry(1, "create", "")], [there(2, "move", "")], MAILBOXES, ()) == []


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_values_and_ordered(values: list[float]) -> None:
    found = [value for share in (0.0, 0.5, 0.9, 1.0) if (value := percentile(values, share)) is not None]
    assert found == sorted(found)
    assert set(found) <= set(values)
    assert found[-1] == max(values)


def test_no_values_have_no_percentile_and_are_not_told_as_no_lag() -> None:
    assert percentile([], 0.5) is None
    assert seconds_text(None) == "not measured"
    assert seconds_text(0.04) == "0.0 s"
