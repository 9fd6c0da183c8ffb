"""The scratch mailboxes of a rehearsal: proved to be nobody's before, emptied of what it placed afterwards.

Order, taking away: what carries the rehearsal's stamp, then the folders it made, children first, then its staging.
Failure: what is not the rehearsal's own stays where it is, and so does a folder that holds such; it is counted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.target import HeldFolder, Refused
from deploy import wiring
from deploy.exchange import Session
from deploy.removal import remove_staging
from deploy.sections import ServerSection
from deploy.throttle import Throttle
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.listed_folder import read_side
from schemas import ews
from schemas.ews import M, T, child_text
from schemas.faults import GONE
from schemas.identity import Stamp
from schemas.metrics import SessionMetrics
from schemas.ports import CallRefused
from schemas.state import TargetFolder

CALL_ITEMS_MAX = 100
STAGING = "mailshadow-staging-"
TOP, RECOVERABLE = "msgfolderroot", "recoverableitemsdeletions"
ADVICE = "`mailshadow rehearse --clean-up` takes away what an earlier rehearsal left, else name another"
_BELOW_ROOT = (
    '<m:FindFolder Traversal="Shallow"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
    f"<m:ParentFolderIds>{ews.distinguished_ref('root')}</m:ParentFolderIds></m:FindFolder>"
)


class ScratchError(Exception):
    """A scratch mailbox is not what a rehearsal may write to; the text says which and why."""


@dataclass(slots=True)
class Thrown:
    """What was taken away of a scratch mailbox, and what stays: items that are not ours, folders that hold such."""

    items: int = 0
    folders: int = 0
    foreign_items: int = 0
    folders_left: int = 0

    def plus(self, other: "Thrown") -> "Thrown":
        """Return the sum of two."""
        return Thrown(
            self.items + other.items,
            self.folders + other.folders,
            self.foreign_items + other.foreign_items,
            self.folders_left + other.folders_left,
        )


class Scratch:
    """The scratch server."""

    def __init__(self, section: ServerSection) -> None:
        self._session = Session(
            wiring.server_settings(section), Throttle(section.calls_at_once_max), SessionMetrics(CollectorRegistry())
        )
        self.target = ExchangeTarget(self._session)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def require_nobodys(self, address: str, known_folders: Collection[str]) -> None:
        """Raise ScratchError unless the mailbox is empty, and none that any server of the pipeline has.

        `known_folders` are FolderIds of the pipeline's servers: one of them here means that this is the same mailbox
        by another name. Staging folders are those of whatever replays here, or of a rehearsal that was killed.
        """
        folder_ids = self.target.folder_ids(address)
        if not set(folder_ids).isdisjoint(known_folders):
            raise ScratchError(f"{address}: is a mailbox of the pipeline itself by another name; name an empty one")
        if self._staging(address):
            raise ScratchError(f"{address}: something is replayed into this mailbox, or was; {ADVICE}")
        for folder_id in folder_ids:
            held = self.target.folder(address, folder_id)
            if held is not None and held.total_count:
                raise ScratchError(
                    f"{address}: is not empty, and a rehearsal writes only into empty mailboxes; {ADVICE}"
                )

    def throw_away(self, address: str, known: MailboxKnowledge, stamp_name: str) -> Thrown:
        """Take away what a rehearsal placed in a mailbox; running again takes away what is left."""
        thrown = Thrown()
        for folder_id in self.target.folder_ids(address):
            self._delete_ours(address, folder_id, stamp_name, thrown)
        # the replay deletes as users do: what the log deletes can be recovered until here
        self._delete_ours(address, self.target.root(address, RECOVERABLE), stamp_name, thrown)
        for folder in _children_first(known.target_folders):
            held = self._held(address, folder, known.target_folders)
            if held is not None and (held.total_count or held.child_count):
                thrown.folders_left += 1
            elif held is not None:
                thrown.folders += remove_staging(self._session, address, {"": held.folder_id})
        staging = {n: i for n, i in self._staging(address).items() if n.startswith(f"{STAGING}{stamp_name}-")}
        thrown.folders += remove_staging(self._session, address, staging)
        return thrown

    def _held(self, address: str, made: TargetFolder, folders: Mapping[str, TargetFolder]) -> HeldFolder | None:
        """Return a folder that was made; by its name where nobody wrote down what the server answered."""
        if made.target_id:
            return self.target.folder(address, made.target_id)
        parent = folders.get(made.parent_id)
        parent_id = parent.target_id if parent else "" if made.parent_id else self.target.root(address, TOP)
        return self.target.find_child(address, parent_id, made.name) if parent_id else None

    def _delete_ours(self, address: str, folder_id: str, stamp_name: str, thrown: Thrown) -> None:
        listed = read_side(self.target.listing, address, folder_id).items
        ours = [i for i, item in listed.items() if (s := Stamp.parse(item.stamp)) and s.target == stamp_name]
        thrown.foreign_items += len(listed) - len(ours)
        for start in range(0, len(ours), CALL_ITEMS_MAX):
            outcomes = self.target.delete(address, ours[start : start + CALL_ITEMS_MAX], hard=True)
            refused = [o for o in outcomes if isinstance(o, Refused) and o.code not in GONE]
            if refused:
                raise ScratchError(f"{address}: {len(refused)} items can't be deleted ({refused[0].code}); try again")
            thrown.items += len(outcomes)

    def _staging(self, address: str) -> dict[str, str]:
        """Return the staging folders of whatever replays here by name, also one whose making nobody wrote down."""
        message = self._session.call("FindFolder", address, _BELOW_ROOT, 1).messages[0]
        if not message.is_done or message.element is None:
            raise CallRefused(message.code, message.text)
        found = message.element.iterfind(f"{M}RootFolder/{T}Folders/*")
        named = {child_text(f, f"{T}DisplayName"): f.find(f"{T}FolderId") for f in found}
        return {
            name: str(reference.get("Id", ""))
            for name, reference in named.items()
            if name.startswith(STAGING) and reference is not None
        }


def _children_first(folders: Mapping[str, TargetFolder]) -> list[TargetFolder]:
    """Return the folders that were made, each before the one it is in."""

    def depth(folder_id: str) -> int:
        steps = 0
        while (folder := folders.get(folder_id)) and steps <= len(folders):
            folder_id, steps = folder.parent_id, steps + 1
        return steps

    made = [f for f in folders.values() if f.created and not f.distinguished]
    return sorted(made, key=lambda f: depth(f.folder_id), reverse=True)
