"""The truth of a run: what each act was meant to do, written before its call, and what became of it, after it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deploy.lab.chaos.journal import JournalFile
from deploy.lab.session import SessionError

UNKNOWN_CODES: Final = frozenset({"NoAnswer", "MalformedAnswer", "ShortAnswer"})


@dataclass(slots=True)
class Intent:
    """An act to come: what is written down before its call, and the call, which returns the new id or nothing."""

    action: str
    call: Callable[[], str]
    label: str = ""
    item_id: str = ""
    folder_id: str = ""
    how: str = ""


class Numbers:
    """Numbers of acts and of items, shared by everybody who acts in a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = {"act": 0, "item": 0}

    def next(self, kind: str) -> int:
        """Return the next number of "act" or "item", from 1."""
        with self._lock:
            self._last[kind] += 1
            return self._last[kind]


class Scribe:
    """Writes acts down around their calls."""

    def __init__(self, truth: JournalFile, numbers: Numbers, server: str) -> None:
        self._truth = truth
        self._server = server
        self.numbers = numbers

    def act(self, mailbox: str, number: int, intent: Intent) -> str:
        """Do an act and return the new id; raises SessionError after writing down that it was refused or unknown."""
        entry: dict[str, object] = {
            "n": number, "server": self._server, "mailbox": mailbox, "action": intent.action, "label": intent.label,
            "version": number, "item_id": intent.item_id, "folder_id": intent.folder_id, "how": intent.how,
        }  # fmt: skip
        self._truth.write(phase="intended", new_item_id="", code="", **entry)
        try:
            created = intent.call()
        except SessionError as error:
            phase = "unknown" if error.code in UNKNOWN_CODES else "refused"
            self._truth.write(phase=phase, new_item_id="", code=error.code, **entry)
            raise
        self._truth.write(phase="acknowledged", new_item_id=created, code="", **entry)
        return created
