"""Evidence of changes that could not be applied, and the limit that stops the line (design §5, §7)."""

from dataclasses import dataclass

from schemas.change import Change
from schemas.codec import encode
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock, Outgoing
from schemas.state import DeadLetter
from schemas.topics import change_record_key


class DeadLetterLimitError(Exception):
    """So many changes in a row were parked that the cause is not in them: a person has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimit:
    """How many parked changes in a row stop the line."""

    consecutive_max: int = 100


class DeadLetters:
    """Collects dead letters of one partition for the next transaction."""

    def __init__(self, topic: str, target: str, limit: DeadLetterLimit, clock: Clock, metrics: ReplayMetrics) -> None:
        self._topic = topic
        self._target = target
        self._limit = limit
        self._clock = clock
        self._metrics = metrics
        self._letters: dict[tuple[str, str], Outgoing] = {}
        self._consecutive = 0

    def add(self, change: Change, item: str, reason: str, encoded: bytes) -> None:
        """Keep the evidence; DeadLetterLimitError when too many came in a row."""
        self._consecutive += 1
        if self._consecutive > self._limit.consecutive_max:
            raise DeadLetterLimitError(
                f"{self._consecutive} changes in a row could not be applied at {self._target} "
                f"(last: {reason}); nothing was skipped: mend the cause and start again"
            )
        self._metrics.parked.labels(code=reason).inc()
        letter = DeadLetter(
            mailbox=change.mailbox, item=item, target=self._target, reason=reason, detail="",
            attempts=1, at=self._clock(), change=encoded,
        )  # fmt: skip
        record = Outgoing(self._topic, change_record_key(change.mailbox, item), encode(letter))
        self._letters[change.mailbox, item] = record

    def applied(self) -> None:
        """Note that a change went through."""
        self._consecutive = 0

    def drain(self) -> list[Outgoing]:
        """Return the records for the next transaction."""
        letters = self._letters.copy()
        for key in letters:
            del self._letters[key]
        return list(letters.values())
