from typing import Any

import pytest

from consumers.dead_letters import DeadLetterLimit, DeadLetterLimitError, DeadLetters
from consumers.subscription import Received
from schemas.codec import decode
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.state import TargetMailbox

NOW_MS = 7_200_000
HELD = ReplicationFault.DEAD_LETTER_LIMIT


@pytest.fixture
def letters(metrics: ReplayMetrics) -> DeadLetters:
    limit = DeadLetterLimit(consecutive_max=3, share_max=0.5, window_changes=8, mailboxes_max=2)
    return DeadLetters("letters", "t", limit, lambda: NOW_MS, metrics)


@pytest.fixture
def received(making: Any) -> Received:
    change = making.change(making.saved(making.ref("a"), b"x"))
    return Received(change, 7, b"as it stood in the log", {}, 0, 5)


def test_a_letter_holds_the_change_byte_for_byte_where_it_begins_and_why(
    letters: DeadLetters, received: Received
) -> None:
    letters.add(received, "a", "ErrorCorruptData", "the server's words")
    (record,) = letters.drain()
    letter = decode(record.value or b"")
    assert (record.topic, record.key) == ("letters", f"{received.change.mailbox}/a")
    assert (letter.change, letter.offset) == (b"as it stood in the log", 5)
    assert (letter.reason, letter.detail, letter.at) == ("ErrorCorruptData", "the server's words", NOW_MS)


def test_a_letter_is_handed_out_once_and_the_same_item_has_one(letters: DeadLetters, received: Received) -> None:
    letters.add(received, "a", "ErrorCorruptData")
    letters.add(received, "a", "ErrorQuotaExceeded")
    assert [decode(r.value or b"").reason for r in letters.drain()] == ["ErrorQuotaExceeded"]
    assert letters.drain() == []


@pytest.mark.parametrize(
    ("before", "next_ones", "is_counted"),
    [
        ("", "ppp", False),
        ("", "pppp", True),
        ("pp", "pp", True),
        ("ppp", "", False),
        ("ppp", "ap", False),
        ("ppap", "app", False),
        ("papapapp", "a", False),
        ("papapapp", "p", True),
        ("papapa", "p", False),
    ],
)
def test_a_mailbox_passes_the_limit_by_a_row_or_by_its_share_of_a_full_window(
    letters: DeadLetters, received: Received, before: str, next_ones: str, *, is_counted: bool
) -> None:
    mailbox = received.change.mailbox
    for one in before:
        letters.add(received, "a", "ErrorCorruptData") if one == "p" else letters.applied(mailbox)
    assert bool(letters.weigh(mailbox, [one == "p" for one in next_ones])) is is_counted


def test_a_healthy_mailbox_does_not_end_the_row_of_another(letters: DeadLetters, received: Received) -> None:
    for _ in range(3):
        letters.add(received, "a", "ErrorCorruptData")
        letters.applied("other")
    assert "4 changes in a row" in letters.weigh(received.change.mailbox, [True])
    assert letters.weigh("other", [True]) == ""


@pytest.mark.parametrize(("hours_ago", "stops"), [([0, 0], False), ([0, 0, 0], True), ([0, 0, 2], False)])
def test_several_mailboxes_at_once_stop_the_line(letters: DeadLetters, hours_ago: list[int], *, stops: bool) -> None:
    times = [NOW_MS - 3_600_000 * hours for hours in hours_ago]
    held = [TargetMailbox(mailbox=str(n), tripped=HELD, tripped_at=at) for n, at in enumerate(times)]
    others = [TargetMailbox(mailbox="x"), TargetMailbox(mailbox="y", tripped="deletion-breaker", tripped_at=NOW_MS)]
    if stops:
        with pytest.raises(DeadLetterLimitError, match="nothing was skipped"):
            letters.require_few_held(held + others)
    else:
        letters.require_few_held(held + others)
