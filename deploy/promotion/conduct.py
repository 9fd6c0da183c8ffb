"""What every stage of a promotion works with: its surroundings, its committed progress, and what the log says now.

State: `progress` is what `control` holds; it changes only in `_commit`, with the orders of the same transaction. Roles
are read anew from the log whenever they are asked for.
Failure: dead before a commit, nothing was ordered; dead after it, the next command finds progress and orders.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from deploy.front_door.actuator import Actuator, Redirection
from deploy.promotion import readiness
from deploy.promotion.door import FrontDoor
from deploy.promotion.office import Addressed, Office
from deploy.promotion.picture import Picture, Seen
from schemas.failover import Command, IllegalStageError, State, after, may_follow, state_of
from schemas.ports import Clock
from schemas.roles import users_work_at
from schemas.state import Order, Promoted, Promotion

LOOK_SECONDS = 0.1
NOTE_CHARACTERS_MAX = 200
"""The progress of all mailboxes is one record, and Kafka takes no more than 1 MB."""


class Sight(Protocol):
    """What the log says now."""

    def look(self, timeout_seconds: float) -> Picture:
        """Return the picture; waits for something new at most so long."""
        ...


class StoppedError(Exception):
    """A promotion stopped at a named point; the text says what happened, and what can be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a promotion works with; `close_seconds` is how long a planned close may read the source.

    `stand_in` is a feed that obeys orders and needs no source; `has_feed` tells whether any other lives; `tails` reads
    what the source holds beyond the barrier of the mailboxes, -1 where it can't be read; `say` tells a person.
    """

    office: Office
    sight: Sight
    actuators: Sequence[Actuator]
    redirections: Callable[[Sequence[str]], Sequence[Redirection]]
    source: str
    close_seconds: float
    has_feed: Callable[[], bool]
    stand_in: Callable[[], AbstractContextManager[object]]
    tails: Callable[[Sequence[str]], Mapping[str, int]]
    clock: Clock
    say: Callable[[str], None]
    monotonic: Callable[[], float] = time.monotonic


class Conduct:
    """One promotion under way; `progress` is what was committed last."""

    def __init__(self, course: Course, progress: Promotion) -> None:
        self._course = course
        self._door = FrontDoor(course.actuators, course.redirections, self._commit, course.say)
        self.progress = progress

    def _part(self) -> list[Promoted]:
        picture = self._course.sight.look(0.0)
        return [o for o in self.progress.mailboxes if not o.left_out and not self._is_anothers(picture.of(o.mailbox))]

    def _is_anothers(self, seen: Seen) -> bool:
        """Tell whether an earlier promotion opened it: its users must not be led back with those of this one."""
        return users_work_at(seen.target) and seen.target.promotion != self.progress.promotion

    def _names(self) -> list[str]:
        return [one.mailbox for one in self._part()]

    def _state(self, one: Promoted) -> State:
        seen = self._course.sight.look(0.0).of(one.mailbox)
        return state_of(seen.source.role, seen.target.role, State(one.state))

    def _await(self, is_done: Callable[[Picture], bool], seconds_max: float) -> None:
        deadline = self._course.monotonic() + seconds_max
        while not is_done(self._course.sight.look(LOOK_SECONDS)) and self._course.monotonic() < deadline:
            pass

    def _advance(self, notes: Mapping[State, str]) -> None:
        """Put into the progress what the roles say, with a note where a mailbox stayed behind."""
        picture = self._course.sight.look(0.0)
        known = []
        for one in self.progress.mailboxes:
            state = self._state(one)
            note = one.note
            if state in notes and not one.left_out:
                blocked = readiness.blocked(picture.of(one.mailbox))
                note = f"{notes[state]}: {blocked}" if blocked else notes[state]
            elif not one.left_out and one.note.startswith("not ") and state != one.state:
                note = f"accepted: {one.note}" if one.accepted else ""
            known.append(replace(one, state=state, note=note))
        self._commit(mailboxes=tuple(known))

    def _set(self, mailboxes: Sequence[str], command: Command) -> None:
        chosen = set(mailboxes)
        self._commit(
            mailboxes=tuple(
                replace(o, state=after(self._state(o), command)) if o.mailbox in chosen else o
                for o in self.progress.mailboxes
            )
        )

    def _order(self, one: Promoted, server: str, kind: str, **values: bool) -> Addressed:
        now = self._course.clock()
        order = Order(
            mailbox=one.mailbox, kind=kind, items=(), target=self.progress.target, reason=self.progress.reason,
            issued_at=now, until=now + int(self._course.close_seconds * 1000), promotion=self.progress.promotion,
            planned=values.get("planned", False), accepted=values.get("accepted", False),
        )  # fmt: skip
        return Addressed(server, order)

    def _stopped(self, text: str) -> StoppedError:
        self._commit(failure=text)
        return StoppedError(text)

    def _commit(self, orders: Sequence[Addressed] = (), **values: object) -> None:
        progress = replace(self.progress, **values)  # type: ignore[arg-type] # names are the record's own
        if not may_follow(self.progress.stage, progress.stage):
            raise IllegalStageError(self.progress.stage, progress.stage)
        self._course.office.commit(progress, orders)
        self.progress = progress
