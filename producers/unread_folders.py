"""Folders that the source did not let be read to their end: why, how often in a row, and when each is tried again.

State: in memory only. The cursors of these folders were not advanced, so a new owner tries all of them at once.
"""

from collections.abc import Collection
from dataclasses import dataclass

RETRY_SECONDS_FIRST = 0.5
RETRY_SECONDS_MAX = 300.0
LASTING_ATTEMPTS = 3
"""After so many failures in a row a folder is told as set aside; fewer may be a passing fault."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a folder was not read, how often in a row, and when it is tried again (milliseconds)."""

    code: str
    attempts: int
    retry_at: int


class UnreadFolders:
    """The unread folders of one mailbox."""

    def __init__(self) -> None:
        self._refusals: dict[str, Refusal] = {}

    def __len__(self) -> int:
        return len(self._refusals)

    def __contains__(self, folder_id: str) -> bool:
        return folder_id in self._refusals

    @property
    def folder_ids(self) -> frozenset[str]:
        """The folders whose content is not known to its end."""
        return frozenset(self._refusals)

    def refuse(self, folder_id: str, code: str, now: int, *, at_once: bool = False) -> int:
        """Note a failed reading and return how many there were in a row; `at_once`: the folder is due immediately."""
        attempts = self.attempts(folder_id) + 1
        wait_seconds = 0.0 if at_once else min(RETRY_SECONDS_FIRST * 2.0 ** min(attempts, 16), RETRY_SECONDS_MAX)
        self._refusals[folder_id] = Refusal(code, attempts, now + int(wait_seconds * 1000))
        return attempts

    def read(self, folder_id: str) -> None:
        """Forget a folder that was read to its end."""
        self._refusals.pop(folder_id, None)

    def keep_only(self, folder_ids: Collection[str]) -> None:
        """Forget folders that are not among these."""
        self._refusals = {f: r for f, r in self._refusals.items() if f in folder_ids}

    def attempts(self, folder_id: str) -> int:
        """Return how often in a row a folder could not be read."""
        refusal = self._refusals.get(folder_id)
        return refusal.attempts if refusal else 0

    def is_set_aside(self, folder_id: str, now: int) -> bool:
        """Tell whether a folder waits before it is tried again."""
        refusal = self._refusals.get(folder_id)
        return refusal is not None and now < refusal.retry_at

    def next_due_at(self) -> int | None:
        """Return when the next folder is to be tried again (milliseconds), or None."""
        return min((r.retry_at for r in self._refusals.values()), default=None)

    def reason(self) -> str:
        """Return in a few words what lasts: how many folders are set aside, and why; empty for passing faults."""
        lasting = [r.code for r in self._refusals.values() if r.attempts >= LASTING_ATTEMPTS]
        if not lasting:
            return ""
        unit = "folder" if len(lasting) == 1 else "folders"
        return f"{len(lasting)} {unit} not read: {', '.join(sorted(set(lasting)))}"
