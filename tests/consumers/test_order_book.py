"""Orders are obeyed one by one, and none is passed over."""

from dataclasses import replace
from typing import Any

import pytest

from consumers.orders import OrderBook
from schemas.codec import CodecError, encode
from schemas.ports import Incoming
from schemas.state import Order

PAUSE = Order(mailbox="m", kind="PAUSE", items=(), target="t", reason="test", issued_at=1, until=0)


class Reader:
    """A topic of orders, read from its beginning."""

    def __init__(self, *values: bytes) -> None:
        self.position = 0
        self._values = values

    def read(self, _count: int, _timeout_seconds: float) -> list[Incoming]:
        found = [Incoming(offset=n, appended_at=n, key="m", value=v) for n, v in enumerate(self._values)]
        found, self.position = found[self.position :], len(self._values)
        return found


def book(*values: bytes) -> OrderBook:
    reader: Any = Reader(*values)
    return OrderBook(reader, "orders", lambda: 1)


def test_an_order_is_obeyed_again_until_it_is_done() -> None:
    orders = book(encode(PAUSE), encode(replace(PAUSE, kind="RESUME")))
    kinds = []
    while given := orders.next():
        assert orders.next() == given
        kinds.append(given.order.kind)
        orders.done()
    assert kinds == ["PAUSE", "RESUME"]
    assert orders.positions == {"orders": 2}


def test_an_order_of_a_newer_release_ends_the_replay_and_is_not_passed_over() -> None:
    orders = book(encode(PAUSE), b"\xc3\x01 of a newer release")
    with pytest.raises(CodecError, match="Upgrade the readers first"):
        orders.next()
    assert orders.positions == {}
