"""Whether the clock jumped: every due time drawn before is wrong then, so a partition begins anew (design §4).

The wall clock dates what is written, and decides what is due and what is old enough to be trusted. A jump makes an
hour's work due at once, or a minute's wait an hour long. It is seen by the monotonic clock, before the next commit.
"""

import time
from collections.abc import Callable

from schemas.ports import Clock

JUMP_MS = 2_000
"""Slewing never comes near it between two looks; an item is at rest after twice that."""


class ClockWatch:
    """Compares the wall clock with the monotonic one from look to look; once it jumped, it stays so."""

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._seen = clock(), monotonic()
        self.jumped_ms = 0

    def has_jumped(self) -> bool:
        """Look at both clocks; `jumped_ms` tells by how much, negative for a step back."""
        # lanes look from threads of their own: each compares two looks that are whole
        (wall, steady), now = self._seen, (self._clock(), self._monotonic())
        self._seen = now
        moved_ms = round(now[0] - wall - (now[1] - steady) * 1000)
        if abs(moved_ms) >= JUMP_MS and not self.jumped_ms:
            self.jumped_ms = moved_ms
        return bool(self.jumped_ms)
