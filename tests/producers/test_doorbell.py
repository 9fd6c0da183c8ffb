from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import pytest

from producers import doorbell as module
from producers.capture import Dirt
from producers.doorbell import Notification, StreamingDoorbell
from schemas.ports import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 20.0


class Line:
    """A connection in memory: what is put on `events` is heard; None or an error ends it."""

    def __init__(self) -> None:
        self.events: queue.Queue[list[Notification] | Exception | None] = queue.Queue()
        self.subscribed: queue.Queue[str] = queue.Queue()
        self.refusal: CallRefused | None = None
        self.is_listening = False

    def subscribe(self, address: str) -> str:
        if self.refusal:
            refusal, self.refusal = self.refusal, None
            raise refusal
        self.subscribed.put(address)
        return f"subscription of {address}"

    def listen(self, address: str, subscriptions: list[str]) -> Iterator[list[Notification]]:
        assert f"subscription of {address}" in subscriptions
        self.is_listening = True
        try:
            while (heard := self.events.get()) is not None:
                if isinstance(heard, Exception):
                    raise heard
                yield heard
        finally:
            self.is_listening = False

    def close(self) -> None:
        if self.is_listening:
            self.events.put(None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.01)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def bell(line: Line) -> Iterator[StreamingDoorbell]:
    doorbell = StreamingDoorbell(lambda: line)
    yield doorbell
    doorbell.close()


def heard(bell: StreamingDoorbell, mailbox: str, is_wanted: Dirt | None = None) -> Dirt:
    """Wait until a mailbox is rung, with exactly this where it matters."""
    deadline = threading.Event()
    timer = threading.Timer(WAIT_SECONDS, deadline.set)
    timer.start()
    try:
        while not deadline.is_set():
            dirt = bell.rung(mailbox)
            if dirt and (is_wanted is None or dirt == is_wanted):
                return dirt
            bell.wait(0.01)
    finally:
        timer.cancel()
    pytest.fail(f"{mailbox} was not rung")


def test_after_subscribing_everything_may_be_dirty(bell: StreamingDoorbell, line: Line) -> None:
    bell.watch({"m": "a@x.test"})
    assert heard(bell, "m") == Dirt()
    assert line.subscribed.get(timeout=WAIT_SECONDS) == "a@x.test"


def test_a_notification_rings_its_mailbox_with_its_folders_only(bell: StreamingDoorbell, line: Line) -> None:
    bell.watch({"m": "a@x.test", "n": "b@x.test"})
    heard(bell, "m", Dirt())
    heard(bell, "n", Dirt())
    line.events.put([Notification("subscription of a@x.test", frozenset({"f"}), is_hierarchy=False)])
    heard(bell, "m", Dirt(frozenset({"f"}), is_hierarchy_dirty=False))
    line.events.put([Notification("subscription of nobody", frozenset({"f"}), is_hierarchy=False)])
    assert bell.rung("nobody") is None


def test_what_is_heard_adds_up_until_it_is_asked_for_and_is_told_once(bell: StreamingDoorbell) -> None:
    bell._ring("m", Dirt(frozenset({"f"}), is_hierarchy_dirty=False))
    bell._ring("m", Dirt(frozenset({"g"}), is_hierarchy_dirty=True))
    assert bell.rung("m") == Dirt(frozenset({"f", "g"}), is_hierarchy_dirty=True)
    assert bell.rung("m") is None


@pytest.mark.parametrize("end", [None, CallRefused("ErrorSubscriptionNotFound", "gone")], ids=["ended", "refused"])
def test_a_connection_that_ends_rings_everything_and_is_opened_anew(
    bell: StreamingDoorbell, line: Line, end: CallRefused | None
) -> None:
    bell.watch({"m": "a@x.test"})
    for _ in range(2):
        assert line.subscribed.get(timeout=WAIT_SECONDS) == "a@x.test"
        heard(bell, "m", Dirt())
        line.events.put(end)
    assert line.subscribed.get(timeout=WAIT_SECONDS) == "a@x.test"


def test_a_server_that_allows_no_subscription_is_asked_again(bell: StreamingDoorbell, line: Line) -> None:
    line.refusal = CallRefused("ErrorExceededSubscriptionCount", "too many")
    bell.watch({"m": "a@x.test"})
    assert line.subscribed.get(timeout=WAIT_SECONDS) == "a@x.test"


def test_mailboxes_of_another_partition_share_the_connection(bell: StreamingDoorbell, line: Line) -> None:
    bell.watch({"m": "a@x.test"})
    assert line.subscribed.get(timeout=WAIT_SECONDS) == "a@x.test"
    bell.watch({"n": "b@x.test"})
    heard(bell, "n")
    assert len(bell._listeners) == 1


def test_more_mailboxes_than_one_connection_carries_get_another(
    bell: StreamingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBSCRIPTIONS_MAX", 2)
    bell.watch({f"m{n}": f"a{n}@x.test" for n in range(5)})
    assert [len(listener._mailboxes) for listener in bell._listeners] == [2, 2, 1]


def test_a_forgotten_mailbox_is_not_rung_any_more(bell: StreamingDoorbell) -> None:
    bell.watch({"m": "a@x.test"})
    heard(bell, "m")
    bell.forget(["m"])
    assert bell.rung("m") is None


def test_without_streaming_nothing_is_opened() -> None:
    def refuse() -> Line:
        raise AssertionError("a connection was opened")

    bell = StreamingDoorbell(refuse, is_streaming=False)
    bell.watch({"m": "a@x.test"})
    assert bell.rung("m") is None


def test_a_connection_that_breaks_because_it_is_closed_is_no_news(
    line: Line, bell: StreamingDoorbell, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bell.watch({"m": "a@source.test"})
    line.subscribed.get(timeout=WAIT_SECONDS)
    threads = [t for t in threading.enumerate() if t.name == "doorbell"]
    line.close = lambda: line.events.put(CallRefused("reset", "closed under the reader"))  # type: ignore[method-assign]
    bell.close()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert "doorbell silent" not in caplog.text


def test_a_server_that_ends_every_connection_at_once_is_asked_ever_less_often(
    bell: StreamingDoorbell, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "listen", lambda _address, _subscriptions: iter(()))
    bell.watch({"m": "a@x.test"})
    line.subscribed.get(timeout=WAIT_SECONDS)
    threading.Event().wait(1.0)
    assert line.subscribed.qsize() <= 8
