"""Random failovers and failbacks with deaths, deaf owners and undos: nobody is led away from a server they work at.

Both directions of two servers, one office, two actuators. Owners obey by `schemas.roles`; coordinators are the real
ones. After every command, alive or dead, the roles are a legal pair in both directions and users work where nobody
mirrors to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Place, Redirection
from deploy.promotion.conduct import Course, StoppedError
from deploy.promotion.course import Coordinator
from deploy.promotion.office import ENDS, Addressed
from deploy.promotion.picture import Picture
from deploy.promotion.return_course import Passage, ReturnCoordinator
from schemas import roles
from schemas.failover import IllegalError
from schemas.roles import LEGAL_PAIRS
from schemas.state import Promoted, Promotion, SourceRole, TargetRole
from schemas.topics import Topics

from .owners import NOW, feed_obeys, fenced, replay_applies, replay_obeys

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = 5_000 if "MAILSHADOW_FUZZ" in os.environ else 300
NAMES = ("a" * 20, "b" * 20)
OLD, NEW = "old", "new"
THERE, BACK = Topics("p", OLD), Topics("p", NEW, is_back=True)


class DiedError(Exception):
    """The command is gone at a boundary; the test catches it, no handler of the product does."""


class Actuator:
    """Leads clients; `places` is where each of them is led."""

    leads_all = False

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.world = world
        self.places = dict.fromkeys(NAMES, OLD)

    def check(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.CHECK, redirections)

    def close(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.CLOSE, redirections)

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        for redirection in redirections:
            direction = self.world.there if redirection.to_place.server == NEW else self.world.back
            view = direction.of(redirection.mailbox)
            assert roles.users_work_at(view.target), "led to a target that is not its users'"
            assert view.source.role == SourceRole.FENCED, "led away from a source that is not fenced"
        self._act(ActuatorStep.REDIRECT, redirections)

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        self._act(ActuatorStep.CONFIRM, redirections)

    def undo(self, redirections: Sequence[Redirection]) -> None:
        for redirection in redirections:
            place = self.places[redirection.mailbox]
            assert place == redirection.from_place.server, "led away from a server that somebody worked at"
        self._act(ActuatorStep.UNDO, redirections)

    def _act(self, step: ActuatorStep, redirections: Sequence[Redirection]) -> None:
        self.world.meet(f"{self.name} {step}")
        if self.world.failing == step:
            raise ActuatorError(self.name, step, "it was told to")
        for redirection in redirections:
            if step is ActuatorStep.REDIRECT:
                self.places[redirection.mailbox] = redirection.to_place.server
            elif step is ActuatorStep.CONFIRM:
                assert self.places[redirection.mailbox] == redirection.to_place.server
            self.world.meet(f"{self.name} {step} {redirection.mailbox}")


class World:
    """Two servers, the log of both directions, and the command that runs."""

    def __init__(self) -> None:
        self.there, self.back = Picture(), Picture()
        self.committed: Promotion | None = None
        self.is_back = False
        self.queue: list[Addressed] = []
        self.deaf: set[str] = set()
        self.failing: ActuatorStep | None = None
        self.tails: dict[str, int] = {}
        self.die_at = -1
        self.met = 0
        self.seconds = 0.0
        self.actuators = [Actuator(self, "one"), Actuator(self, "two")]
        for name in NAMES:
            view = self.there.of(name)
            view.source = replace(view.source, generation=1, next_sequence=5, certain_up_to=NOW)
            view.target = replace(view.target, generation=1, applied_sequence=4)
            other = self.back.of(name)
            other.source = roles.await_take_over(other.source)

    def meet(self, _what: str) -> None:
        self.met += 1
        if self.met == self.die_at:
            raise DiedError

    def commit(self, promotion: Promotion, orders: Sequence[Addressed] = ()) -> None:
        self.meet("commit")
        self.committed = promotion
        own = BACK if self.is_back else THERE
        self.queue += [replace(order, topics=order.topics or own) for order in orders]
        self.meet("committed")

    def picture_of(self, topics: Topics | None) -> Picture:
        return self.back if topics == BACK else self.there

    def work(self) -> None:
        """Let every owner that lives obey what is ordered, read what is closed and apply what is in the log."""
        for addressed in [a for a in self.queue if a.server not in self.deaf]:
            self.queue.remove(addressed)
            view = self.picture_of(addressed.topics).of(addressed.order.mailbox)
            if addressed.topics and addressed.server == addressed.topics.source:
                view.source = feed_obeys(view.source, addressed.order)
            else:
                view.target = replay_obeys(view.target, addressed.order, addressed.server)
        for picture, source, target in ((self.there, OLD, NEW), (self.back, NEW, OLD)):
            for name in NAMES:
                view = picture.of(name)
                if source not in self.deaf and view.source.role == SourceRole.CLOSED:
                    view.source = fenced(view.source)
                if target not in self.deaf:
                    replay_applies(view)

    def course(self, picture: Picture, source: str, target: str) -> Course:
        def look(timeout_seconds: float) -> Picture:
            self.seconds += 50 * timeout_seconds  # nobody waits for minutes of looks
            if timeout_seconds:
                self.work()
            return picture

        def redirections(mailboxes: Sequence[str]) -> list[Redirection]:
            from_place, to_place = (
                Place(server=s, ews_url=f"https://{s}", address="a@b.test") for s in (source, target)
            )
            return [
                Redirection(mailbox=m, address="a@b.test", from_place=from_place, to_place=to_place) for m in mailboxes
            ]

        return Course(
            office=self, sight=Sight(look), actuators=self.actuators, redirections=redirections, source=source,
            close_seconds=5.0, has_feed=lambda: source not in self.deaf, stand_in=self.stand_in(source),
            tails=self.read_tails, clock=lambda: NOW, say=lambda _: None, monotonic=lambda: self.seconds,
        )  # fmt: skip

    def stand_in(self, source: str) -> Callable[[], AbstractContextManager[None]]:
        @contextmanager
        def take_place() -> Iterator[None]:
            self.deaf.discard(source)
            yield

        return take_place

    def read_tails(self, mailboxes: Sequence[str]) -> Mapping[str, int]:
        return {m: self.tails.get(m, 0) for m in mailboxes}

    def coordinator(self, progress: Promotion) -> Coordinator:
        self.is_back = progress.target == OLD
        if not self.is_back:
            return Coordinator(self.course(self.there, OLD, NEW), progress)
        passage = Passage(
            there=self.course(self.there, OLD, NEW).sight, topics=THERE, back=BACK, tails=self.read_tails,
            refusal=lambda _: "", is_merging=True, is_mirror=progress.reason == "mirror", missing=list,
        )  # fmt: skip
        return ReturnCoordinator(self.course(self.back, NEW, OLD), passage, progress)


class Sight:
    """What the log says now."""

    def __init__(self, look: Callable[[float], Picture]) -> None:
        self._look = look

    def look(self, timeout_seconds: float) -> Picture:
        return self._look(timeout_seconds)


class RandomFailovers(RuleBasedStateMachine):
    """Commands as an operator may give them; `deaths` is where each of them dies, 0 for nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.number = 0

    def is_unfinished(self) -> bool:
        committed = self.world.committed
        return committed is not None and committed.stage not in ENDS

    def is_anybody_promoted(self) -> bool:
        """Tell whether a way back would find anybody: without, the command refuses."""
        return any(view.source.role != SourceRole.MIRRORING for view in self.world.there.mailboxes.values())

    def drive(self, progress: Promotion, death: int, act: str = "run") -> None:
        self.world.met, self.world.die_at = 0, death or -1
        try:
            coordinator = self.world.coordinator(progress)
            if act == "undo":
                coordinator.undo()
            elif act == "leave" and not self.world.is_back and sum(not m.left_out for m in progress.mailboxes) > 1:
                coordinator.leave(NAMES[:1])  # `failback` has no such option
            else:
                coordinator.run()
        except (StoppedError, IllegalError, DiedError):
            pass
        finally:
            self.world.die_at = -1

    def begin(self, target: str, stage: str, death: int, *, planned: bool, accepted: bool, reason: str = "") -> None:
        self.number += 1
        mailboxes = tuple(Promoted(mailbox=m, state="MIRRORING", accepted=accepted) for m in NAMES)
        progress = Promotion(
            promotion=f"p{self.number}", target=target, planned=planned, reason=reason, stage=stage, failure="",
            operator="anna", since=1, began_at=1, beat=0, mailboxes=mailboxes,
        )  # fmt: skip
        self.drive(progress, death)

    deaths = st.one_of(st.just(0), st.just(0), st.integers(1, 90))

    @precondition(lambda self: not self.is_unfinished() and not self.is_anybody_promoted())
    @rule(planned=st.booleans(), accepted=st.booleans(), death=deaths)
    def failover(self, *, planned: bool, accepted: bool, death: int) -> None:
        self.begin(NEW, "CHECK", death, planned=planned, accepted=accepted)

    @precondition(lambda self: not self.is_unfinished() and self.is_anybody_promoted())
    @rule(death=deaths, accepted=st.booleans(), reason=st.sampled_from(["", "mirror"]))
    def failback(self, *, death: int, accepted: bool, reason: str) -> None:
        self.begin(OLD, "RETURN", death, planned=True, accepted=accepted, reason=reason)

    @precondition(lambda self: not self.is_unfinished())
    @rule(planned=st.booleans(), accepted=st.booleans(), death=deaths)
    def failover_again(self, *, planned: bool, accepted: bool, death: int) -> None:
        self.begin(NEW, "CHECK", death, planned=planned, accepted=accepted)

    @precondition(lambda self: not self.is_unfinished() and self.is_anybody_promoted())
    @rule(death=deaths)
    def merge_strays(self, *, death: int) -> None:
        self.begin(OLD, "STRAYS", death, planned=True, accepted=False)

    @precondition(lambda self: not self.is_unfinished() and self.is_anybody_promoted())
    @rule()
    def failback_is_given_up_in_its_merge(self) -> None:
        """The old source's feed does not run, so the target merges and its operator gives the way back up."""
        self.world.deaf, self.world.failing = {OLD}, None
        self.begin(OLD, "RETURN", 0, planned=True, accepted=False)
        if self.is_unfinished() and self.world.committed:
            self.drive(self.world.committed, 0, "undo")
        self.world.deaf = set()

    @precondition(lambda self: self.is_unfinished())
    @rule(death=deaths, act=st.sampled_from(["run", "run", "run", "undo", "leave"]), accepted=st.booleans())
    def resume(self, *, death: int, act: str, accepted: bool) -> None:
        committed = self.world.committed
        assert committed
        mailboxes = tuple(replace(m, accepted=m.accepted or accepted) for m in committed.mailboxes)
        self.drive(replace(committed, mailboxes=mailboxes), death, act)

    @rule(
        deaf=st.sampled_from([(), (), (OLD,), (NEW,), (OLD, NEW)]),
        failing=st.sampled_from([None, None, None, *ActuatorStep]),
        tail=st.sampled_from([0, 0, 3, -1]),
        name=st.sampled_from(NAMES),
    )
    def surroundings_change(self, *, deaf: tuple[str, ...], failing: ActuatorStep | None, tail: int, name: str) -> None:
        self.world.deaf, self.world.failing = set(deaf), failing
        self.world.tails[name] = tail
        self.world.work()

    @invariant()
    def roles_are_a_legal_pair(self) -> None:
        for picture in (self.world.there, self.world.back):
            for name in NAMES:
                view = picture.of(name)
                assert (SourceRole(view.source.role), TargetRole(view.target.role)) in LEGAL_PAIRS

    @invariant()
    def nobody_mirrors_to_where_users_work(self) -> None:
        for actuator in self.world.actuators:
            for name, place in actuator.places.items():
                if place == NEW:
                    assert roles.users_work_at(self.world.there.of(name).target), "users' target is mirrored to"
                else:
                    view = self.world.back.of(name)
                    is_flowing = view.source.role != SourceRole.FENCED and not roles.users_work_at(view.target)
                    assert not is_flowing or self.world.there.of(name).target.role != TargetRole.MIRRORING, name


@pytest.mark.timeout(600)
def test_nobody_is_led_away_from_a_server_they_work_at() -> None:
    RandomFailovers.TestCase.settings = settings(
        max_examples=EXAMPLES, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
    )
    RandomFailovers.TestCase().runTest()
