"""Records of the state topics folded into where every mailbox stands, kept small: whole items are counted, not kept.

State: the newest mailbox records; of items only those that need more work, by key; when each position moved.
Order: records of one key come in order; records of different keys in any.
Failure: nothing is kept; a new monitor reads the topics from their beginning.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from deploy.observation.health import DIFFERS, Look
from deploy.observation.losses import MISSING
from schemas.backlog import is_level
from schemas.codec import decode
from schemas.roles import users_work_at
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Orphan,
    TargetFolder,
    TargetMailbox,
)

SOURCE = ""
"""Stands for the source where otherwise a target's name does."""


def notable(record: object) -> dict[str, int]:
    """Return what of an item or a folder needs more work, by kind; `differs:` before what a checksum found."""
    match record:
        case IndexEntry():
            return {k: 1 for k, is_so in (("owed", record.owed), ("pending", record.pending)) if is_so}
        case ItemRecord(state=ItemState.PARKED):
            return {"dropped" if record.dropped_at else "parked": 1}
        case ItemRecord(is_wanted=True):
            return {"wanted": 1}
        case Orphan():
            return {"orphan": 1}
        case TargetFolder():
            return {f"differs:{kind}": number for kind, number in record.divergence.items() if number}
        case _:
            return {}


class Fold:
    """Where every mailbox stands; used by one thread at a time."""

    def __init__(self, hold_seconds: Mapping[str, float]) -> None:
        self._hold_seconds = dict(hold_seconds)
        self.sources: dict[str, MailboxRecord] = {}
        self.targets: dict[str, dict[str, TargetMailbox]] = {target: {} for target in hold_seconds}
        self._notable: dict[tuple[str, str], dict[str, int]] = {}
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._missing: dict[tuple[str, str], set[str]] = {}
        self._since: dict[tuple[str, str], dict[str, int]] = {}
        self._moved_at: dict[tuple[str, str], int] = {}
        self._level_at: dict[tuple[str, str], int] = {}

    def take(self, server: str, key: str, value: bytes | None, now: int, written_at: int = 0) -> None:
        """Take one record of a server's state (`SOURCE` or a target's name), as it came at `now` (milliseconds).

        `written_at` is when the log took it; 0: now.
        """
        mailbox, _, rest = key.partition("/")
        record = decode(value) if value else None
        if rest:
            self._count(server, mailbox, rest, notable(record), written_at or now)
        elif isinstance(record, MailboxRecord):
            for target in self.targets:
                self._note_progress(target, mailbox, now)  # what waits now waits since now
            self.sources[mailbox] = record
            for target in self.targets:
                self._moved_at.setdefault((target, mailbox), now)
                self._note_progress(target, mailbox, now)
        elif isinstance(record, TargetMailbox):
            before = self.targets[server].get(mailbox)
            self.targets[server][mailbox] = record
            if before is None or before.applied != record.applied:
                self._moved_at[server, mailbox] = now
            self._note_progress(server, mailbox, now)

    def looks(self, target: str, mailbox: str = "") -> Iterator[Look]:
        """Yield every mailbox, or one, as it stands at a target."""
        known = [self.sources[mailbox]] if mailbox in self.sources else [] if mailbox else list(self.sources.values())
        for source in known:
            yield self._look(target, source)

    def _look(self, target: str, source: MailboxRecord) -> Look:
        at = (target, source.mailbox)
        record = self.targets[target].get(source.mailbox)
        counts = self._counts.get((SOURCE, source.mailbox), Counter()) + self._counts.get(at, Counter())
        if record and record.unsettled:
            counts["unsettled"] = len(record.unsettled)
        return Look(
            source=source,
            target=record,
            counts={k: n for k, n in counts.items() if not k.startswith("differs:")},
            missing=len(self._missing_at(at, record)),
            divergence={k.removeprefix("differs:"): n for k, n in counts.items() if k.startswith("differs:")},
            hold_seconds=self._hold_seconds[target],
            moved_at=self._moved_at.get(at, 0),
            level_at=self._level_at.get(at, 0),
            open_at=self._open_at(source.mailbox),
            since=self._since_at(at),
        )

    def _since_at(self, at: tuple[str, str]) -> dict[str, int]:
        """Return since when there are items of each kind; what differs is one kind."""
        since = self._since.get((SOURCE, at[1]), {}) | self._since.get(at, {})
        differs = [time for kind, time in since.items() if kind.startswith("differs:")]
        return since | {DIFFERS: min(differs, default=0)}

    def _missing_at(self, at: tuple[str, str], record: TargetMailbox | None) -> set[str]:
        """Return the keys of the items that a target is known to lack, each once whoever says so."""
        unsettled = record.unsettled if record else ()
        return self._missing.get((SOURCE, at[1]), set()) | self._missing.get(at, set()) | set(unsettled)

    def _open_at(self, mailbox: str) -> str:
        """Return the target where the users of a mailbox work after a promotion; none: at the source."""
        for target, records in self.targets.items():
            if (record := records.get(mailbox)) and users_work_at(record):
                return target
        return ""

    def _count(self, server: str, mailbox: str, rest: str, found: dict[str, int], at: int) -> None:
        key = (server, f"{mailbox}/{rest}")
        before = self._notable.pop(key, {})
        item = rest.removeprefix("item/")
        missing = self._missing.setdefault((server, mailbox), set())
        if item != rest and MISSING & found.keys():
            missing.add(item)
        else:
            missing.discard(item)
        if found:
            self._notable[key] = found
        if found != before:
            counts = self._counts.setdefault((server, mailbox), Counter())
            counts.subtract(before)
            counts.update(found)
            since = self._since.setdefault((server, mailbox), {})
            for kind in found:
                since.setdefault(kind, at)
            for kind in before:
                if counts[kind] <= 0:
                    since.pop(kind, None)

    def _note_progress(self, target: str, mailbox: str, now: int) -> None:
        """While a target is level it has moved, and what is certain is there."""
        source, record = self.sources.get(mailbox), self.targets[target].get(mailbox)
        if source and record and is_level(source, record):
            self._moved_at[target, mailbox] = now
            self._level_at[target, mailbox] = source.certain_up_to
