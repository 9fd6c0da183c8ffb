"""The one transaction of a partition: what goes with it, in which order, and what counts as committed."""

from types import SimpleNamespace
from typing import Any

import pytest

from consumers.ledger import Ledger
from consumers.orders import OrderBook
from consumers.progress import OWNED_MS, Progress
from schemas.codec import encode
from schemas.ports import Incoming, Outgoing, PartitionLost
from schemas.state import TargetMailbox
from schemas.topics import OWNER_KEY


class Letters:
    """Something else whose records wait."""

    def __init__(self, *records: Outgoing) -> None:
        self._records = list(records)

    def drain(self) -> list[Outgoing]:
        drained, self._records = self._records, []
        return drained


class Time:
    def __init__(self) -> None:
        self.now_ms = 5_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def progress(owned: Any, ledger: Ledger, clock: Time) -> Progress:
    made = Progress(owned, "changes", "state", clock)
    made.write(ledger, Letters(Outgoing("letters", "m", b"why")))
    made.begin(10, 10)
    return made


def test_records_letters_and_the_position_are_one_transaction(progress: Progress, ledger: Ledger, owned: Any) -> None:
    ledger.put_mailbox(TargetMailbox(mailbox="m"))
    progress.complete = 12
    progress.commit()
    assert [r.value for r in owned.written] == [encode(TargetMailbox(mailbox="m")), b"why"]
    assert owned.positions == {"changes": 12}
    assert progress.committed == 12
    assert not ledger.is_dirty


def test_the_ledger_is_drained_first_so_that_what_its_records_tell_of_is_there(
    owned: Any, ledger: Ledger, clock: Time
) -> None:
    class Lane(Letters):
        """Another mailbox's lane puts a record while the commit is made, after its letter."""

        def drain(self) -> list[Outgoing]:
            ledger.put_mailbox(TargetMailbox(mailbox="beside"))
            return super().drain()

    progress = Progress(owned, "changes", "state", clock)
    progress.write(ledger, Lane(Outgoing("letters", "beside", b"why")))
    progress.begin(10, 10)
    progress.commit()
    assert [r.value for r in owned.written] == [b"why"]
    assert ledger.is_dirty


def test_the_orders_position_is_committed_with_what_they_did(progress: Progress, owned: Any, clock: Time) -> None:
    reader: Any = SimpleNamespace(position=3, read=lambda _count, _seconds: [Incoming(6, 0, "m", None)])
    book = OrderBook(reader, "orders", clock)
    progress.keep(book)
    reader.position = 7
    assert book.next() is None
    progress.commit()
    assert owned.positions == {"orders": 7}
    assert book.positions == {}


def test_nothing_new_is_no_transaction(progress: Progress, owned: Any) -> None:
    progress.commit()
    owned.hook = _lose
    progress.commit()
    assert progress.committed == 10


def test_what_a_lost_transaction_held_is_not_committed(progress: Progress, ledger: Ledger, owned: Any) -> None:
    ledger.put_mailbox(TargetMailbox(mailbox="m"))
    progress.complete = 12
    owned.hook = _lose
    with pytest.raises(PartitionLost):
        progress.commit()
    assert progress.committed == 10
    assert ledger.is_dirty


@pytest.mark.parametrize(("passed_ms", "marks"), [(0, 0), (OWNED_MS, 0), (OWNED_MS + 1, 1), (-1, 1)])
def test_a_commit_proves_the_ownership_for_a_second_and_no_clock_that_turns_back_lengthens_it(
    progress: Progress, owned: Any, clock: Time, passed_ms: int, marks: int
) -> None:
    def take_long(_call: str, moment: str) -> None:
        clock.now_ms += passed_ms if moment == "before" else 0

    owned.hook = take_long
    progress.commit()  # what counts is when it began
    owned.hook = lambda _call, _moment: None
    owned.written.clear()
    progress.prove_owned()
    assert owned.written == [Outgoing("state", OWNER_KEY, None)] * marks


def _lose(_call: str, _moment: str) -> None:
    raise PartitionLost
