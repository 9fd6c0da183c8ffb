"""Did somebody else write to a target folder? The cheap probe of every proved folder, each mailbox once an interval.

State: in memory, for each folder that was found equal: the probe value read before it was listed, and when its mailbox
is to be probed next.
Order: the value is read before the listing, so a change in between shows at the next probe.
Failure: nothing is kept. A new owner compares the folders anew over the interval of the checksums, and probes them from
then on.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from schemas import folder_probe
from schemas.ports import Clock

Place = tuple[str, str]
"""Mailbox id and source FolderId."""


class Prober(Protocol):
    """A target that is asked whether folders changed."""

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Return a value of each folder that changes with what it holds; CallFailed without an answer."""
        ...


class TargetWatch:
    """Watches the proved folders of one partition's mailboxes; an interval of 0 watches nothing."""

    def __init__(self, target: Prober, clock: Clock, interval_seconds: float) -> None:
        self._target = target
        self._clock = clock
        self._interval_ms = int(interval_seconds * 1000)
        self._values: dict[str, dict[str, tuple[str, str]]] = {}
        self._due_at: dict[str, int] = {}

    def note(self, place: Place, target_id: str, value: str) -> None:
        """Remember the value that a folder had before it was found equal."""
        mailbox, folder_id = place
        if not self._interval_ms:
            return
        self._values.setdefault(mailbox, {})[folder_id] = (target_id, value)
        self._due_at.setdefault(mailbox, self._clock() + self._interval_ms)

    def forget(self, place: Place) -> None:
        """Watch a folder no more: it is written by us, or to be compared."""
        self._values.get(place[0], {}).pop(place[1], None)

    def is_unchanged(self, place: Place, value: str) -> bool:
        """Tell whether a value proves that nothing happened in a folder since it was found equal."""
        _, before = self._values.get(place[0], {}).get(place[1], ("", ""))
        return folder_probe.is_unchanged(before, value)

    def changed(self, addresses: Mapping[str, str], may_be_probed: Callable[[str], bool]) -> list[Place]:
        """Probe the mailbox that waits longest, if one is due; return its folders that may have changed."""
        now = self._clock()
        mailbox = min(self._due_at, key=self._due_at.__getitem__, default="")
        if not mailbox or self._due_at[mailbox] > now:
            return []
        self._due_at[mailbox] = now + self._interval_ms
        watched = self._values.get(mailbox, {})
        if not watched:
            del self._due_at[mailbox]
        if not watched or not may_be_probed(mailbox):
            return []
        values = self._target.probe(addresses[mailbox], [target_id for target_id, _ in watched.values()])
        return [
            (mailbox, folder_id)
            for folder_id, (target_id, before) in watched.items()
            if not folder_probe.is_unchanged(before, values.get(target_id, ""))
        ]
