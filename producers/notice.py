"""Since when a change may have waited at the source before a round drafted it. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Notice:
    """What is known of when the source changed, in milliseconds: heard by the doorbell, or after the last reading."""

    heard_at: int = 0
    certain_at: int = 0

    def hear(self, now: int) -> None:
        """Note that the doorbell rang; the first ring since the last round counts."""
        self.heard_at = self.heard_at or now

    def begin(self, certain_up_to: int) -> None:
        """Note up to when everything was read as a round begins."""
        self.certain_at = certain_up_to

    def end(self, now: int, *, is_rung: bool) -> None:
        """Note that a round ended, and whether the doorbell rang again while it ran."""
        self.heard_at = now if is_rung else 0

    def waited_seconds(self, now: int) -> float:
        """Return for how long what is drafted now waited at most; without a ring, since the last certain reading."""
        since = self.heard_at or self.certain_at or now
        return max(0, now - since) / 1000
