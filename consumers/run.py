"""What a run is: a few changes of distinct items of one mailbox that share a transaction, and what they work with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from consumers.dead_letters import DeadLetters
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.ledger import Ledger
from consumers.likeness import Likeness
from consumers.merging import Merging
from consumers.recovery import Recovery
from consumers.scope import Scope
from consumers.staging import Staging
from consumers.step import Step
from consumers.subscription import Received
from consumers.target import Target


@dataclass(slots=True)
class Run:
    """The steps of a mailbox that share a transaction.

    `again` has to be staged anew, `open_items` are settled once `is_sent`; `last` is the change that is complete with
    this run, where the run is only the rest of a larger one; `first_offset` is where the whole of it begins. A redrive
    says parked content once more and completes no position.
    """

    mailbox: str
    address: str
    steps: list[Step] = field(default_factory=list)
    again: list[Received] = field(default_factory=list)
    open_items: list[str] = field(default_factory=list)
    is_sent: bool = False
    first_offset: int = -1
    last: Received | None = None
    is_redrive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a run works with, all of one target and one partition; `want` orders an item's content of the feed."""

    target: Target
    ledger: Ledger
    folders: FolderMap
    staging: Staging
    recovery: Recovery
    dead_letters: DeadLetters
    gate: Gate
    merging: Merging
    likeness: Likeness
    want: Callable[[str, str], None]
    scope: Scope = field(default_factory=Scope)
