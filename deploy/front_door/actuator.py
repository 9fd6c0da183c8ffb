"""What a promotion needs of the front door, as values and one port; each way of leading clients is an actuator.

Order within a promotion: check all → close all → (fence, drain, verify, open) → redirect all → confirm all.
Failure: every step is idempotent and may be run again by another process; `undo` leads back to where `check` found the
clients, from wherever it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Hold = Callable[[float], None]
"""Asked right before every call that changes something, with the seconds the call may take at most.

It raises where another command drives the promotion, and lets nobody take it over for so long; who is asked by no
promotion gets `held_by_nobody`.
"""


def held_by_nobody(act_seconds: float) -> None:
    """Let an act pass that belongs to no promotion."""


class ActuatorStep(StrEnum):
    """The steps of an actuator, as they are named in errors, progress and reports."""

    CHECK = "check"
    CLOSE = "close"
    REDIRECT = "redirect"
    CONFIRM = "confirm"
    UNDO = "undo"


class ActuatorError(Exception):
    """A step failed: which actuator, which step, what happened and what to do; nothing secret in it."""

    def __init__(self, actuator: str, step: ActuatorStep, detail: str) -> None:
        super().__init__(f"{actuator}, {step}: {detail}")
        self.actuator = actuator
        self.step = step
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a mailbox lives: the server's name in the settings, its EWS URL, the mailbox's address there."""

    server: str
    ews_url: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """One mailbox (id) that is led from one place to another; clients know it by its `address`.

    `is_from_lost`: `from_place` can't be asked; what is done there can only be tried.
    """

    mailbox: str
    address: str
    from_place: Place
    to_place: Place
    is_from_lost: bool = False


class Actuator(Protocol):
    """One way of leading clients; every method raises ActuatorError, none needs the one before it to have been ours."""

    @property
    def name(self) -> str:
        """Return its path in the settings."""
        ...

    @property
    def leads_all(self) -> bool:
        """Tell whether it leads all mailboxes at once or none, and so refuses some of them."""
        ...

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Prove that the other steps would be let in and that clients are at `from_place` now; changes nothing."""
        ...

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Let no client begin new work at `from_place`; an actuator that can't only lets it pass."""
        ...

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Lead clients to `to_place`, all of these mailboxes or none where the means allow it."""
        ...

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Ask through the front door as a client does, and find every mailbox at `to_place`."""
        ...

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Lead clients back to `from_place` and let them work there, wherever the steps before had come to."""
        ...
