"""The log of one mailbox folded into what it held at a time: what `restore` places (design §12). Pure.

Order: changes are folded as a replay would apply them, without a target: a save replaces content, folder and marks; a
mark or move changes the rest; a deletion ends it; the end of a seed ends what the seed did not name.
Failure: what is known to have been there and has no content within the log is kept apart, never left out in silence.
"""

from dataclasses import dataclass, field, replace

from consumers.subscription import Received
from schemas.change import (
    Barrier,
    Change,
    FolderDeleted,
    FolderSaved,
    Handover,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemSaved,
    ItemUnreadable,
    Marks,
    SeedBegin,
    SeedEnd,
    Version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedItem:
    """An item as it stood: where its content is in the log (-1: not within it), its folder, marks and version."""

    item: str
    folder_id: str
    marks: Marks | None
    content_offset: int
    begins_at: int
    version: Version
    reason: str = ""


@dataclass(slots=True)
class Folded:
    """A mailbox as it stood.

    `first` is the first change the log has of it, `seeded_from` the beginning of the last seed that ended. What the
    log holds is whole if it begins with the first change there ever was, or a seed within it named everything.
    `is_ended`: the source's role ended at `ended_at` (milliseconds): what its users did since is in another log.
    """

    folders: dict[str, FolderSaved] = field(default_factory=dict)
    items: dict[str, FoldedItem] = field(default_factory=dict)
    first: Version | None = None
    first_at: int = 0
    last_at: int = 0
    changes: int = 0
    is_seeded: bool = False
    gaps: int = 0
    is_ended: bool = False
    ended_at: int = 0
    _last: Version | None = None
    _folder_versions: dict[str, Version] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether nothing that was there can be missing."""
        begins = self.first == Version(generation=1, sequence=1)
        return self.is_seeded or (begins and not self.gaps)

    def parents_first(self) -> list[FolderSaved]:
        """Return the folders, each after the one it is in."""

        def depth(folder_id: str) -> int:
            steps = 0
            while (folder := self.folders.get(folder_id)) and steps <= len(self.folders):
                folder_id, steps = folder.parent_id, steps + 1
            return steps

        return sorted(self.folders.values(), key=lambda f: depth(f.folder_id))

    def restorable(self) -> dict[int, FoldedItem]:
        """Return the items with content in the log and a folder it named, by the offset of that content."""
        return {
            i.content_offset: i for i in self.items.values() if i.content_offset >= 0 and i.folder_id in self.folders
        }

    def lost(self) -> dict[str, int]:
        """Count what was there and can't be restored, by reason."""
        counted: dict[str, int] = {}
        for item in self.items.values():
            reason = ""
            if item.content_offset < 0:
                reason = item.reason or "content older than the log"
            elif item.folder_id not in self.folders:
                reason = "folder older than the log"
            if reason:
                counted[reason] = counted.get(reason, 0) + 1
        return counted

    def take(self, received: Received) -> None:
        """Fold in the next change of the mailbox; one that was taken before changes nothing."""
        change = received.change
        if self._last is not None and change.version <= self._last:
            return
        is_next = self._last is not None and change.version == _after(self._last)
        is_seed = isinstance(change.operation, SeedBegin)
        # the tail of an old source follows its barrier; what happened at another server meanwhile is not in this log
        is_next |= isinstance(change.operation, Handover) and change.operation.previous == self._last
        if self._last is not None and not is_next and not is_seed:
            self.gaps += 1
            self.is_seeded = False
        self.first = self.first or change.version
        self.first_at = self.first_at or received.appended_at
        self.last_at, self._last = received.appended_at, change.version
        self.changes += 1
        if isinstance(change.operation, Barrier):
            self.is_ended, self.ended_at = True, received.appended_at
        elif is_seed or (isinstance(change.operation, Handover) and change.operation.previous is None):
            self.is_ended = False
        self._apply(received, change)

    def _apply(self, received: Received, change: Change) -> None:
        match change.operation:
            case FolderSaved() as saved:
                self.folders[saved.folder_id] = saved
                self._folder_versions[saved.folder_id] = change.version
            case FolderDeleted(folder_id=folder_id):
                self.folders.pop(folder_id, None)
            case ItemSaved() as saved:
                self.items[saved.ref.item] = FoldedItem(
                    item=saved.ref.item, folder_id=saved.ref.folder_id, marks=saved.marks,
                    content_offset=received.offset, begins_at=received.begins_at, version=change.version,
                )  # fmt: skip
            case ItemMarked() as marked:
                known = self._known(marked.ref.item, marked.ref.folder_id)
                self.items[marked.ref.item] = replace(known, marks=marked.marks, version=change.version)
            case ItemMoved() as moved:
                known = self._known(moved.ref.item, moved.ref.folder_id)
                self.items[moved.ref.item] = replace(known, folder_id=moved.ref.folder_id, version=change.version)
            case ItemUnreadable() as unreadable:
                known = self._known(unreadable.ref.item, unreadable.ref.folder_id)
                self.items[unreadable.ref.item] = replace(known, version=change.version, reason=unreadable.reason)
            case ItemDeleted() as deleted:
                self.items.pop(deleted.ref.item, None)
            case SeedEnd(begun=begun):
                self._end_seed(Version(generation=change.generation, sequence=begun))

    def _known(self, item: str, folder_id: str) -> FoldedItem:
        nothing = Version(generation=0, sequence=0)
        blank = FoldedItem(
            item=item, folder_id=folder_id, marks=None, content_offset=-1, begins_at=-1, version=nothing
        )  # fmt: skip
        return self.items.get(item, blank)

    def _end_seed(self, begun: Version) -> None:
        """Forget what the seed did not name; a seed that begins within the log says all there was."""
        self.items = {i: item for i, item in self.items.items() if item.version >= begun}
        self.folders = {f: saved for f, saved in self.folders.items() if self._folder_versions[f] >= begun}
        self.is_seeded = self.is_seeded or (self.first is not None and begun >= self.first)


def _after(version: Version) -> Version:
    return replace(version, sequence=version.sequence + 1)
