from __future__ import annotations

import pytest

from schemas.halving import PIECES_SAMPLED, Halving, may_be_one_items
from schemas.ports import AnswerUnknown, CallFailed, CallRefused

ITEMS = [f"item-{n}" for n in range(100)]
RESET = AnswerUnknown("reset", "the connection broke")


class Server:
    """Answers every item with its name, unless one of the call is poisoned."""

    def __init__(self, *poisoned: str, failure: CallFailed = RESET, is_away: bool = False) -> None:
        self.poisoned = set(poisoned)
        self.failure = failure
        self.is_away = is_away
        self.calls: list[int] = []

    def ask(self, items: list[str]) -> list[str]:
        self.calls.append(len(items))
        if self.is_away or self.poisoned & set(items):
            raise self.failure
        return [f"answer of {item}" for item in items]

    def confirm(self) -> None:
        self.calls.append(0)
        if self.is_away:
            raise self.failure

    def answers(self, items: list[str] | None = None) -> list[str | CallFailed]:
        return Halving(ITEMS if items is None else items, self.ask, self.confirm).answers()


def expected(server: Server) -> list[str | CallFailed]:
    return [server.failure if i in server.poisoned else f"answer of {i}" for i in ITEMS]


@pytest.mark.parametrize(
    "poisoned",
    [(), ("item-0",), ("item-99",), ("item-3", "item-4", "item-50"), tuple(ITEMS[:20]), tuple(ITEMS[::6])],
    ids=["none", "first", "last", "several", "a run", "every sixth"],
)
def test_every_item_but_the_poisoned_is_answered_in_order(poisoned: tuple[str, ...]) -> None:
    server = Server(*poisoned)
    assert server.answers() == expected(server)


@pytest.mark.parametrize(
    "code", ["ErrorInternalServerError", "malformed-answer", "http-bad-request", "ErrorNeverHeardOf"]
)
def test_whatever_a_call_fails_with_one_item_may_be_the_cause(code: str) -> None:
    server = Server("item-7", failure=CallRefused(code, "the call failed"))
    assert server.answers() == expected(server)


def test_one_poisoned_item_costs_few_calls() -> None:
    server = Server("item-42")
    server.answers()
    assert len(server.calls) <= 1 + 1 + 2 * 7


def test_a_call_that_goes_through_is_the_only_one() -> None:
    server = Server()
    server.answers()
    assert server.calls == [100]
    assert Server().answers([]) == []


def test_a_server_that_is_away_costs_two_calls_and_is_no_items_fault() -> None:
    server = Server(is_away=True)
    with pytest.raises(AnswerUnknown):
        server.answers()
    assert server.calls == [100, 0]


@pytest.mark.parametrize("code", ["ErrorServerBusy", "connection-refused", "http-unauthorized", "http-unavailable"])
def test_throttling_and_a_server_that_is_away_are_raised_at_once(code: str) -> None:
    failure = CallRefused(code, "no item's fault", 7.0)
    assert not may_be_one_items(failure)
    server = Server("item-7", failure=failure)
    with pytest.raises(CallRefused):
        server.answers()
    assert server.calls == [100]


def test_an_operation_that_fails_for_every_item_is_raised_after_a_bounded_number_of_calls() -> None:
    server = Server(*ITEMS)
    with pytest.raises(AnswerUnknown):
        server.answers()
    assert len(server.calls) <= 1 + (1 + 2 + 4 + 8 + 16) + PIECES_SAMPLED


def test_a_few_items_that_all_fail_are_their_own_fault() -> None:
    server = Server(*ITEMS)
    assert server.answers(ITEMS[:5]) == [RESET] * 5
