"""When a mailbox is due: rung by the doorbell, by the timer behind it, or after a failure. Pure."""

from dataclasses import dataclass, field

from producers.capture import Dirt

FAILURE_SECONDS_MAX = 300.0


@dataclass(slots=True)
class Turn:
    """The timing of one mailbox, in milliseconds of the caller's clock."""

    next_poll_at: int = 0
    hierarchy_at: int = 0
    not_before: int = 0
    failures: int = 0
    rung_folders: set[str] = field(default_factory=set)
    is_rung: bool = False
    is_hierarchy_rung: bool = True

    def ring(self, folder_ids: set[str], *, hierarchy: bool) -> None:
        """Note what a notification said."""
        self.is_rung = True
        self.rung_folders |= folder_ids
        self.is_hierarchy_rung |= hierarchy

    def is_due(self, now: int, due_at: int | None) -> bool:
        """Tell whether a round should begin now."""
        if now < self.not_before:
            return False
        return self.is_rung or now >= self.next_poll_at or (due_at is not None and now >= due_at)

    def begin(self, now: int, poll_interval_seconds: float) -> Dirt:
        """Return what the round starts from, and set the timer for the next one.

        The hierarchy has a timer of its own: rings for folders may come more often than the poll interval.
        """
        is_timed = now >= min(self.next_poll_at, self.hierarchy_at)
        dirt = Dirt(frozenset(self.rung_folders), self.is_hierarchy_rung or is_timed)
        if dirt.is_hierarchy_dirty:
            self.hierarchy_at = now + int(poll_interval_seconds * 1000)
        self.rung_folders = set()
        self.is_rung = self.is_hierarchy_rung = False
        self.next_poll_at = now + int(poll_interval_seconds * 1000)
        return dirt

    def fail(self, now: int, back_off_seconds: float) -> None:
        """Wait as the server said, or longer with every failure; then read everything again."""
        self.failures += 1
        wait_seconds = max(back_off_seconds, min(0.25 * 2**self.failures, FAILURE_SECONDS_MAX))
        self.not_before = now + int(wait_seconds * 1000)
        self.is_rung = self.is_hierarchy_rung = True

    def succeed(self) -> None:
        """Forget earlier failures."""
        self.failures = 0
