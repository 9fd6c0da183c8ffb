"""How changes are replayed into one target."""

from dataclasses import dataclass, field

from consumers.breaker import BreakerLimit
from consumers.dead_letters import DeadLetterLimit
from consumers.scope import Scope
from schemas.refusals import RefusalWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """The target's name and scope, whether streams are to be ignored, mailboxes at once, the hold, and the limits.

    The log is held back by `hold_seconds`; checksums are not compared at an interval of 0. Proved folders are
    probed for writes of others every `probe_interval_seconds`. `edits_in_place`: messages
    are changed where they are, at a target to which only a lossy copy could be brought. `refusals` counts what the
    server refused to all partitions of the process.
    """

    target: str
    portable_only: bool = False
    edits_in_place: bool = False
    mailboxes_at_once: int = 4
    scope: Scope = field(default_factory=Scope)
    hold_seconds: float = 0.0
    dead_letter_limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)
    breaker_limit: BreakerLimit = field(default_factory=BreakerLimit)
    checksum_interval_seconds: float = 0.0
    probe_interval_seconds: float = 0.0
    refusals: RefusalWatch = field(default_factory=RefusalWatch, compare=False)
