"""Tails of several mailboxes are read side by side: bounded, in order, and one that can't be read holds nobody."""

import threading
import time
from collections.abc import Iterator

import pytest

from deploy.promotion.tail import Left, read_at_once
from producers.index import MailboxIndex
from producers.spool import SpoolError
from schemas.ports import AnswerUnknown
from schemas.state import MailboxRecord

NAMES = [f"{number:02d}" for number in range(12)]
FOUND = [Left(kind="ItemSaved", item="a")]


class Indexes:
    """Counts how many were handed out and are not read yet."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._turn = threading.Lock()
        self.unread = 0
        self.unread_max = 0

    def __iter__(self) -> Iterator[MailboxIndex]:
        for name in self._names:
            with self._turn:
                self.unread += 1
                self.unread_max = max(self.unread_max, self.unread)
            yield MailboxIndex(MailboxRecord(mailbox=name))

    def done(self) -> None:
        with self._turn:
            self.unread -= 1


def test_as_many_are_read_at_once_as_may_be_and_no_more_are_in_memory() -> None:
    indexes, together = Indexes(NAMES), threading.Barrier(4)

    def read(index: MailboxIndex) -> list[Left]:
        together.wait(5.0)
        indexes.done()
        return [Left(kind="ItemSaved", item=index.record.mailbox)]

    found = read_at_once(indexes, read, at_once=4)
    assert [left.item for lefts in found.values() for left in lefts] == NAMES
    assert indexes.unread_max == 4


def test_the_order_is_that_of_the_mailboxes_whichever_is_done_first() -> None:
    def read(index: MailboxIndex) -> list[Left]:
        time.sleep(0.03 if index.record.mailbox in NAMES[::2] else 0.0)
        return FOUND

    assert list(read_at_once(Indexes(NAMES), read)) == NAMES


def test_a_mailbox_that_is_not_answered_is_left_out_and_nothing_else_is() -> None:
    def read(index: MailboxIndex) -> list[Left]:
        if index.record.mailbox == NAMES[3]:
            raise AnswerUnknown("timed-out", "no answer")
        return []

    assert read_at_once(Indexes(NAMES), read) == {name: [] for name in NAMES if name != NAMES[3]}


def test_what_is_no_matter_of_one_mailbox_ends_all_before_the_rest_is_read() -> None:
    begun: list[str] = []

    def read(index: MailboxIndex) -> list[Left]:
        begun.append(index.record.mailbox)
        raise SpoolError("the disk is full")

    with pytest.raises(SpoolError):
        read_at_once(Indexes(NAMES), read, at_once=2)
    assert len(begun) < len(NAMES)
