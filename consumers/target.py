"""What the replay needs of a target server, as values and one port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from schemas.change import Marks
from schemas.listing import ListingPage


@dataclass(frozen=True, slots=True)
class Done:
    """The server did it; the item or folder has this id and ChangeKey now."""

    item_id: str
    change_key: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server did not do it; `text` says why, without content."""

    code: str
    text: str = ""


Outcome = Done | Refused


@dataclass(frozen=True, slots=True)
class Held:
    """An item as the target shows it: id, ChangeKey, our stamp (or nothing), marks, and what it is told from others by.

    An empty Message-ID or subject is not known.
    """

    item_id: str
    change_key: str
    stamp: str
    marks: Marks
    message_id: str = field(default="", compare=False, repr=False)
    subject: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HeldFolder:
    """A folder as the target shows it."""

    folder_id: str
    parent_id: str
    name: str
    total_count: int
    child_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableItem:
    """A message to create from MIME; `properties` maps a property tag (0x0e07) to its value.

    `subject` is set beside the MIME, which can't carry every text; empty: as the MIME says.
    """

    mime: bytes
    item_class: str
    properties: dict[str, str]
    marks: Marks
    stamp: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """New stamp and marks (None: as they are) for one item; refused if its ChangeKey is not the given one."""

    item_id: str
    change_key: str
    stamp: str
    marks: Marks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """New content, stamp and marks for one item where it is; refused if its ChangeKey is not the given one.

    The content is the MIME of a message, with the properties and the subject that a server may lose when it rebuilds
    the item from MIME; of anything else its elements (`schemas.element_values`), and those it has at the target now:
    what differs is set or deleted.
    """

    item_id: str
    change_key: str
    stamp: str
    marks: Marks
    mime: bytes = b""
    properties: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    elements: bytes = b""
    present: bytes = b""


class Target(Protocol):
    """A mailbox server that is written to; one outcome an input, in order.

    Every method raises CallRefused (nothing was done) or AnswerUnknown (look before acting); none re-sends.
    """

    def root(self, address: str, name: str) -> str:
        """Return the FolderId of a distinguished folder; CallRefused if there is none."""
        ...

    def find_child(self, address: str, parent_id: str, name: str) -> HeldFolder | None:
        """Return the folder of this name (case does not matter) right below another."""
        ...

    def folder(self, address: str, folder_id: str) -> HeldFolder | None:
        """Return a folder by id."""
        ...

    def folder_ids(self, address: str) -> list[str]:
        """Return the FolderId of every folder users can see, at any depth."""
        ...

    def create_folder(self, address: str, parent_id: str, name: str, folder_class: str, *, hidden: bool) -> Outcome:
        """Create a folder."""
        ...

    def rename_folder(self, address: str, folder_id: str, name: str) -> Outcome:
        """Give a folder another name."""
        ...

    def move_folder(self, address: str, folder_id: str, parent_id: str) -> Outcome:
        """Hang a folder below another."""
        ...

    def delete_folder(self, address: str, folder_id: str) -> Outcome:
        """Delete an empty folder, softly."""
        ...

    def upload(self, address: str, folder_id: str, streams: list[bytes]) -> list[Outcome]:
        """Create items from export streams."""
        ...

    def create(self, address: str, folder_id: str, items: list[PortableItem]) -> list[Outcome]:
        """Create messages from MIME, stamped in the same call; nothing is sent."""
        ...

    def update(self, address: str, updates: list[Update]) -> list[Outcome]:
        """Set stamp and marks, never overwriting somebody else's write, never sending a receipt."""
        ...

    def edit(self, address: str, edits: list[Edit]) -> list[Outcome]:
        """Set content, stamp and marks of items, as `update` does; what is not named in the content stays as it is."""
        ...

    def mimes(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:
        """Return the MIME of messages by id."""
        ...

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:
        """Return the settable elements of items by id."""
        ...

    def move(self, address: str, item_ids: list[str], folder_id: str) -> list[Outcome]:
        """Move items; each gets a new id."""
        ...

    def delete(self, address: str, item_ids: list[str], *, hard: bool) -> list[Outcome]:
        """Delete items, for good or recoverably."""
        ...

    def find(self, address: str, folder_ids: list[str], stamps: list[str]) -> list[Held]:
        """Return the items in these folders that carry one of the stamps."""
        ...

    def look(self, address: str, item_ids: list[str]) -> list[Held | Refused]:
        """Return items by id."""
        ...

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Return a value of each folder that changes with what it holds (`schemas.folder_probe`); gone ones lack."""
        ...

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:
        """List one page of a folder's items from an offset on, with our stamps; CallRefused if it is not there."""
        ...

    def listed(self, address: str, folder_id: str) -> list[Held]:
        """Return the items of a folder, at most 1,000."""
        ...
