import hashlib
from typing import Any

import pytest

from consumers import subscription
from consumers.subscription import Subscription
from schemas.change import Chunk, Content, Form
from schemas.codec import encode
from schemas.ports import Incoming

BODY = b"0123456789" * 3
SHA256 = hashlib.sha256(BODY).hexdigest()


class Log:
    """`schemas.ports.LogReader` over a list."""

    def __init__(self) -> None:
        self.records: list[Incoming] = []
        self.position = 0
        self.known_end: int | None = None

    def add(self, record: Any) -> None:
        value = None if record is None else encode(record)
        self.records.append(Incoming(len(self.records), 0, "", value))

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:  # noqa: ARG002 - the port's
        end = len(self.records) if self.known_end is None else self.known_end
        found = self.records[self.position : min(self.position + count_max, end)]
        self.position += len(found)
        return found

    def seek(self, offset: int) -> None:
        self.position = offset

    def end(self) -> int:
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        return len(self.records) - self.position


def piece(index: int, body: bytes = b"") -> Chunk:
    part = body or BODY[10 * index : 10 * index + 10]
    return Chunk(mailbox="m", item="a", sha256=SHA256, index=index, count=3, body=part)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def large(making: Any) -> Any:
    content = Content(form=Form.STREAM, size_bytes=30, sha256=SHA256, chunk_count=3, body=b"")
    return making.change(making.saved(making.ref("a"), b"", contents=(content,)))


@pytest.fixture
def small(making: Any) -> Any:
    return making.change(making.saved(making.ref("b"), b"small"), 2)


def bodies(log: Log) -> list[dict[Form, bytes]]:
    return [r.bodies for r in Subscription(log).next_batch(0.0).changes]


def test_changes_come_in_the_order_of_the_log_with_their_own_bytes(log: Log, small: Any, large: Any) -> None:
    for record in (small, piece(0), piece(1), piece(2), large):
        log.add(record)
    batch = Subscription(log).next_batch(0.0)
    assert [r.change for r in batch.changes] == [small, large]
    assert [r.offset for r in batch.changes] == [0, 4]
    assert [r.bodies for r in batch.changes] == [{Form.STREAM: b"small"}, {Form.STREAM: BODY}]
    assert batch.changes[0].encoded == log.records[0].value
    assert batch.position == 5


def test_the_position_never_passes_the_first_piece_of_an_open_body(log: Log, small: Any, large: Any) -> None:
    for record in (small, piece(0), piece(1), piece(2), large):
        log.add(record)
    log.known_end = 3
    read = Subscription(log)
    assert read.next_batch(0.0).position == 1
    assert read.next_batch(0.0).position == 1
    log.known_end = 5
    batch = read.next_batch(0.0)
    assert (batch.position, batch.changes[0].bodies) == (5, {Form.STREAM: BODY})


def test_pieces_that_come_twice_are_put_together_once(log: Log, large: Any) -> None:
    for record in (piece(0), piece(1), piece(0), piece(1), piece(2), large):
        log.add(record)
    assert bodies(log) == [{Form.STREAM: BODY}]


@pytest.mark.parametrize("pieces", [[], [0, 2], [0, 1], [1, 2]])
def test_a_body_that_lacks_a_piece_is_left_out(log: Log, large: Any, pieces: list[int]) -> None:
    for index in pieces:
        log.add(piece(index))
    log.add(large)
    assert bodies(log) == [{}]


def test_a_damaged_piece_leaves_the_body_out_and_the_next_change_whole(log: Log, large: Any, small: Any) -> None:
    for record in (piece(0), piece(1, b"damaged..."), piece(2), large, small):
        log.add(record)
    assert bodies(log) == [{}, {Form.STREAM: b"small"}]


def test_tombstones_are_passed_over(log: Log, small: Any) -> None:
    log.add(None)
    log.add(small)
    batch = Subscription(log).next_batch(0.0)
    assert (len(batch.changes), batch.position) == (1, 2)


def test_a_batch_is_bounded_by_count_and_by_bytes(log: Log, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(200):
        log.add(small)
    monkeypatch.setattr(subscription, "BATCH_CHANGES_MAX", 60)
    assert len(Subscription(log).next_batch(0.0).changes) == 100
    log.position = 0
    monkeypatch.setattr(subscription, "BATCH_SIZE_BYTES_MAX", 10)
    assert len(Subscription(log).next_batch(0.0).changes) == subscription.READ_RECORDS_MAX


def test_going_back_forgets_what_was_open(log: Log, small: Any, large: Any) -> None:
    for record in (small, piece(0), piece(1), piece(2), large):
        log.add(record)
    log.known_end = 3
    read = Subscription(log)
    read.next_batch(0.0)
    read.rewind(0)
    log.known_end = 1
    assert read.next_batch(0.0).position == 1
    log.known_end = 5
    assert read.next_batch(0.0).changes[0].bodies == {Form.STREAM: BODY}


def test_nothing_to_read_is_an_empty_batch_at_the_same_position(log: Log) -> None:
    batch = Subscription(log).next_batch(0.0)
    assert (batch.changes, batch.position) == ([], 0)
