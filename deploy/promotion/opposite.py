"""Reads what the other direction of a pipeline left of mailboxes, for the owners that are to take them over.

State: the state topics of one partition as they were read last, as bytes; a mailbox's leave it when it is handed out.
Failure: what is not as the order needs it is read once more; if it still is not, nothing is handed out.
"""

from collections.abc import Callable, Iterable
from typing import Any

from schemas.codec import decode
from schemas.ports import Incoming
from schemas.state import (
    Conflict,
    IndexEntry,
    ItemRecord,
    MailboxRecord,
    Order,
    SourceFolder,
    SourceRole,
    TargetFolder,
    TargetMailbox,
    TargetRole,
)
from schemas.topics import Topics
from schemas.turning import Known

OVERRULED = frozenset({"both", "merged"})
"""Conflicts after which the old source is to be made like the target: what its item holds was not kept of it."""


class Opposite:
    """What `topics` and its replay into `target` hold of one partition; `history` reads a topic of it."""

    def __init__(self, history: Callable[[str], Iterable[Incoming]], topics: Topics, target: str) -> None:
        self._history = history
        self._topics = (topics.mailboxes, topics.source_state, topics.target_state(target))
        self._held: dict[str, dict[tuple[str, str], bytes]] = {}

    def known(self, order: Order) -> Known | None:
        """Return a mailbox as its two owners left it at the end of their roles; None where they did not."""
        found = self._of(order)
        if found is None:
            self._read()
            found = self._of(order)
        if found is not None:
            del self._held[order.mailbox]
        return found

    def _of(self, order: Order) -> Known | None:
        held = self._held.get(order.mailbox, {})
        records = {place: decode(value) for place, value in held.items() if place[1] == order.mailbox}
        source, target = (records.get((topic, order.mailbox)) for topic in (self._topics[0], self._topics[2]))
        if not isinstance(source, MailboxRecord) or not isinstance(target, TargetMailbox):
            return None
        if not has_ended(source, target, order.promotion):
            return None
        return _known(source, target, held)

    def _read(self) -> None:
        self._held = {}
        for topic in self._topics:
            for incoming in self._history(topic):
                mailbox = incoming.key.split("/")[0]
                held = self._held.setdefault(mailbox, {})
                if incoming.value is None:
                    held.pop((topic, incoming.key), None)
                else:
                    held[topic, incoming.key] = incoming.value


def has_ended(source: MailboxRecord, target: TargetMailbox, promotion: str) -> bool:
    """Tell whether both ends of a direction rest at one barrier, by a promotion or a return."""
    by = {source.promotion, return_of(source.returned)}
    is_level = source.barrier is not None and source.barrier == target.barrier == target.applied
    return is_level and promotion in by and source.role == SourceRole.FENCED and target.role == TargetRole.OPEN


def return_of(asked: str) -> str:
    """Return the id of the return that a merge belongs to: there may be several merges of one (`id/2`)."""
    return asked.split("/", maxsplit=1)[0]


def _known(source: MailboxRecord, target: TargetMailbox, held: dict[tuple[str, str], bytes]) -> Known:
    known = Known(source=source, target=target)
    for value in held.values():
        record: Any = decode(value)
        match record:
            case SourceFolder():
                known.folders[record.folder_id] = record
            case IndexEntry():
                known.entries[record.item] = record
            case TargetFolder():
                known.target_folders[record.folder_id] = record
            case ItemRecord():
                known.records[record.item] = record
            case Conflict() if record.at >= target.opened_at and record.kept in OVERRULED:
                known.overruled.add(record.item)
    return known
