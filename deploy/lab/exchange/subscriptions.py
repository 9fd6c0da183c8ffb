"""Notifications: who subscribed to what, and the events that wait for them. All of it dies with the server."""

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from deploy.lab.exchange.identity import Identity
from deploy.lab.exchange.items import utc_text
from deploy.lab.exchange.soap import EwsError, element

_WAITING_MAX: Final = 20_000
_KINDS: Final = frozenset(
    {
        "CopiedEvent",
        "CreatedEvent",
        "DeletedEvent",
        "ModifiedEvent",
        "MovedEvent",
        "NewMailEvent",
        "FreeBusyChangedEvent",
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one mailbox as notifications tell it; numbers, `is_folder` says of what."""

    kind: str
    mailbox: int
    folder: int
    number: int
    is_folder: bool = False
    old_folder: int = 0
    old_number: int = 0
    unread: int | None = None
    recovered: bool = False


@dataclass(slots=True)
class Subscription:
    """One subscription: its filter, its waiting events with their watermarks, and who is to be woken."""

    ident: str
    mailbox: int
    folders: frozenset[int] | None
    kinds: frozenset[str]
    streaming: bool
    position: int = 0
    waiting: deque[tuple[int, Event, float]] = field(default_factory=deque)
    missed: bool = False
    wake: asyncio.Event | None = None

    def seen(self, event: Event) -> Event | None:
        """Return the event as this subscription sees it, or None; one folder sees a soft deletion as a plain one."""
        if event.mailbox != self.mailbox:
            return None
        if self.folders is None:
            return event if event.kind in self.kinds else None
        here, there = event.folder in self.folders, event.old_folder in self.folders
        if not here and not there and not (event.is_folder and event.number in self.folders):
            return None
        if event.recovered and not here:
            event = Event("DeletedEvent", event.mailbox, event.old_folder, event.old_number, event.is_folder)
        return event if event.kind in self.kinds else None


class Subscriptions:
    """All subscriptions of a server."""

    def __init__(self, identity: Identity, clock: Callable[[], float]) -> None:
        self._identity = identity
        self._clock = clock
        self._all: dict[str, Subscription] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(
        self, mailbox: int, folders: frozenset[int] | None, kinds: frozenset[str], *, streaming: bool
    ) -> Subscription:
        """Open a subscription; raises `EwsError` for an unknown event type."""
        if not kinds or not kinds <= _KINDS:
            raise EwsError("ErrorInvalidSubscriptionRequest", "The subscription names no event type or an unknown one.")
        ident = base64.b64encode(mailbox.to_bytes(4, "big") + secrets.token_bytes(20)).decode()
        found = self._all[ident] = Subscription(ident, mailbox, folders, kinds, streaming)
        return found

    def find(self, ident: str) -> Subscription:
        """Return a subscription by its id; raises `EwsError` (ErrorSubscriptionNotFound)."""
        found = self._all.get(ident)
        if found is None:
            raise EwsError("ErrorSubscriptionNotFound", "The subscription is not valid.")
        return found

    def has(self, subscription: Subscription) -> bool:
        """Whether a subscription is still open."""
        return subscription.ident in self._all

    def remove(self, ident: str) -> None:
        """Close a subscription; raises `EwsError` (ErrorSubscriptionNotFound)."""
        found = self.find(ident)
        del self._all[ident]
        if found.wake is not None:
            found.wake.set()

    def publish(self, events: list[Event]) -> None:
        """Hand committed changes to every subscription that wants them and wake their connections."""
        now = self._clock()
        for subscription in self._all.values():
            before = subscription.position
            for event in events:
                seen = subscription.seen(event)
                if seen is None:
                    continue
                subscription.position += 1
                subscription.waiting.append((subscription.position, seen, now))
                if len(subscription.waiting) > _WAITING_MAX:
                    subscription.waiting.popleft()
                    subscription.missed = True
            if subscription.position != before and subscription.wake is not None:
                subscription.wake.set()

    def watermark(self, position: int) -> str:
        """Return the text of a place in a subscription's events."""
        return base64.b64encode(b"\x01\x00\x00\x00" + position.to_bytes(12, "big")).decode()

    def position(self, watermark: str) -> int:
        """Return the place that a watermark names; raises `EwsError` (ErrorInvalidWatermark)."""
        try:
            raw = base64.b64decode(watermark, validate=True)
        except ValueError as error:
            raise EwsError("ErrorInvalidWatermark", "The watermark is malformed.") from error
        if len(raw) != 16 or not raw.startswith(b"\x01\x00\x00\x00"):  # noqa: PLR2004 - as watermark() writes it
            raise EwsError("ErrorInvalidWatermark", "The watermark is malformed.")
        return int.from_bytes(raw[4:], "big")

    def event_xml(self, position: int, event: Event, moment: float) -> str:
        """One event of a notification."""
        identity, mailbox = self._identity, event.mailbox
        inner = element("Watermark", self.watermark(position)) + element("TimeStamp", utc_text(moment))
        if event.is_folder:
            inner += f'<t:FolderId Id="{identity.folder(mailbox, event.number)}"/>'
        else:
            inner += f'<t:ItemId Id="{identity.item(mailbox, event.number)}"/>'
        inner += f'<t:ParentFolderId Id="{identity.folder(mailbox, event.folder)}"/>'
        if event.kind in {"MovedEvent", "CopiedEvent"}:
            old = identity.folder if event.is_folder else identity.item
            tag = "OldFolderId" if event.is_folder else "OldItemId"
            inner += f'<t:{tag} Id="{old(mailbox, event.old_number)}"/>'
            inner += f'<t:OldParentFolderId Id="{identity.folder(mailbox, event.old_folder)}"/>'
        elif event.unread is not None:
            inner += element("UnreadCount", str(event.unread))
        return f"<t:{event.kind}>{inner}</t:{event.kind}>"
