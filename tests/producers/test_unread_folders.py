from __future__ import annotations

from producers.unread_folders import LASTING_ATTEMPTS, RETRY_SECONDS_MAX, UnreadFolders

NOW = 1_000_000


def test_a_folder_waits_longer_with_every_failure_and_never_longer_than_the_limit() -> None:
    unread = UnreadFolders()
    waits: list[int] = []
    for _ in range(20):
        unread.refuse("a", "reset", NOW)
        due_at = unread.next_due_at()
        assert due_at
        waits.append(due_at - NOW)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1_000, RETRY_SECONDS_MAX * 1_000)


def test_a_folder_is_set_aside_until_it_is_due_or_read() -> None:
    unread = UnreadFolders()
    unread.refuse("a", "reset", NOW)
    assert unread.is_set_aside("a", NOW)
    assert not unread.is_set_aside("a", NOW + 1_000)
    assert not unread.is_set_aside("b", NOW)
    unread.read("a")
    assert (len(unread), unread.next_due_at(), unread.attempts("a")) == (0, None, 0)


def test_one_refused_for_the_first_time_may_be_due_at_once() -> None:
    unread = UnreadFolders()
    unread.refuse("a", "ErrorItemNotFound", NOW, at_once=True)
    assert not unread.is_set_aside("a", NOW)
    assert unread.folder_ids == {"a"}


def test_only_what_lasts_is_told_with_each_code_once() -> None:
    unread = UnreadFolders()
    for attempt in range(LASTING_ATTEMPTS):
        assert unread.reason() == "", attempt
        unread.refuse("a", "reset", NOW)
    assert unread.reason() == "1 folder not read: reset"
    for folder_id in "bc" * LASTING_ATTEMPTS:
        unread.refuse(folder_id, "endless-answer", NOW)
    assert unread.reason() == "3 folders not read: endless-answer, reset"


def test_folders_that_are_gone_are_forgotten() -> None:
    unread = UnreadFolders()
    unread.refuse("a", "reset", NOW)
    unread.refuse("b", "reset", NOW)
    unread.keep_only({"b"})
    assert "a" not in unread
    assert "b" in unread
