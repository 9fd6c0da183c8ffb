"""Who drives a promotion: one at a time, and every step is committed before it is done (design §8).

The office is a transactional producer with an id of the pipeline's own, so whoever takes it fences everybody before.
An act at the front door is announced with the time it may take at most (`hold`), and nobody takes over before that time
has passed since the last beat: so who takes over acts after the last act of the one before.
What the record in `control` says decides who holds it: one who is fenced although the record is still his (a second
operator came, saw him and left) takes it again; one who finds another's name in it stops. Orders go in the same
transaction as the step that gives them. Whether somebody lives is seen by the beat that counts up, not by clocks.
"""

import getpass
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from confluent_kafka import KafkaException, Producer

from deploy.kafka import KafkaSettings, KafkaUnreachableError, producer
from deploy.partition.reader import read_to_end
from schemas import failover
from schemas.codec import decode, encode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import Order, Promotion
from schemas.topics import FAILOVER_KEY, Topics

BEAT_SECONDS = 1.0
ALIVE_SECONDS = 5.0
ACT_MARGIN_SECONDS = 2
"""Between the announcement of an act and its beginning, and between two clocks."""
INIT_SECONDS = 30.0
COMMIT_SECONDS = 15.0
ATTEMPTS_MAX = 3
ENDS = frozenset({"", *failover.ENDS})


class DrivenError(Exception):
    """Somebody else drives a promotion; the text says who and since when."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """An order and the server whose partition owners are to obey it; `topics` where they are not the office's own."""

    server: str
    order: Order
    topics: Topics | None = None


class Office(Protocol):
    """Where a coordinator keeps how far it came."""

    def commit(self, promotion: Promotion, orders: Sequence[Addressed] = ()) -> None:
        """Write progress and orders as one; DrivenError if somebody else holds the office now."""
        ...


def operator_name() -> str:
    """Return user@host and process, as others are told who drives."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


def said(found: Promotion) -> str:
    """Return who drives a promotion, since when and how far, for people."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.since / 1000))
    return f"{found.operator} since {since}, promotion {found.promotion} to {found.target} at {found.stage}"


class KafkaOffice:
    """The office of one pipeline. Commits and beats may come from two threads, one at a time."""

    def __init__(self, settings: KafkaSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        self._producer: Producer | None = None
        self._lock = threading.Lock()
        self._before: Promotion | None = None
        self._held: Promotion | None = None
        self._failure: Exception | None = None
        self._stopping = threading.Event()

    def newest(self) -> Promotion | None:
        """Return the promotion `control` tells of; None if there never was one."""
        found: Promotion | None = None
        for record in read_to_end(self._settings, self._topics.control, 0, None, lambda: True):
            if isinstance(record, Incoming) and record.key == FAILOVER_KEY:
                found = decode(record.value) if record.value else None
        return found

    def begin(self, promotion: Promotion) -> None:
        """Take the office for a new promotion; DrivenError while another one is not at its end."""
        self.refuse_other()
        self._take()
        self._before = self.refuse_other()
        self._hold(promotion)

    def resume(self, operator: str, now: int, say: Callable[[str], None] = lambda _: None) -> Promotion:
        """Take over what a dead coordinator left; DrivenError while it lives, or if there is nothing to go on with."""
        found = self._unfinished()
        seconds = max(ALIVE_SECONDS, found.act_seconds)
        if seconds > ALIVE_SECONDS:
            say(f"an act at the front door was under way: what may be left of it is waited for, {seconds:.0f} s")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.5)
            if (later := self._unfinished()) != found:
                raise DrivenError(f"a promotion is being driven by {said(later)}: two at once would fight")
        self._take()
        if (later := self._unfinished()) != found:
            raise DrivenError(f"somebody else took it over: {said(later)}")
        self._before = found
        taken = replace(found, operator=operator, since=now, beat=found.beat + 1, act_seconds=0)
        self._hold(taken)
        return taken

    def commit(self, promotion: Promotion, orders: Sequence[Addressed] = ()) -> None:
        """Write progress and orders as one; DrivenError if somebody else holds the office now."""
        with self._lock:
            if self._failure:
                raise self._failure
            beat = self._held.beat if self._held else promotion.beat
            self._write(replace(promotion, beat=beat + 1), orders)

    def hold(self, act_seconds: float) -> None:
        """Prove that the office is held, and have nobody take it over for so long; DrivenError if somebody has."""
        with self._lock:
            if self._failure:
                raise self._failure
            if self._held is None:
                raise DrivenError("no promotion is in hand")
            seconds = math.ceil(act_seconds) + ACT_MARGIN_SECONDS
            self._write(replace(self._held, beat=self._held.beat + 1, act_seconds=seconds), ())

    def close(self) -> None:
        """Stop beating; what is not at its end may be resumed by anybody."""
        self._stopping.set()

    # -- inside --------------------------------------------------------------------------------------------

    def refuse_other(self) -> Promotion | None:
        """Return the newest promotion, which is at its end; DrivenError where it is not."""
        found = self.newest()
        if found and found.stage not in ENDS:
            raise DrivenError(
                f"a promotion is not at its end, driven by {said(found)}; `mailshadow failover --resume` goes on with "
                "it once that process is dead, `--undo` leads back"
            )
        return found

    def _unfinished(self) -> Promotion:
        found = self.newest()
        if found is None or found.stage in ENDS:
            raise DrivenError("there is no promotion to go on with; begin one with `mailshadow failover --to TARGET`")
        return found

    def _hold(self, promotion: Promotion) -> None:
        with self._lock:
            self._write(promotion, ())
        threading.Thread(target=self._beat, name="promotion-beat", daemon=True).start()

    def _beat(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            with self._lock:
                if self._held is None or self._held.stage in ENDS or self._failure:
                    return
                try:
                    self._write(replace(self._held, beat=self._held.beat + 1), ())
                except (DrivenError, KafkaUnreachableError) as error:
                    self._failure = error

    def _take(self) -> None:
        self._producer = producer(self._settings, self._topics.failover_id)
        try:
            self._producer.init_transactions(INIT_SECONDS)
        except KafkaException as error:
            raise KafkaUnreachableError(f"the promotion can't be taken in hand: {error}") from error

    def _write(self, promotion: Promotion, orders: Sequence[Addressed]) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                self._transact(promotion, orders)
            except KafkaException as error:
                # fenced, or unclear whether it was committed: what stands there decides, and orders may come twice
                self._take()
                found = self.newest()
                is_as_before = found == self._before if self._held is None else False
                if found and not is_as_before and not _is_same(found, promotion):
                    raise DrivenError(f"somebody else took it over: {said(found)}") from error
            else:
                self._held = promotion
                return
        raise KafkaUnreachableError("the progress of the promotion can't be written; `failover --resume` goes on")

    def _transact(self, promotion: Promotion, orders: Sequence[Addressed]) -> None:
        transaction = self._producer
        if transaction is None:
            raise KafkaUnreachableError("the promotion is not in hand")
        transaction.begin_transaction()
        transaction.produce(self._topics.control, key=FAILOVER_KEY, value=encode(promotion), partition=0)
        for addressed in orders:
            mailbox = addressed.order.mailbox
            transaction.produce(
                (addressed.topics or self._topics).orders(addressed.server),
                key=mailbox,
                value=encode(addressed.order),
                partition=partition_of(mailbox, self._settings.partition_count),
            )
        transaction.commit_transaction(COMMIT_SECONDS)


def _is_same(found: Promotion, held: Promotion) -> bool:
    return (found.promotion, found.operator, found.since) == (held.promotion, held.operator, held.since)
