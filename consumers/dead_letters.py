"""Evidence of changes that could not be applied, and the limit beyond which the cause is not in them (design §5, §7).

State: of each mailbox the parked changes in a row and the last outcomes; in memory, so that a new owner counts anew.
Order: a run is weighed when everything of it is staged and nothing of it is recorded: beyond the limit none of it is
parked, and the mailbox is held. One mailbox alone is its own trouble (quota of one item class, a broken store) and must
not stop the others; several within an hour have one cause, the target's or ours, and then the line stops.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consumers.subscription import Received
from schemas.codec import encode
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock, Outgoing
from schemas.state import DeadLetter, TargetMailbox
from schemas.topics import change_record_key

AT_ONCE_SECONDS = 3600


class DeadLetterLimitError(Exception):
    """So much was parked in so many mailboxes that the cause is not in them: a person has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimit:
    """When a mailbox is held: parked changes in a row, or their share of its last `window_changes` writes (0: never).

    `mailboxes_max`: how many mailboxes of a partition may be held within an hour before the line stops.
    """

    consecutive_max: int = 100
    share_max: float = 0.5
    window_changes: int = 200
    mailboxes_max: int = 3


@dataclass(slots=True)
class _Tally:
    consecutive: int = 0
    recent: deque[bool] = field(default_factory=deque)

    def note(self, window_changes: int, *, is_parked: bool) -> None:
        self.consecutive = self.consecutive + 1 if is_parked else 0
        self.recent.append(is_parked)
        while len(self.recent) > window_changes:
            self.recent.popleft()


class DeadLetters:
    """Collects dead letters of one partition for the next transaction."""

    def __init__(self, topic: str, target: str, limit: DeadLetterLimit, clock: Clock, metrics: ReplayMetrics) -> None:
        self._topic = topic
        self._target = target
        self._limit = limit
        self._clock = clock
        self._metrics = metrics
        self._letters: dict[tuple[str, str], Outgoing] = {}
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)

    def weigh(self, mailbox: str, are_parked: Sequence[bool]) -> str:
        """Say what was counted if parking these, of the next writes in order, passes the limit; else nothing."""
        known = self._tallies[mailbox]
        tally = _Tally(known.consecutive, deque(known.recent))
        for is_parked in are_parked:
            tally.note(self._limit.window_changes, is_parked=is_parked)
            if is_parked and (counted := self._counted(tally)):
                self._tallies.pop(mailbox)
                return counted
        return ""

    def _counted(self, tally: _Tally) -> str:
        if tally.consecutive > self._limit.consecutive_max:
            return f"{tally.consecutive} changes in a row could not be applied"
        parked, known = sum(tally.recent), len(tally.recent)
        if 0 < self._limit.share_max < parked / known and known == self._limit.window_changes:
            return f"{parked} of the last {known} changes could not be applied"
        return ""

    def require_few_held(self, mailboxes: Iterable[TargetMailbox]) -> None:
        """Raise DeadLetterLimitError if this limit holds too many mailboxes since an hour."""
        since = self._clock() - AT_ONCE_SECONDS * 1000
        held = [m for m in mailboxes if m.tripped == ReplicationFault.DEAD_LETTER_LIMIT and m.tripped_at > since]
        if len(held) > self._limit.mailboxes_max:
            raise DeadLetterLimitError(
                f"{len(held)} mailboxes within an hour reached the dead-letter limit at {self._target} "
                f"(last: {held[-1].tripped_on}); nothing was skipped: mend the cause, start again, and let each go on "
                f"with `mailshadow mailboxes resume MAILBOX --target {self._target}`"
            )

    def add(self, received: Received, item: str, reason: str, detail: str = "") -> None:
        """Keep the evidence of a change that is parked."""
        mailbox = received.change.mailbox
        self._tallies[mailbox].note(self._limit.window_changes, is_parked=True)
        self._metrics.parked.labels(code=reason).inc()
        letter = DeadLetter(
            mailbox=mailbox, item=item, target=self._target, reason=reason, detail=detail, attempts=1,
            at=self._clock(), change=received.encoded, offset=received.begins_at,
        )  # fmt: skip
        record = Outgoing(self._topic, change_record_key(mailbox, item), encode(letter))
        self._letters[mailbox, item] = record

    def applied(self, mailbox: str) -> None:
        """Note that a change of a mailbox went through."""
        self._tallies[mailbox].note(self._limit.window_changes, is_parked=False)

    def drain(self) -> list[Outgoing]:
        """Return the records for the next transaction."""
        letters = self._letters.copy()
        for key in letters:
            del self._letters[key]
        return list(letters.values())
