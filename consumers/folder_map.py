"""Folders of the target that stand for folders of the source (design §5).

By distinguished id where there is one, else by FolderId after a first match by name under the mapped parent.
Every step is idempotent by name or value and read back after doubt. Only making a folder is recorded before: else
one whose answer was lost would pass for somebody else's, and never be deleted. Its id is committed before anything is
renamed or moved: until then it is known by its name and place alone.
"""

import hashlib
import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from consumers.ledger import Ledger
from consumers.scope import Scope
from consumers.target import Done, HeldFolder, Outcome, Refused, Target
from schemas.change import Change, FolderDeleted, FolderSaved
from schemas.faults import GONE, ReplicationFault
from schemas.ports import CallRefused
from schemas.state import TargetFolder

log = logging.getLogger(__name__)

FOLDER_EXISTS = "ErrorFolderExists"
TOP = "msgfolderroot"


class FolderMap:
    """Keeps the folders of one target in step."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        commit: Callable[[], None],
        scope: Scope | None = None,
        prove_owned: Callable[[], None] = lambda: None,
    ) -> None:
        self._target = target
        self._prove_owned = prove_owned
        self._scope = scope or Scope()
        self._commit = commit
        self._ledger = ledger
        self._roots: dict[tuple[str, str], str] = {}

    def changes_scope(self, change: Change, saved: FolderSaved) -> bool:
        """Tell whether a folder that was in scope is not any more, or the other way round: its items are to be said."""
        known = self._ledger.folder(change.mailbox, saved.folder_id)
        is_news = known is not None and known.version < change.version
        return is_news and known is not None and known.left_out != self._leaves_out(change, saved)

    def _leaves_out(self, change: Change, saved: FolderSaved) -> bool:
        return self._scope.leaves_out_folder(saved, self._ledger.folder(change.mailbox, saved.parent_id))

    def save(self, address: str, change: Change, saved: FolderSaved) -> None:
        """Make the target's folder as the source's is: existing, below its parent, with its name."""
        known = self._ledger.folder(change.mailbox, saved.folder_id)
        if known and known.version >= change.version:
            self._take_in_children(address, change.mailbox, known)
            return
        if self._leaves_out(change, saved):
            self._leave_out(change, saved, known)
            return
        try:
            self._bring_in_line(address, change, saved, known)
        except CallRefused as refused:
            if refused.code not in GONE or not saved.parent_id:
                raise
            # somebody deleted its parent at the target: made anew, or, where that is not it, refused again
            self.restore(address, change.mailbox, saved.parent_id)
            self._bring_in_line(address, change, saved, self._ledger.folder(change.mailbox, saved.folder_id))
        if known is None or not known.target_id:
            self._take_in_children(address, change.mailbox, self._ledger.folder(change.mailbox, saved.folder_id))

    def _take_in_children(self, address: str, mailbox: str, parent: TargetFolder | None) -> None:
        """Put the folders below their parent that the log named before it: until now they stood at the top."""
        if parent is None or not parent.target_id:
            return
        for child in list(self._ledger.folders(mailbox)):
            is_below = child.parent_id == parent.folder_id and not child.distinguished and not child.left_out
            held = self._target.folder(address, child.target_id) if is_below and child.target_id else None
            if held and held.parent_id != parent.target_id:
                self._put_in_place(address, mailbox, _said(child), held)

    def is_left_out(self, mailbox: str, folder_id: str) -> bool:
        """Tell whether the target's scope leaves a source folder out."""
        known = self._ledger.folder(mailbox, folder_id)
        return known is not None and known.left_out

    def withdraw(self, address: str, mailbox: str) -> None:
        """Delete the folders we made, children first, whose items were withdrawn because they left the scope."""
        left = [f for f in self._ledger.folders(mailbox) if f.left_out and f.target_id]
        for folder in sorted(left, key=lambda f: f.version, reverse=True):
            self._delete_if_ours(address, folder)
            self._ledger.put_folder(mailbox, replace(folder, target_id="", created=False))

    def _leave_out(self, change: Change, saved: FolderSaved, known: TargetFolder | None) -> None:
        self._put(change, saved, known.target_id if known else "", created=bool(known and known.created), left_out=True)

    def _bring_in_line(self, address: str, change: Change, saved: FolderSaved, known: TargetFolder | None) -> None:
        target_id, created = (known.target_id, known.created) if known else ("", False)
        held = self._target.folder(address, target_id) if target_id else None
        if held is None:
            target_id, created = self._adopt_or_create(address, change.mailbox, saved)
        elif not saved.distinguished:
            self._put_in_place(address, change.mailbox, saved, held)
        self._put(change, saved, target_id, created=created, left_out=False)

    def _put(self, change: Change, saved: FolderSaved, target_id: str, *, created: bool, left_out: bool) -> None:
        self._ledger.put_folder(
            change.mailbox,
            TargetFolder(
                folder_id=saved.folder_id,
                target_id=target_id,
                parent_id=saved.parent_id,
                name=saved.name,
                folder_class=saved.folder_class,
                distinguished=saved.distinguished,
                created=created,
                generation=change.generation,
                sequence=change.sequence,
                left_out=left_out,
            ),
        )

    def delete(self, address: str, mailbox: str, deleted: FolderDeleted, *, in_seed: bool = False) -> None:
        """Delete a folder we made, if it is empty; what others put there keeps it.

        In a seed what lies there may be ours and named no more: the folder stays mapped as one that the seed did not
        name, and is looked at again when it ends.
        """
        known = self._ledger.folder(mailbox, deleted.folder_id)
        if known is None:
            return
        if not self._delete_if_ours(address, known) and in_seed:
            self._ledger.put_folder(mailbox, replace(known, generation=0, sequence=0, checksum=None))
        else:
            self._ledger.drop_folder(mailbox, deleted.folder_id)

    def _delete_if_ours(self, address: str, known: TargetFolder) -> bool:
        """Delete a folder we made; False if it is not empty."""
        is_ours = known.created and known.target_id and not known.distinguished
        held = self._target.folder(address, known.target_id) if is_ours else None
        if held is None:
            return True
        if held.total_count or held.child_count:
            return False
        outcome = self._writing().delete_folder(address, known.target_id)
        if isinstance(outcome, Refused) and outcome.code not in GONE:
            raise CallRefused(outcome.code, outcome.text)
        return True

    def require_visible(self, address: str, mailbox: str, folder_ids: Collection[str]) -> None:
        """Make the folders anew that users can't see any more, before items are moved into them.

        Some servers keep a softly deleted folder readable and writable by its id: a move into it succeeds, and nobody
        sees the item. A distinguished folder can't be deleted.
        """
        mapped = [f for i in folder_ids if (f := self._ledger.folder(mailbox, i)) and f.target_id]
        if all(folder.distinguished for folder in mapped):
            return
        visible = frozenset(self._target.folder_ids(address))
        for folder in mapped:
            if not folder.distinguished and folder.target_id not in visible:
                log.warning("folder is hidden, made anew", extra={"mailbox": mailbox, "folder": folder.target_id})
                self.restore(address, mailbox, folder.folder_id, visible)

    def restore(self, address: str, mailbox: str, folder_id: str, visible: Collection[str] | None = None) -> None:
        """Make a mapped folder anew that somebody deleted at the target, or that is not among the visible ones."""
        known = self._ledger.folder(mailbox, folder_id)
        if known is None or not known.target_id:
            return
        is_visible = visible is None or known.distinguished or known.target_id in visible
        if is_visible and self._target.folder(address, known.target_id) is not None:
            return
        if known.parent_id:
            self.restore(address, mailbox, known.parent_id, visible)
        target_id, created = self._adopt_or_create(address, mailbox, _said(known))
        self._ledger.put_folder(mailbox, replace(known, target_id=target_id, created=created))

    def target_id(self, mailbox: str, folder_id: str) -> str:
        """Return the target folder for a source folder; CallRefused if the log never named it."""
        known = self._ledger.folder(mailbox, folder_id)
        if known is None or not known.target_id:
            raise CallRefused(
                ReplicationFault.FOLDER_UNKNOWN, f"mailbox {mailbox}: a change names a folder the log did not"
            )
        return known.target_id

    def root(self, address: str, name: str) -> str:
        """Return the id of a distinguished folder, asked once."""
        key = (address, name)
        if key not in self._roots:
            self._roots[key] = self._target.root(address, name)
        return self._roots[key]

    def _parent(self, address: str, mailbox: str, parent_id: str) -> str:
        known = self._ledger.folder(mailbox, parent_id) if parent_id else None
        return known.target_id if known and known.target_id else self.root(address, TOP)

    def _writing(self) -> Target:
        """Return the target right before a call that nothing guards: who slept and is fenced must not send it."""
        self._prove_owned()
        return self._target

    def _rearranging(self) -> Target:
        """Return the target right before a folder changes its name or place: what was made is known by its id first."""
        self._commit()
        return self._writing()

    def _adopt_or_create(self, address: str, mailbox: str, saved: FolderSaved) -> tuple[str, bool]:
        if saved.distinguished:
            return self.root(address, saved.distinguished), False
        parent_id = self._parent(address, mailbox, saved.parent_id)
        taken = {f.target_id: f.folder_id for f in self._ledger.folders(mailbox)}
        found = self._target.find_child(address, parent_id, saved.name)
        known = self._ledger.folder(mailbox, saved.folder_id)
        if found and taken.get(found.folder_id, saved.folder_id) == saved.folder_id:
            return found.folder_id, bool(known and known.created)
        if found:
            self._set_aside(address, found)
        if known is None or not known.created:
            self._announce(mailbox, saved, known)
        outcome = self._writing().create_folder(address, parent_id, saved.name, saved.folder_class, hidden=False)
        if isinstance(outcome, Done):
            return outcome.item_id, True
        if outcome.code == FOLDER_EXISTS and (again := self._target.find_child(address, parent_id, saved.name)):
            return again.folder_id, True
        raise CallRefused(outcome.code, f"mailbox {mailbox}: a folder can't be made: {outcome.text}")

    def _announce(self, mailbox: str, saved: FolderSaved, known: TargetFolder | None) -> None:
        """Commit that a folder is about to be made: what is found under its name afterwards is ours.

        One that was adopted and is gone keeps its dead id until then: a move into it fails and makes it anew.
        """
        fresh = TargetFolder(
            folder_id=saved.folder_id, target_id="", parent_id=saved.parent_id, name=saved.name,
            folder_class=saved.folder_class, distinguished="", created=True, generation=0, sequence=0,
        )  # fmt: skip
        self._ledger.put_folder(mailbox, replace(known, created=True) if known else fresh)
        self._commit()

    def _put_in_place(self, address: str, mailbox: str, saved: FolderSaved, held: HeldFolder) -> None:
        parent_id = self._parent(address, mailbox, saved.parent_id)
        is_elsewhere = held.parent_id != parent_id
        if not is_elsewhere and held.name == saved.name:
            return
        blocking = self._target.find_child(address, parent_id, saved.name)
        if blocking and blocking.folder_id != held.folder_id:
            if not self._is_ours(mailbox, blocking):
                # somebody else's folder keeps its name; ours stands beside it
                self._set_aside(address, held)
                if is_elsewhere:
                    self._check(mailbox, self._rearranging().move_folder(address, held.folder_id, parent_id))
                return
            self._set_aside(address, blocking)
        if is_elsewhere and held.name != saved.name:
            # the new parent may hold a folder of the old name: pass through one nobody has
            self._set_aside(address, held)
        outcomes = []
        if is_elsewhere:
            outcomes.append(self._rearranging().move_folder(address, held.folder_id, parent_id))
        if held.name != saved.name:
            outcomes.append(self._rearranging().rename_folder(address, held.folder_id, saved.name))
        for outcome in outcomes:
            self._check(mailbox, outcome)

    @staticmethod
    def _check(mailbox: str, outcome: Outcome) -> None:
        if isinstance(outcome, Refused):
            raise CallRefused(outcome.code, f"mailbox {mailbox}: a folder can't be put in place: {outcome.text}")

    def _set_aside(self, address: str, held: HeldFolder) -> None:
        """Give a folder a name nobody has: at the source it was renamed, moved or deleted, which follows."""
        suffix = hashlib.sha256(held.folder_id.encode()).hexdigest()[:8]
        name = held.name if held.name.endswith(f"({suffix})") else f"{held.name} ({suffix})"
        outcome = self._rearranging().rename_folder(address, held.folder_id, name)
        if isinstance(outcome, Refused):
            raise CallRefused(outcome.code, f"a folder can't be set aside: {outcome.text}")

    def _is_ours(self, mailbox: str, held: HeldFolder) -> bool:
        return any(f.target_id == held.folder_id for f in self._ledger.folders(mailbox))


def _said(folder: TargetFolder) -> FolderSaved:
    """Return what the log said last of a mapped folder."""
    return FolderSaved(
        folder_id=folder.folder_id,
        parent_id=folder.parent_id,
        name=folder.name,
        folder_class=folder.folder_class,
        distinguished=folder.distinguished,
    )
