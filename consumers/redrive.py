"""Parked content once more: asked of the source, or taken from the evidence (design §5).

State: the item records; a record that is parked no more is passed over, so that an order obeyed twice does it once.
Order: evidence is placed like any save, staged, committed as an intent, then moved; only its folder and marks are those
of the record, because they went on while the content was behind. The record keeps its version: later changes follow.
Failure: what can't be placed stays parked with the reason of this try; a mailbox that can't be written falls behind.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from consumers.holding import OpenLog
from consumers.intents import is_ambiguous
from consumers.ledger import Ledger
from consumers.plan import Action, Do
from consumers.run import Run
from consumers.step import Step
from consumers.subscription import Received, Subscription
from schemas.change import Change, Form, ItemDeleted, ItemSaved
from schemas.codec import decode
from schemas.ports import Incoming
from schemas.roles import OrderKind
from schemas.state import DeadLetter, ItemRecord, ItemState, Order

log = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 1.0
READS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where evidence is: the dead letters of the partition, and its log from an offset while it is kept."""

    letters: Callable[[], Iterable[Incoming]]
    open_log: OpenLog


class Redriver:
    """Redrives the parked items that an order names."""

    def __init__(
        self, ledger: Ledger, archive: Archive, want: Callable[[str, str], None], carry_out: Callable[[Run], None]
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._want = want
        self._carry_out = carry_out

    def redrive(self, order: Order, address: str, offset: int) -> None:
        """Do what a REDRIVE order says; `offset` is where the mailbox stands, should it fall behind."""
        parked = {r.item: r for i in order.items if (r := self._parked(order.mailbox, i))}
        for item in self._gone(order.mailbox, parked):
            # of several that might be ours none is deleted by guess; who redrives it has looked
            self._ledger.drop_item(order.mailbox, item)
            del parked[item]
        if order.kind == OrderKind.REDRIVE:
            for item, record in parked.items():
                self._ledger.put_item(order.mailbox, replace(record, dropped_at=0))
                self._want(order.mailbox, item)
            return
        mailbox = self._ledger.mailbox(order.mailbox)
        if mailbox.behind or mailbox.unsettled or not address:
            # its open intents are listed in the mailbox record, where those of a redrive would take their place
            log.warning("redrive refused: the mailbox is behind", extra={"mailbox": order.mailbox})
            return
        for received in self._evidence(order.mailbox, parked):
            saved = received.change.operation
            if isinstance(saved, ItemSaved):
                step = Step(received, saved, Action(Do.PLACE), None)
                self._carry_out(Run(order.mailbox, address, [step], first_offset=offset, is_redrive=True))

    def _parked(self, mailbox: str, item: str) -> ItemRecord | None:
        record = self._ledger.item(mailbox, item)
        return record if record and record.state is ItemState.PARKED and not record.intent else None

    def _gone(self, mailbox: str, parked: Mapping[str, ItemRecord]) -> list[str]:
        """Return which ambiguous items were deleted at the source since."""
        unsure = {item for item, record in parked.items() if is_ambiguous(record)}
        changes = {item: decode(letter.change) for item, letter in self._newest(mailbox, unsure).items()}
        return [i for i, c in changes.items() if isinstance(c, Change) and isinstance(c.operation, ItemDeleted)]

    def _newest(self, mailbox: str, items: Collection[str]) -> dict[str, DeadLetter]:
        """Return the last dead letter of each item."""
        newest: dict[str, DeadLetter] = {}
        for incoming in self._archive.letters() if items else ():
            letter = decode(incoming.value) if incoming.value else None
            if isinstance(letter, DeadLetter) and letter.mailbox == mailbox and letter.item in items:
                newest[letter.item] = letter
        return newest

    def _evidence(self, mailbox: str, parked: dict[str, ItemRecord]) -> Iterator[Received]:
        for item, letter in self._newest(mailbox, parked).items():
            received = self._content(letter)
            if received is None:
                log.warning("no evidence of content", extra={"mailbox": mailbox, "item": item})
            else:
                yield _as_recorded(received, parked[item])

    def _content(self, letter: DeadLetter) -> Received | None:
        """Return the change of a letter with its body: from the letter, or from the log where it was in pieces."""
        change = decode(letter.change)
        if not isinstance(change, Change) or not isinstance(change.operation, ItemSaved):
            return None
        contents = change.operation.contents
        if all(not c.chunk_count for c in contents):
            bodies = {c.form: c.body for c in contents}
            return Received(change, letter.offset, letter.change, bodies, 0, letter.offset)
        return self._from_log(change, letter.offset) if letter.offset >= 0 else None

    def _from_log(self, change: Change, offset: int) -> Received | None:
        with closing(self._archive.open_log(offset)) as reader:
            # another position: the log is not kept so long
            return _find(Subscription(reader), change) if reader.position == offset else None


def _find(subscription: Subscription, change: Change) -> Received | None:
    for _ in range(READS_MAX):
        for received in subscription.next_batch(READ_TIMEOUT_SECONDS).changes:
            if received.change.mailbox == change.mailbox and received.change.version == change.version:
                return received if received.bodies else None
    return None


def _as_recorded(received: Received, record: ItemRecord) -> Received:
    """Return a save with the folder, marks and version of the record, and the content it always had."""
    change, saved = received.change, received.change.operation
    if not isinstance(saved, ItemSaved):
        return received
    saved = replace(saved, ref=replace(saved.ref, folder_id=record.folder_id), marks=record.marks or saved.marks)
    change = replace(change, generation=record.generation, sequence=record.sequence, operation=saved)
    bodies: dict[Form, bytes] = dict(received.bodies)
    return replace(received, change=change, bodies=bodies)
