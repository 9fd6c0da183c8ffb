"""Users at a target: they copy our stamped items and write mail of their own, all of it into a folder of their own.

What they made is theirs: it must be there, unchanged, when the run is over.
"""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deploy.lab.chaos.crowd import CALL_TIMEOUT_SECONDS
from deploy.lab.chaos.truth import Intent, Scribe
from deploy.lab.chaos.user import HeldItem, Letterbox, message, new_mail
from deploy.lab.session import ServerAddress, SessionError, UserSession
from deploy.lab.workload.mail import INBOX

FOLDER = ("Made at the target",)
NEWEST_ITEMS = 8


@dataclass(frozen=True, slots=True)
class Made:
    """An item of theirs."""

    mailbox: str
    item_id: str
    label: str


@dataclass(slots=True)
class Strangers:
    """The users of all targets; `act` is called by one thread at a time."""

    addresses: Mapping[str, ServerAddress]
    mailboxes: Mapping[str, list[str]]
    """By target's name, as `addresses`."""
    scribes: Mapping[str, Scribe]
    seed: int
    made: dict[str, list[Made]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def act(self, target: str, chance: random.Random) -> dict[str, Any]:
        """Copy one of our items, into their folder or beside it, and write one mail; return what was done."""
        address = chance.choice(self.mailboxes[target])
        done: dict[str, Any] = {"mailbox": address, "copied": False, "created": False}
        with self._lock:
            box = Letterbox(UserSession(self.addresses[target], timeout_seconds=CALL_TIMEOUT_SECONDS), address)
            try:
                box.look()
                ours = [item for item in box.items if item.item_id not in self._ids(target)]
                if ours:
                    done["copied"] = self._copy(target, box, chance.choice(ours), chance)
                done["created"] = self._create(target, box)
            except SessionError as error:
                done["code"] = error.code
        return done

    def copy_newest(self, target: str, chance: random.Random, *, copies: int) -> dict[str, Any]:
        """Copy the items that are worked on most, each so many times, beside itself."""
        address = chance.choice(self.mailboxes[target])
        done: dict[str, Any] = {"mailbox": address, "copied": 0}
        with self._lock:
            box = Letterbox(UserSession(self.addresses[target], timeout_seconds=CALL_TIMEOUT_SECONDS), address)
            try:
                box.look()
                made = self._ids(target)
                ours = [item for item in box.items if item.item_id not in made and item.label[0] == "i"]
                for item in sorted(ours, key=lambda i: int(i.label[1:]))[-NEWEST_ITEMS:]:
                    for _ in range(copies):
                        done["copied"] += self._copy_to(target, box, item, item.folder_id)
            except SessionError as error:
                done["code"] = error.code
        return done

    def settle_in_folders(self, target: str) -> dict[str, Any]:
        """Write a mail of their own into every folder that is no distinguished one, in every mailbox."""
        done: dict[str, Any] = {"created": 0}
        with self._lock:
            session = UserSession(self.addresses[target], timeout_seconds=CALL_TIMEOUT_SECONDS)
            for address in self.mailboxes[target]:
                box = Letterbox(session, address)
                try:
                    box.look()
                    for folder_id in list(box.parents):
                        done["created"] += self._create(target, box, folder_id)
                except SessionError as error:
                    done["code"] = error.code
        return done

    def _copy(self, target: str, box: Letterbox, item: HeldItem, chance: random.Random) -> bool:
        folder_id = box.folder(FOLDER) if chance.random() < 0.5 else item.folder_id  # noqa: PLR2004 - half of them
        return self._copy_to(target, box, item, folder_id)

    def _copy_to(self, target: str, box: Letterbox, item: HeldItem, folder_id: str) -> bool:
        call = lambda: box.copy(item.item_id, folder_id)  # noqa: E731 - the call of the intent
        intent = Intent("foreign_copy", call, label=item.label, item_id=item.item_id, folder_id=folder_id)
        return self._make(target, box, intent)

    def _create(self, target: str, box: Letterbox, folder_id: str = "") -> bool:
        number = self.scribes[target].numbers.next("item")
        label, sent = f"f{number}", datetime.now(UTC).replace(microsecond=0)
        mail = new_mail(message(self.seed, label, number, "their own", sent=sent), sent)
        folder_id = folder_id or box.folder(INBOX)
        call = lambda: box.put(folder_id, mail)  # noqa: E731 - the call of the intent
        return self._make(target, box, Intent("foreign_create", call, label=label, folder_id=folder_id))

    def _make(self, target: str, box: Letterbox, intent: Intent) -> bool:
        scribe = self.scribes[target]
        created = scribe.act(box.address, scribe.numbers.next("act"), intent)
        self.made.setdefault(target, []).append(Made(box.address, created, intent.label))
        return True

    def _ids(self, target: str) -> set[str]:
        return {one.item_id for one in self.made.get(target, [])}
