"""Compacted state, orders, evidence and the registry (Avro records of the same names in `schemas/avro`)."""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas.change import Checksum, Marks, Version


class SourceRole(StrEnum):
    """What a feed does for a mailbox: capture it, read it to its end for a promotion, or nothing after the barrier."""

    MIRRORING = "MIRRORING"
    CLOSED = "CLOSED"
    FENCED = "FENCED"


class TargetRole(StrEnum):
    """What a replay does for a mailbox: apply, rest at the barrier, or never write because users work there.

    MERGING: users work there, and what the old source had beyond the barrier is applied beside it.
    """

    MIRRORING = "MIRRORING"
    DRAINED = "DRAINED"
    OPEN = "OPEN"
    MERGING = "MERGING"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRecord:
    """What the feed knows of a mailbox as a whole; times in milliseconds since 1970 (UTC).

    The fields from `barrier` to `ordered_at` are of a promotion: `barrier` is where it stands in the log, `close_until`
    when it is due; `returned` and `handed` name the return that was merged, and the promotion it was taken over by;
    `reopened` the promotion whose REOPEN was obeyed last, whether or not there was anything to do; `ordered_offset` and
    `ordered_at` say where and when the log took the last order about its role. `trouble`: why the mailbox, or folders
    of it, can't be read at present, and since when; what passes at once is not told. `seed_unmarked_from`: the item key
    from which on the index has yet to be marked for the seed that runs, "0" before its folders are said; empty: all is.
    """

    mailbox: str
    role: str = SourceRole.MIRRORING
    generation: int = 0
    next_sequence: int = 1
    seed_begun: int = 0
    certain_up_to: int = 0
    hierarchy_cursor: str = ""
    paused: str = ""
    barrier: Version | None = None
    promotion: str = ""
    opening: str = ""
    closed_at: int = 0
    close_until: int = 0
    returned: str = ""
    handed: str = ""
    reopened: str = ""
    ordered_offset: int = -1
    ordered_at: int = 0
    trouble: str = ""
    trouble_since: int = 0
    hierarchy_cursor_digest: str = ""
    seed_unmarked_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFolder:
    """A folder of the source and how far it was read; an empty `probe` means unknown.

    `gone`: deleted at the source, published once its last item is. `ahead`: ItemIds captured beyond the cursor; if
    one is deleted before the cursor covers it, Sync names it never again. `proved`: digest of the checksum that was
    published last; empty once anything of the folder was published after it. `cursor_digest`: in the state topic, the
    SHA-256 of a cursor that is kept in pieces beside the record; in memory the cursor is whole.
    """

    folder_id: str
    parent_id: str
    name: str
    folder_class: str
    distinguished: str
    cursor: str = ""
    complete: bool = False
    probe: str = ""
    gone: bool = False
    ahead: tuple[str, ...] = ()
    proved: str = ""
    cursor_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Why an item that Sync named was not fetched yet, and when to try again (milliseconds)."""

    since: int
    attempts: int
    retry_at: int
    reason: str
    targets: tuple[str, ...] = ()
    is_news: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """What the feed knows of one item of the source; `change_key` is that of what was fetched."""

    item: str
    item_id: str
    folder_id: str
    change_key: str
    search_key: str
    fingerprint: str
    digest: str
    marks: Marks | None
    pending: bool = False
    owed: Owed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMailbox:
    """What a replay knows of one target mailbox as a whole; its times in milliseconds, `…_until` by the log's clock."""

    mailbox: str
    generation: int = 0
    applied_sequence: int = 0
    waiting: str = ""
    seed_begun: int = 0
    unsettled: tuple[str, ...] = ()
    staging: dict[str, str] = field(default_factory=dict)
    applied_at: int = 0
    behind: str = ""
    own_offset: int = -1
    scope: str = ""
    looked_at: int = 0
    waiting_from: int = 0
    paused: str = ""
    tripped: str = ""
    tripped_at: int = 0
    tripped_on: str = ""
    deletions: int = 0
    deletions_since: int = 0
    released_until: int = 0
    skipped_until: int = 0
    skips_content: bool = False
    skip_obeyed_at: int = 0
    role: str = TargetRole.MIRRORING
    barrier: Version | None = None
    promotion: str = ""
    opening: str = ""
    opened_at: int = 0
    returned: str = ""
    handed: str = ""
    reopened: str = ""
    ordered_offset: int = -1
    ordered_at: int = 0
    address: str = ""
    confirmed: int = -1

    @property
    def held(self) -> str:
        """Why nothing is applied until an operator says so; empty: nothing holds it."""
        return self.tripped or ("paused" if self.paused else "")

    @property
    def applied(self) -> Version:
        """The version of the last applied change."""
        return Version(generation=self.generation, sequence=self.applied_sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFolder:
    """A source folder and the target folder that stands for it; `created` if we made it, `left_out` if out of scope.

    `checksum`: what it has to hold, None while that is not known; `divergence`: what was found instead, by kind.
    """

    folder_id: str
    target_id: str
    parent_id: str
    name: str
    folder_class: str
    distinguished: str
    created: bool
    generation: int
    sequence: int
    left_out: bool = False
    checksum: Checksum | None = None
    compared_at: int = 0
    divergence: dict[str, int] = field(default_factory=dict)

    @property
    def version(self) -> Version:
        """The version that last named it."""
        return Version(generation=self.generation, sequence=self.sequence)


class IntentKind(StrEnum):
    """What is about to be written."""

    PLACE = "PLACE"
    MARK = "MARK"
    MOVE = "MOVE"
    DELETE = "DELETE"
    EDIT = "EDIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A visible write about to be sent: by which id, and by which nonce it is known to be done (design §6)."""

    kind: IntentKind
    generation: int
    sequence: int
    nonce: str
    target_id: str
    change_key: str
    folder_id: str
    replaced_id: str
    source_change_key: str
    marks: Marks | None = None
    left_out: str = ""


class ItemState(StrEnum):
    """PRESENT: the target holds it. PARKED: its content is behind. WANTED: asked of the feed. LEFT_OUT: no scope."""

    PRESENT = "PRESENT"
    PARKED = "PARKED"
    WANTED = "WANTED"
    LEFT_OUT = "LEFT_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """What a target is known to hold of one item; an empty `target_id` means nothing."""

    item: str
    state: ItemState
    generation: int
    sequence: int
    source_change_key: str
    folder_id: str
    marks: Marks | None
    target_id: str
    target_change_key: str
    nonce: str
    reason: str = ""
    intent: Intent | None = None
    dropped_at: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether its content is asked of the feed; what is just being placed for the first time is not."""
        return self.state is ItemState.WANTED and self.intent is None

    @property
    def version(self) -> Version:
        """The version that last wrote it."""
        return Version(generation=self.generation, sequence=self.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An item that stays at the target although it is gone at the source: an operator skipped its deletion."""

    item: str
    target_id: str
    folder_id: str
    nonce: str
    generation: int
    sequence: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What both servers changed after the barrier, and which of it is kept; `copy` is the item key of a copy."""

    item: str
    promotion: str
    at_source: str
    at_target: str
    kept: str
    copy: str
    folder_id: str
    generation: int
    sequence: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator (empty `target`) or a replay asks of the owner of a partition."""

    mailbox: str
    kind: str
    items: tuple[str, ...]
    target: str
    reason: str
    issued_at: int
    until: int = 0
    promotion: str = ""
    planned: bool = False
    accepted: bool = False


def is_void(record: MailboxRecord | TargetMailbox, offset: int, at: int) -> bool:
    """Tell whether an order is older than the last one about the mailbox's role: it was obeyed, and is read again.

    By offset and by the log's time: a topic made anew has lower offsets, and a broker's clock may go back.
    """
    return offset <= record.ordered_offset and at <= record.ordered_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the owners of a partition read one of its topics; `next_offset` -1: the group had none when asked."""

    topic: str
    topic_id: str
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Evidence of a change that could not be applied: the change record byte for byte, and why."""

    mailbox: str
    item: str
    target: str
    reason: str
    detail: str
    attempts: int
    at: int
    change: bytes
    offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A mailbox that is mirrored: its address at the source and at each target; the last four are of a migration."""

    mailbox: str
    source: str
    targets: dict[str, str]
    wave: str = ""
    priority: int = 0
    archive: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What operators decided of one wave of a migration; times in milliseconds, those of its window in RFC 3339.

    Where it stands is no field of it: that is said by its mailboxes' states in the log (`deploy.migration.stages`).
    """

    wave: str
    target: str
    window_from: str = ""
    window_until: str = ""
    mailboxes_max: int = 500
    at_once_max: int = 100
    behind_max: int = 100
    approved_at: int = 0
    approved_by: str = ""
    accepted: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()
    ended_at: int = 0
    way_back: str = ""
    closed_at: int = 0
    closed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """One mailbox of a promotion: its state in the table, and what is not as it should be."""

    mailbox: str
    state: str
    accepted: bool = False
    left_out: bool = False
    note: str = ""
    verified: str = ""
    tail: int = -1
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """How far a promotion came: what its coordinator commits before each step; `beat` counts up while it lives."""

    promotion: str
    target: str
    planned: bool
    reason: str
    stage: str
    failure: str
    operator: str
    since: int
    began_at: int
    beat: int
    mailboxes: tuple[Promoted, ...]
    act_seconds: int = 0
