"""When a server's refusals stop everything: after several, over minutes, on more than one mailbox or call.

One odd answer (a 401 of a proxy, a redirect, a code nobody knows) is waited out by the mailbox that met it. What goes
on is a matter of the account, the server or ourselves; then a person has to act, and trying on would lock an account.

State: the refusals since anything was answered, in memory, shared by the partitions of one process.
"""

import threading
from dataclasses import dataclass, field

REFUSALS_MIN = 5
SPAN_MS_MIN = 120_000
AGE_MS_MAX = 1_800_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused call: when (milliseconds), of which mailbox, in which operation (empty: not known)."""

    at: int
    mailbox: str
    operation: str


@dataclass(slots=True)
class RefusalWatch:
    """Counts refusals whose disposition is HALT, and `answers` of any kind; used by several threads."""

    answers: int = 0
    _refusals: list[Refusal] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self) -> None:
        """Note that work succeeded: the server answers us, so what was refused was not refused to everybody."""
        with self._lock:
            self.answers += 1
            self._refusals.clear()

    def must_halt(self, now: int, mailbox: str, operation: str = "") -> bool:
        """Note a refusal; tell whether so much was refused that nothing else can be expected."""
        with self._lock:
            recent = [r for r in self._refusals if now - AGE_MS_MAX <= r.at <= now]
            recent.append(Refusal(now, mailbox, operation))
            self._refusals = recent
            is_wide = len({r.mailbox for r in recent}) > 1 or len({r.operation for r in recent}) > 1
            return is_wide and len(recent) >= REFUSALS_MIN and now - recent[0].at >= SPAN_MS_MIN
