"""Which part of a mailbox a target holds: by folder, item class and age. Pure.

What is left out keeps a record without a target item, so that its later marks and moves are understood; what comes
into scope is asked of the feed, what leaves it is withdrawn from the target. Age is that at capture: what was taken
in grows old there.
"""

import hashlib
from dataclasses import dataclass

from schemas import wire_values
from schemas.change import FolderSaved, ItemSaved, Summary
from schemas.state import TargetFolder

LEFT_OUT_FOLDER = "folder"
LEFT_OUT_CLASS = "class"
DAY_SECONDS = 86_400
LEFT_OUT_AGE = "age"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a target leaves out.

    Folders by distinguished id or by name right below the top, with all below them; classes by prefix; items received
    more than so many days before they were captured (0: none).
    """

    folders_left_out: tuple[str, ...] = ()
    classes_left_out: tuple[str, ...] = ()
    age_days_max: int = 0

    @property
    def digest(self) -> str:
        """What tells one scope from another; empty where nothing is left out."""
        parts = (sorted(map(str.casefold, self.folders_left_out)), sorted(map(str.upper, self.classes_left_out)))
        return "" if self == Scope() else hashlib.sha256(repr((*parts, self.age_days_max)).encode()).hexdigest()[:16]

    @property
    def holds_whole_folders(self) -> bool:
        """Whether a folder in scope holds all its source holds, so that the source's checksum means it."""
        return not self.classes_left_out and not self.age_days_max

    def leaves_out_folder(self, saved: FolderSaved, parent: TargetFolder | None) -> bool:
        """Tell whether a folder is left out, given what is known of its parent."""
        if parent is not None and parent.left_out:
            return True
        names = {name.casefold() for name in self.folders_left_out}
        is_at_top = parent is None or parent.distinguished == "msgfolderroot"
        return saved.distinguished.casefold() in names or (is_at_top and saved.name.casefold() in names)

    def leaves_out_item(self, saved: ItemSaved, captured_at_ms: int) -> str:
        """Return why an item is left out, or nothing."""
        item_class = saved.summary.item_class.upper()
        if any(item_class.startswith(prefix.upper()) for prefix in self.classes_left_out):
            return LEFT_OUT_CLASS
        return LEFT_OUT_AGE if self._is_too_old(saved.summary, captured_at_ms) else ""

    def _is_too_old(self, summary: Summary, captured_at_ms: int) -> bool:
        if not self.age_days_max:
            return False
        received_seconds = wire_values.moment_seconds(summary.received_at)
        if received_seconds is None:
            return False  # a date nobody can read leaves nothing out
        return captured_at_ms / 1000 - received_seconds > self.age_days_max * DAY_SECONDS
