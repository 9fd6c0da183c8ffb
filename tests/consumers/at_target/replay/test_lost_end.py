"""The end of the log is lost: no later change tells of it, and the target must not be called level all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from consumers import replayer
from schemas.codec import encode
from schemas.ports import Incoming, PartitionLost
from schemas.state import MailboxRecord

REASON = "lost end of the log"


def feed_says(world: Any, *sources: Any) -> None:
    """Write the record in which a feed says how far it captured."""
    records = [MailboxRecord(mailbox=s.mailbox, generation=1, next_sequence=s.sequence + 1) for s in sources]
    world.owned.logs[world.topics.mailboxes] = [
        Incoming(number, 0, record.mailbox, encode(record)) for number, record in enumerate(records)
    ]


@pytest.fixture
def filled(new_world: Callable[..., Any]) -> Any:
    world = new_world()
    world.rests = 20  # of two seconds each
    return world


def test_captured_changes_that_the_log_does_not_hold_any_more_order_a_seed(filled: Any) -> None:
    source = filled.source()
    source.save("a", b"first")
    filled.replay()
    source.lose()
    feed_says(filled, source)
    filled.replay()
    assert filled.mailbox_record().waiting == REASON
    assert filled.orders() == [("SEED", ())]
    source.save("b", b"second")
    source.seed()
    filled.replay()
    filled.assert_exact(source, orders=True)


def test_a_mailbox_whose_whole_log_is_lost_is_seeded(filled: Any) -> None:
    source = filled.source()
    filled.log.clear()
    feed_says(filled, source)
    filled.replay()
    assert filled.mailbox_record().waiting == REASON


def test_a_target_that_is_level_orders_nothing(filled: Any) -> None:
    source = filled.source()
    source.save("a", b"first")
    feed_says(filled, source)
    filled.replay()
    filled.replay()
    filled.assert_exact(source)


def test_what_was_captured_while_it_was_looked_at_is_not_taken_for_lost(filled: Any) -> None:
    source = filled.source()
    filled.replay()
    source.save("a", b"first")
    feed_says(filled, source)
    late, filled.log[:] = filled.log[-1:], filled.log[:-1]

    class Records(list[Incoming]):
        def __iter__(self) -> Iterator[Incoming]:
            filled.log.extend(late)  # the mark of the transaction came to the log last
            late.clear()
            return super().__iter__()

    filled.owned.logs[filled.topics.mailboxes] = Records(filled.owned.logs[filled.topics.mailboxes])
    filled.replay()
    assert not late
    assert filled.mailbox_record().waiting == ""
    filled.assert_exact(source)


@pytest.mark.parametrize("why", [{"paused": "operator"}, {"role": "OPEN"}])
def test_a_mailbox_that_is_not_applied_to_on_purpose_is_not_taken_for_one_that_lost(filled: Any, why: Any) -> None:
    source = filled.source()
    source.save("a", b"first")
    filled.replay()
    key = (filled.topics.target_state("t"), source.mailbox)
    filled.owned.state[key] = encode(replace(filled.mailbox_record(), **why))
    source.lose()
    feed_says(filled, source)
    filled.replay()
    assert filled.orders() == []


def test_a_replay_that_may_not_read_the_feed_s_records_goes_on(filled: Any) -> None:
    source = filled.source()
    source.save("a", b"first")

    class Refused(list[Incoming]):
        def __iter__(self) -> Iterator[Incoming]:
            raise PartitionLost("not authorized")

    filled.owned.logs[filled.topics.mailboxes] = Refused()
    filled.replay()
    assert filled.mailbox_record().applied.sequence == source.sequence


def test_a_mailbox_that_the_rest_of_the_log_still_names_lost_nothing(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = filled.source()
    filled.replay()
    source.save("a", b"first")
    feed_says(filled, source)
    monkeypatch.setattr(replayer, "named_in", lambda _log: {source.mailbox})
    late, filled.log[:] = filled.log[-1:], filled.log[:-1]
    filled.replay()
    assert filled.mailbox_record().waiting == ""
    filled.log.extend(late)
    filled.replay()
    filled.assert_exact(source)
