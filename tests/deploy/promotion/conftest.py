"""A promotion with memory ports: a pipeline that obeys orders, a front door, an office, and death at any boundary."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Place, Redirection
from deploy.promotion.conduct import Course
from deploy.promotion.course import Coordinator
from deploy.promotion.office import Addressed, DrivenError
from deploy.promotion.picture import Picture
from schemas.state import Promoted, Promotion, SourceRole, TargetRole

from .owners import feed_obeys, fenced, replay_applies, replay_obeys


class Died(BaseException):
    """The command is gone; no handler of its own runs."""


@dataclass(slots=True)
class Boundaries:
    """Counts what happens between the command and the outside, and kills it at one of them."""

    die_at: int = -1
    met: list[str] = field(default_factory=list)

    def meet(self, what: str) -> None:
        self.met.append(what)
        if len(self.met) - 1 == self.die_at:
            raise Died(what)


class Door:
    """An actuator that knows where each client is, and may fail at a step."""

    def __init__(self, pipeline: "Pipeline", name: str) -> None:
        self._pipeline = pipeline
        self.name = name
        self.leads_all = False
        self.calls: list[tuple[ActuatorStep, int]] = []
        self.fails_at: ActuatorStep | None = None
        self.led: dict[str, str] = {}
        self.closed: set[str] = set()
        self.steps: list[str] = []

    def check(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.CHECK, redirections, lambda _r: None)

    def close(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.CLOSE, redirections, lambda r: self.closed.add(r.mailbox))

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        for one in redirections:
            # no client may be led to a target that the replay still writes
            assert self._pipeline.picture.of(one.mailbox).target.role == TargetRole.OPEN
            assert self._pipeline.picture.of(one.mailbox).source.role == SourceRole.FENCED
        self._act(ActuatorStep.REDIRECT, redirections, self._lead)

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        for one in redirections:
            assert self.led[one.mailbox] == one.to_place.server
        self._act(ActuatorStep.CONFIRM, redirections, lambda _r: None)

    def undo(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.UNDO, redirections, self._lead_back)

    def _lead(self, one: Redirection) -> None:
        self.led[one.mailbox] = one.to_place.server
        self.closed.discard(one.mailbox)

    def _lead_back(self, one: Redirection) -> None:
        self.led.pop(one.mailbox, None)
        self.closed.discard(one.mailbox)

    def _act(
        self, step: ActuatorStep, redirections: Sequence[Redirection], act: Callable[[Redirection], object]
    ) -> None:
        self._pipeline.boundaries.meet(f"{step} before")
        assert self._pipeline.boundaries.met[-2] == "commit after", "who drives was not asked right before"
        self.steps.append(step)
        self.calls.append((step, len(redirections)))
        self._pipeline.acts.append((self.name, step))
        if self.fails_at is step:
            raise ActuatorError(self.name, step, "it was told to")
        for one in redirections:
            act(one)
            self._pipeline.boundaries.meet(f"{step} within")
        self._pipeline.boundaries.meet(f"{step} after")


class Pipeline:
    """Feed and replay as roles: every look at the log lets each do one thing more."""

    def __init__(self, count: int, doors: int = 1) -> None:
        self.names = [f"{n:020x}" for n in range(count)]
        self.picture = Picture()
        self.boundaries = Boundaries()
        self.acts: list[tuple[str, ActuatorStep]] = []
        self.doors = [Door(self, f"front_door.memory{n or ''}") for n in range(doors)]
        self.door = self.doors[0]
        self.has_actuator = True
        self.has_feed = True
        self.is_feed_obeying = True
        self.is_replay_obeying = True
        self.stands_in = 0
        self.is_taken_over = False
        self.stuck: set[str] = set()
        self.tail: dict[str, int] = {}
        self.committed: Promotion | None = None
        self.stages: list[str] = []
        self.orders: list[Addressed] = []
        self.waiting: list[Addressed] = []
        self.clock_seconds = 0.0
        for name in self.names:
            seen = self.picture.of(name)
            seen.source = replace(seen.source, generation=1, next_sequence=5, certain_up_to=1_000)
            seen.target = replace(seen.target, generation=1, applied_sequence=4)

    # -- the ports -----------------------------------------------------------------------------------------

    def commit(self, promotion: Promotion, orders: Sequence[Addressed] = ()) -> None:
        self.boundaries.meet("commit before")
        if self.is_taken_over:
            raise DrivenError("somebody else took it over: ben")
        self.committed = promotion
        self.stages.append(promotion.stage)
        self.orders += orders
        self.waiting += orders
        self.boundaries.meet("commit after")

    def look(self, timeout_seconds: float) -> Picture:
        self.clock_seconds += timeout_seconds
        if timeout_seconds:
            self._obey()
            self._work()
        return self.picture

    @contextmanager
    def stand_in(self) -> Iterator[None]:
        self.stands_in += 1
        self.is_feed_obeying = True
        yield

    def _obey(self) -> None:
        obeying = {"standby": self.is_replay_obeying, "source": self.is_feed_obeying}
        for addressed in [a for a in self.waiting if a.topics is None and obeying[a.server]]:
            self.waiting.remove(addressed)
            seen = self.picture.of(addressed.order.mailbox)
            if addressed.server == "source":
                seen.source = feed_obeys(seen.source, addressed.order)
            else:
                seen.target = replay_obeys(seen.target, addressed.order, "standby")

    def _work(self) -> None:
        """Let the feed read what is closed to its end, and the replay apply what is in the log."""
        for name in self.names:
            seen = self.picture.of(name)
            if self.is_feed_obeying and seen.source.role == SourceRole.CLOSED:
                seen.source = fenced(seen.source)
            if name not in self.stuck:
                replay_applies(seen)

    # -- the command ---------------------------------------------------------------------------------------

    def redirections(self, mailboxes: Sequence[str]) -> list[Redirection]:
        return [
            Redirection(
                mailbox=m,
                address="a@b.test",
                from_place=Place(server="source", ews_url="https://source", address="a@b.test"),
                to_place=Place(server="standby", ews_url="https://standby", address="a@c.test"),
            )
            for m in mailboxes
        ]

    def course(self) -> Course:
        return Course(
            office=self,
            sight=self,
            actuators=tuple(self.doors) if self.has_actuator else (),
            redirections=self.redirections,
            source="source",
            close_seconds=5.0,
            has_feed=lambda: self.has_feed,
            stand_in=self.stand_in,
            tails=lambda mailboxes: {m: self.tail.get(m, 0) for m in mailboxes},
            clock=lambda: 1_000,
            say=lambda _text: None,
            monotonic=lambda: self.clock_seconds,
        )

    def promotion(self, *, planned: bool = True, accepted: bool = False) -> Promotion:
        return Promotion(
            promotion="p1", target="standby", planned=planned, reason="test", stage="CHECK", failure="",
            operator="anna@host (process 1)", since=1, began_at=1, beat=0,
            mailboxes=tuple(Promoted(mailbox=m, state="MIRRORING", accepted=accepted) for m in self.names),
        )  # fmt: skip

    def begin(self, *, planned: bool = True, accepted: bool = False) -> Coordinator:
        return Coordinator(self.course(), self.promotion(planned=planned, accepted=accepted))

    def resume(self, **values: Any) -> Coordinator:
        assert self.committed
        return Coordinator(self.course(), replace(self.committed, **values))

    def states(self) -> Mapping[str, str]:
        assert self.committed
        return {o.mailbox: o.state for o in self.committed.mailboxes}


@pytest.fixture(scope="session")
def new_pipeline() -> Callable[..., Pipeline]:
    return Pipeline


@pytest.fixture(scope="session")
def died() -> type[BaseException]:
    return Died
