from typing import Any

import pytest

from consumers.dead_letters import DeadLetterLimit, DeadLetterLimitError, DeadLetters
from schemas.change import Change
from schemas.codec import decode
from schemas.metrics import ReplayMetrics


@pytest.fixture
def letters(metrics: ReplayMetrics) -> DeadLetters:
    return DeadLetters("letters", "t", DeadLetterLimit(consecutive_max=3), lambda: 77, metrics)


@pytest.fixture
def change(making: Any) -> Change:
    made: Change = making.change(making.saved(making.ref("a"), b"x"))
    return made


def test_a_letter_holds_the_change_byte_for_byte_and_the_reason(letters: DeadLetters, change: Change) -> None:
    letters.add(change, "a", "ErrorCorruptData", b"as it stood in the log")
    (record,) = letters.drain()
    letter = decode(record.value or b"")
    assert (record.topic, record.key) == ("letters", f"{change.mailbox}/a")
    assert (letter.change, letter.reason, letter.at) == (b"as it stood in the log", "ErrorCorruptData", 77)


def test_a_letter_is_handed_out_once_and_the_same_item_has_one(letters: DeadLetters, change: Change) -> None:
    letters.add(change, "a", "ErrorCorruptData", b"old")
    letters.add(change, "a", "ErrorCorruptData", b"new")
    assert [decode(r.value or b"").change for r in letters.drain()] == [b"new"]
    assert letters.drain() == []


def test_too_many_in_a_row_stop_the_line_and_one_success_begins_a_new_row(letters: DeadLetters, change: Change) -> None:
    for number in range(3):
        letters.add(change, str(number), "ErrorCorruptData", b"")
    letters.applied()
    for number in range(3):
        letters.add(change, str(number), "ErrorCorruptData", b"")
    with pytest.raises(DeadLetterLimitError, match="nothing was skipped"):
        letters.add(change, "3", "ErrorCorruptData", b"")
