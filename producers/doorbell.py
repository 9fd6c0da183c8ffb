"""The streaming doorbell: says which folders were touched, soon; may lose any of it (facts: exchange §1).

State: a subscription a mailbox, what was heard and not asked for yet.
Order: subscribe, then say "everything may be dirty", then listen; so nothing before the subscription is missed.
Failure: the connection ends, a subscription dies, a server allows none: everything is subscribed afresh with
back-off, and polling goes on behind it. A connection that breaks rings every mailbox it carried.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from producers.capture import Dirt
from schemas.ports import CallFailed

log = logging.getLogger(__name__)

SUBSCRIPTIONS_MAX = 200
RETRY_SECONDS_MAX = 60.0
GATHER_SECONDS = 0.3
SOON_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Notification:
    """What one event said: the subscription, the folders it touched, whether the tree itself changed."""

    subscription: str
    folder_ids: frozenset[str]
    is_hierarchy: bool


class Notifier(Protocol):
    """Opens subscriptions and listens on them."""

    def subscribe(self, address: str) -> str:
        """Subscribe to all folders of a mailbox; CallFailed if the server does not allow it."""
        ...

    def listen(self, address: str, subscriptions: list[str]) -> Iterator[list[Notification]]:
        """Yield events as they come, with empty lists between; ends or raises CallFailed when the connection does."""
        ...

    def close(self) -> None:
        """Break the connection, from any thread."""
        ...


class StreamingDoorbell:
    """Listens for the mailboxes of one process, on a thread of its own for every 200 of them."""

    def __init__(self, connect: Callable[[], Notifier], *, is_streaming: bool = True) -> None:
        self._connect = connect
        self._is_streaming = is_streaming
        self._heard: dict[str, Dirt] = {}
        self._watched: set[str] = set()
        self._condition = threading.Condition()
        self._stopping = threading.Event()
        self._listeners: list[_Listener] = []

    def watch(self, mailboxes: Mapping[str, str]) -> None:
        """Listen to more mailboxes (id to address), on as few connections as hold them."""
        if not self._is_streaming:
            return
        with self._condition:
            new = [(m, a) for m, a in mailboxes.items() if m not in self._watched]
            self._watched |= {m for m, _ in new}
            while new:
                listener = next((one for one in self._listeners if one.room), None)
                if listener is None:
                    listener = _Listener(self._connect(), self._ring, self._stopping)
                    self._listeners.append(listener)
                    listener.start()
                taken, new = new[: listener.room], new[listener.room :]
                listener.add(dict(taken))

    def forget(self, mailboxes: Iterable[str]) -> None:
        """Stop caring for mailboxes; their subscriptions end with the connection they are on."""
        with self._condition:
            for mailbox in mailboxes:
                self._watched.discard(mailbox)
                self._heard.pop(mailbox, None)
                for listener in self._listeners:
                    listener.drop(mailbox)

    def rung(self, mailbox: str) -> Dirt | None:
        """Return and forget what was heard of a mailbox."""
        with self._condition:
            return self._heard.pop(mailbox, None)

    def wait(self, timeout_seconds: float) -> None:
        """Return when something is heard, or after the time."""
        with self._condition:
            self._condition.wait(timeout_seconds)

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        for listener in self._listeners:
            listener.close()

    def _ring(self, mailbox: str, dirt: Dirt) -> None:
        with self._condition:
            before = self._heard.get(mailbox, Dirt(is_hierarchy_dirty=False))
            self._heard[mailbox] = Dirt(
                before.folders | dirt.folders, before.is_hierarchy_dirty or dirt.is_hierarchy_dirty
            )
            self._condition.notify_all()


class _Listener(threading.Thread):
    """One streaming connection and its subscriptions."""

    def __init__(
        self,
        notifier: Notifier,
        ring: Callable[[str, Dirt], None],
        stopping: threading.Event,
    ) -> None:
        super().__init__(name="doorbell", daemon=True)
        self._mailboxes: dict[str, str] = {}
        self._ring = ring
        self._stopping = stopping
        self._notifier = notifier

    @property
    def room(self) -> int:
        """How many more mailboxes this connection can carry."""
        return SUBSCRIPTIONS_MAX - len(self._mailboxes)

    def add(self, mailboxes: dict[str, str]) -> None:
        """Carry more mailboxes, from the next connection on; the present one is broken for it."""
        self._mailboxes = self._mailboxes | mailboxes
        self._notifier.close()

    def drop(self, mailbox: str) -> None:
        """Carry one mailbox less, from the next connection on."""
        self._mailboxes = {m: a for m, a in self._mailboxes.items() if m != mailbox}

    def run(self) -> None:
        """Listen until stopped; subscribe afresh with back-off whenever the connection ends."""
        failures = 0
        while not self._stopping.is_set():
            # partitions arrive one after another: let them gather before subscribing
            self._stopping.wait(min(GATHER_SECONDS * 2**failures, RETRY_SECONDS_MAX))
            mailboxes, began_at = dict(self._mailboxes), time.monotonic()
            try:
                if mailboxes and not self._stopping.is_set():
                    self._listen_once(mailboxes)
                # a server that ends every connection at once would be asked, and ring everybody, without a pause
                is_cut = mailboxes and mailboxes == self._mailboxes and time.monotonic() - began_at < SOON_SECONDS
                failures = failures + 1 if is_cut else 0
            except CallFailed as failure:
                if self._stopping.is_set():
                    return
                failures += 1
                log.info("doorbell silent, polling goes on", extra={"code": failure.code})
            for mailbox in mailboxes:
                self._ring(mailbox, Dirt())

    def close(self) -> None:
        """Break the connection."""
        self._notifier.close()

    def _listen_once(self, mailboxes: dict[str, str]) -> None:
        subscriptions = {self._notifier.subscribe(a): m for m, a in mailboxes.items()}
        for mailbox in mailboxes:
            self._ring(mailbox, Dirt())
        if mailboxes != self._mailboxes:
            return
        anchor = next(iter(mailboxes.values()))
        for notifications in self._notifier.listen(anchor, list(subscriptions)):
            for heard in notifications:
                if mailbox := subscriptions.get(heard.subscription, ""):
                    self._ring(mailbox, Dirt(heard.folder_ids, heard.is_hierarchy))
            if self._stopping.is_set() or mailboxes.keys() != self._mailboxes.keys():
                break
