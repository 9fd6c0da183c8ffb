"""Transaction events: what a feed writes and a replay reads (wire format: schemas/README.md).

Every class mirrors the Avro record of the same name in `schemas/avro`; a test compares them field by field.
"""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a user can set on an item without touching its content; dates are ISO 8601 in UTC."""

    is_read: bool
    flag_status: str = "NotFlagged"
    flag_start: str | None = None
    flag_due: str | None = None
    flag_completed: str | None = None
    categories: tuple[str, ...] = ()
    importance: str = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRef:
    """An item as its source named it at capture; empty search key or fingerprint means unknown."""

    item: str
    item_id: str
    folder_id: str
    change_key: str
    search_key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Small properties of an item, readable by any other consumer of the topic without its content."""

    item_class: str
    subject: str
    sender: str
    message_id: str
    sent_at: str
    received_at: str
    size_bytes: int
    has_attachments: bool
    is_draft: bool


class Form(StrEnum):
    """How content is carried."""

    STREAM = "STREAM"
    PORTABLE = "PORTABLE"
    ELEMENTS = "ELEMENTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content in one form: `body` inline, or empty with `chunk_count` chunk records before the change."""

    form: Form
    size_bytes: int
    sha256: str
    chunk_count: int
    body: bytes
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a large body, named by the hash of the whole."""

    mailbox: str
    item: str
    sha256: str
    index: int
    count: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Version:
    """Position in a mailbox: generation, then dense sequence."""

    generation: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedBegin:
    """From here to the end of the seed every folder and item is named once; `previous` None is unknown."""

    previous: Version | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEnd:
    """What a target holds and the seed begun at sequence `begun` did not name is gone at the source."""

    begun: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSaved:
    """Complete state of a folder: creation, rename and move are the same change."""

    folder_id: str
    parent_id: str
    name: str
    folder_class: str
    distinguished: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDeleted:
    """The folder is gone; its items went by changes before this one."""

    folder_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSaved:
    """Complete state of an item: new, copied or with new content; `targets` asked for it."""

    ref: ItemRef
    summary: Summary
    marks: Marks
    contents: tuple[Content, ...]
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMarked:
    """New marks, all of them; the content is unchanged."""

    ref: ItemRef
    marks: Marks


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMoved:
    """The item has a new id in another folder; content and marks are unchanged."""

    ref: ItemRef
    from_folder_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted:
    """The item is gone at the source."""

    ref: ItemRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUnreadable:
    """The source names the item and does not hand it out, after the last retry."""

    ref: ItemRef
    reason: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What a source folder holds at this sequence: item count and digest of `canonical_row`, version `form`."""

    folder_id: str
    items: int
    digest: str
    form: int
    has_flags: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """The source ends its role in the mailbox here: nothing is captured until a new generation begins (design §8).

    `complete`: a round begun after the close found nothing, and nothing was owed, pending or unread; times in
    milliseconds.
    """

    promotion: str
    role: str
    target: str
    reason: str
    at: int
    planned: bool
    complete: bool
    certain_up_to: int
    owed: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A generation begins without a seed: whoever applied `previous`, or took it over by `promotion`, goes on."""

    previous: Version | None
    promotion: str
    reason: str


ItemOperation = ItemSaved | ItemMarked | ItemMoved | ItemDeleted | ItemUnreadable
Operation = SeedBegin | SeedEnd | FolderSaved | FolderDeleted | ItemOperation | Checksum | Barrier | Handover


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one mailbox at one position; `captured_at` in milliseconds since 1970 (UTC)."""

    mailbox: str
    generation: int
    sequence: int
    captured_at: int
    source_version: str
    operation: Operation

    @property
    def version(self) -> Version:
        """Where this change stands in its mailbox."""
        return Version(generation=self.generation, sequence=self.sequence)


def subject_of(operation: Operation) -> str:
    """Return what an operation is about, for the key of its record: item key, folder id, or the word for a mailbox."""
    match operation:
        case FolderSaved(folder_id=folder_id) | FolderDeleted(folder_id=folder_id) | Checksum(folder_id=folder_id):
            return folder_id
        case SeedBegin() | SeedEnd():
            return "seed"
        case Barrier():
            return "barrier"
        case Handover():
            return "handover"
        case ItemSaved() | ItemMarked() | ItemMoved() | ItemDeleted() | ItemUnreadable():
            return operation.ref.item


def folders_of(operation: Operation) -> tuple[str, ...]:
    """Return the source folders whose checksum an operation makes stale; the feed and the replay agree by it."""
    match operation:
        case FolderSaved(folder_id=folder_id) | FolderDeleted(folder_id=folder_id):
            return (folder_id,)
        case ItemMoved(ref=ref, from_folder_id=from_folder_id):
            return (ref.folder_id, from_folder_id)
        case ItemSaved() | ItemMarked() | ItemDeleted() | ItemUnreadable():
            return (operation.ref.folder_id,)
        case SeedBegin() | SeedEnd() | Checksum() | Barrier() | Handover():
            return ()
