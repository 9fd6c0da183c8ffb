import pytest

from schemas.backlog import changes_not_applied, is_level
from schemas.state import MailboxRecord, TargetMailbox


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((1, 11), (1, 10), 0),
        ((1, 11), (1, 4), 6),
        ((3, 8), (2, 90), 7),  # a new generation says everything anew
        ((1, 8), (0, 0), 7),
        ((1, 1), (1, 0), 0),
        ((1, 5), (1, 9), 0),
    ],
)
def test_what_is_captured_and_not_applied_is_never_negative(
    source: tuple[int, int], target: tuple[int, int], expected: int
) -> None:
    record = MailboxRecord(mailbox="m", generation=source[0], next_sequence=source[1])
    at = TargetMailbox(mailbox="m", generation=target[0], applied_sequence=target[1])
    assert changes_not_applied(record, at) == expected
    assert is_level(record, at) == (expected == 0 and source[0] == target[0])


def test_a_target_that_has_not_begun_lacks_everything() -> None:
    record = MailboxRecord(mailbox="m", generation=1, next_sequence=4)
    assert changes_not_applied(record, None) == 3
    assert not is_level(record, None)
