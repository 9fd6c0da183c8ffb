"""What the other direction left is handed out only when both its ends rest at one barrier, by the promotion asked."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion.opposite import Opposite, has_ended
from schemas.change import Version
from schemas.codec import encode
from schemas.ports import Incoming
from schemas.state import (
    Conflict,
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Order,
    SourceRole,
    TargetMailbox,
    TargetRole,
)
from schemas.topics import Topics, conflict_key, item_record_key

BARRIER = Version(generation=2, sequence=9)
SOURCE = MailboxRecord(
    mailbox="m", role=SourceRole.FENCED, generation=2, next_sequence=10, barrier=BARRIER, promotion="p1", returned="p2"
)
TARGET = TargetMailbox(
    mailbox="m", role=TargetRole.OPEN, generation=2, applied_sequence=9, barrier=BARRIER, promotion="p1", returned="p2"
)
ENTRY = IndexEntry(
    item="i", item_id="i-s", folder_id="f", change_key="k", search_key="", fingerprint="", digest="", marks=None
)
RECORD = ItemRecord(
    item="i", state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="k", folder_id="f", marks=None,
    target_id="i-t", target_change_key="kt", nonce="n",
)  # fmt: skip
TOPICS = Topics("p", "s")


def conflict(promotion: str, kept: str, item: str = "i", at: int = 1) -> Conflict:
    return Conflict(
        item=item, promotion=promotion, at_source="ItemSaved", at_target="changed", kept=kept, copy="", folder_id="f",
        generation=2, sequence=3, at=at,
    )  # fmt: skip


def order(promotion: str = "p2", mailbox: str = "m") -> Order:
    return Order(mailbox=mailbox, kind="TAKE_OVER", items=(), target="t", reason="", issued_at=1, promotion=promotion)


class Log:
    """The state topics of a partition; counts how often they are read."""

    def __init__(self) -> None:
        self.records: dict[str, list[tuple[str, Any]]] = {
            TOPICS.mailboxes: [("m", SOURCE)],
            TOPICS.source_state: [(item_record_key("m", "i"), ENTRY), (item_record_key("m", "gone"), ENTRY)],
            TOPICS.target_state("t"): [("m", TARGET), (item_record_key("m", "i"), RECORD)],
        }
        self.records[TOPICS.source_state].append((item_record_key("m", "gone"), None))
        self.reads = 0

    def history(self, topic: str) -> Iterable[Incoming]:
        self.reads += 1
        return [Incoming(n, 0, k, encode(v) if v else None) for n, (k, v) in enumerate(self.records[topic])]


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_mailbox_is_handed_out_as_it_stands_and_what_is_gone_is_not_in_it(log: Log) -> None:
    known = Opposite(log.history, TOPICS, "t").known(order())
    assert known
    assert (known.source, known.target, known.entries, known.records) == (SOURCE, TARGET, {"i": ENTRY}, {"i": RECORD})
    assert known.overruled == set()


def test_conflicts_since_the_target_was_opened_that_kept_what_is_there_overrule_the_old_source(log: Log) -> None:
    log.records[TOPICS.target_state("t")] = [("m", replace(TARGET, opened_at=5)), (item_record_key("m", "i"), RECORD)]
    there = log.records[TOPICS.target_state("t")]
    found = [("both", 5), ("merged", 9), ("target", 9), ("both", 4)]
    for number, (kept, at) in enumerate(found):
        there.append((conflict_key("m", f"i{number}"), conflict("any", kept, f"i{number}", at)))
    known = Opposite(log.history, TOPICS, "t").known(order())
    assert known
    assert known.overruled == {"i0", "i1"}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"role": SourceRole.MIRRORING}, {}),
        ({"role": SourceRole.CLOSED}, {}),
        ({"barrier": Version(generation=3, sequence=1)}, {}),
        ({"barrier": None}, {"barrier": None}),
        ({}, {"role": TargetRole.MERGING}),
        ({}, {"role": TargetRole.DRAINED}),
        ({}, {"applied_sequence": 8}),
    ],
)
def test_a_direction_that_did_not_end_hands_out_nothing(source: Any, target: Any, log: Log) -> None:
    log.records[TOPICS.mailboxes] = [("m", replace(SOURCE, **source))]
    log.records[TOPICS.target_state("t")] = [("m", replace(TARGET, **target))]
    assert Opposite(log.history, TOPICS, "t").known(order()) is None


@pytest.mark.parametrize(("promotion", "is_so"), [("p1", True), ("p2", True), ("p3", False)])
def test_it_ended_by_its_promotion_or_by_the_return_that_merged_its_tail(promotion: str, *, is_so: bool) -> None:
    assert has_ended(SOURCE, TARGET, promotion) == is_so
    assert has_ended(replace(SOURCE, returned="p2/3"), TARGET, promotion) == is_so


def test_what_was_read_serves_the_mailboxes_of_a_partition_and_what_is_newer_is_read_again(log: Log) -> None:
    for topic, records in log.records.items():
        others = [(k.replace("m", "n", 1), replace(v, mailbox="n")) for k, v in records if hasattr(v, "mailbox")]
        log.records[topic] = records + others
    opposite = Opposite(log.history, TOPICS, "t")
    assert opposite.known(order())
    assert opposite.known(order(mailbox="n"))
    assert log.reads == 3
    assert opposite.known(order())
    assert log.reads == 6
    assert opposite.known(order(mailbox="unknown")) is None
