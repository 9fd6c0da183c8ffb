"""A promotion from check to its end, step by step: the thin shell around the table of `schemas.failover`.

Order: check → front door closed → close → fenced (barrier) → drained → verified → open → clients led → confirmed →
tail. A stage is committed, with the orders it gives, before anything of it is done.
Failure: dead at any line, `run` goes on at the stage that was committed: every act of a stage may be done twice, and
what the log's roles say is believed before what the progress says. A mailbox that can't go on is said and holds nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from deploy.front_door.actuator import ActuatorError, ActuatorStep
from deploy.promotion import readiness
from deploy.promotion.conduct import LOOK_SECONDS, NOTE_CHARACTERS_MAX, Conduct, Course, StoppedError
from deploy.promotion.office import ENDS
from deploy.promotion.picture import Picture, Seen
from deploy.promotion.reopening import is_any_open, said, unobeyed_at_source, unobeyed_at_target
from schemas.failover import USERS_AT_TARGET, Command, Stage, State, after, is_allowed, opening
from schemas.roles import OrderKind
from schemas.state import Promoted, Promotion, SourceRole, TargetRole

STAND_IN_SECONDS = 3.0
STAND_IN_SECONDS_PLANNED = 30.0
"""A stand-in reads nothing, so where the source is to be read to its end a feed that is merely busy gets longer."""
FEED_LOOK_SECONDS = 5.0
FENCE_SECONDS_MAX = 90.0
BLOCKED_SECONDS = 2.0
DRAIN_STALL_SECONDS = 60.0
VERIFY_SECONDS_MAX = 30.0
"""How long users are kept out for the last look; what was not looked at by then is opened, and called unverified."""
OPEN_SECONDS_MAX = 60.0


class Coordinator(Conduct):
    """Drives one promotion; `seconds` is how long each stage took here."""

    after_tail = Stage.DONE

    def __init__(self, course: Course, progress: Promotion) -> None:
        super().__init__(course, progress)
        self.seconds: dict[str, float] = {}

    def run(self) -> Promotion:
        """Go on until the end; StoppedError at a named point, with the progress committed."""
        steps = self._steps()
        self._commit(failure="")
        self._leave()
        while self.progress.stage not in ENDS:
            stage, began = self.progress.stage, self._course.monotonic()
            try:
                following = steps[stage]()
            except ActuatorError as error:
                following = self._after_failure(error)
            self._commit(stage=following)
            self.seconds[stage] = round(self._course.monotonic() - began, 3)
        return self.progress

    def _steps(self) -> dict[str, Callable[[], str]]:
        """Return what is done at each stage; every step returns the stage that follows."""
        return {
            Stage.CHECK: self._check, Stage.CLOSE_DOOR: self._close_door, Stage.CLOSE: self._close,
            Stage.FENCE: self._fence, Stage.DRAIN: self._drain, Stage.VERIFY: self._verify, Stage.OPEN: self._open,
            Stage.LEAD: self._lead, Stage.CONFIRM: self._confirm, Stage.TAIL: self._tail, Stage.UNDO: self._undo,
        }  # fmt: skip

    def undo(self) -> Promotion:
        """Lead back to where it began; IllegalError, and nothing done, where somebody may have worked at the target."""
        for one in self._part():
            if self._state(one) is not State.MIRRORING:
                after(self._state(one), Command.REOPEN)
        self._commit(stage=Stage.UNDO, failure="")
        return self.run()

    def leave(self, mailboxes: Sequence[str]) -> Promotion:
        """Go on without these: they stay at the source; IllegalError, and nothing done, as for `undo`."""
        chosen = set(mailboxes)
        for one in (o for o in self._part() if o.mailbox in chosen and self._state(o) is not State.MIRRORING):
            after(self._state(one), Command.REOPEN)
        if self._door.leads_all:
            raise self._stopped(
                f"{self._door.leads_all} leads all at once, so none can be left: --accept it, or --undo"
            )
        self._commit(
            mailboxes=tuple(replace(o, leaving=o.leaving or o.mailbox in chosen) for o in self.progress.mailboxes)
        )
        return self.run()

    # -- before the fence ----------------------------------------------------------------------------------

    def _check(self) -> str:
        picture = self._course.sight.look(0.0)
        checked = []
        for one in self.progress.mailboxes:
            seen = picture.of(one.mailbox)
            never, doubts = readiness.never(seen, self.progress.target), "; ".join(readiness.doubts(seen))
            is_left_out = bool(never) or (bool(doubts) and not one.accepted)
            checked.append(replace(one, left_out=is_left_out, note=(never or doubts)[:NOTE_CHARACTERS_MAX]))
        self._commit(mailboxes=tuple(checked))
        if not self._part():
            self._commit(failure="no mailbox is ready; nothing was changed")
            return Stage.UNDONE
        self._door.act(ActuatorStep.CHECK, self._names())
        return Stage.CLOSE_DOOR

    def _close_door(self) -> str:
        self._door.act(ActuatorStep.CLOSE, self._names())
        return Stage.CLOSE

    def _close(self) -> str:
        planned = self.progress.planned
        waiting = {State.MIRRORING} if planned else {State.MIRRORING, State.CLOSED}
        orders = [
            self._order(one, self._course.source, OrderKind.CLOSE, planned=planned)
            for one in self._part()
            if self._state(one) in waiting or not self._is_ours(one.mailbox)
        ]
        self._course.say(f"{len(orders)} mailboxes are closed at the source")
        self._commit(orders, stage=Stage.FENCE)
        return Stage.FENCE

    def _fence(self) -> str:
        limit = FENCE_SECONDS_MAX + (self._course.close_seconds if self.progress.planned else 0.0)
        began = self._course.monotonic()

        def is_done(picture: Picture) -> bool:
            return all(self._is_fenced(picture.of(o.mailbox)) for o in self._part())

        def is_obeyed(picture: Picture) -> bool:
            return is_done(picture) or (
                self.progress.planned and all(self._is_closed(picture.of(o.mailbox)) for o in self._part())
            )

        has_feed = self._course.has_feed()
        patience = STAND_IN_SECONDS_PLANNED if self.progress.planned else STAND_IN_SECONDS
        self._await(is_obeyed, patience if has_feed else 0.0)
        while has_feed and is_obeyed(picture := self._course.sight.look(0.0)):
            left = limit - (self._course.monotonic() - began)
            if left <= 0 or is_done(picture):
                break
            # one that has begun to read the source to its end may die of it
            self._await(is_done, min(left, FEED_LOOK_SECONDS))
            has_feed = self._course.has_feed()
        picture = self._course.sight.look(0.0)
        if not is_done(picture) and not (has_feed and is_obeyed(picture)):
            self._course.say("no feed obeys: one that needs only Kafka takes its place")
            with self._course.stand_in():
                self._await(is_done, limit)
        self._advance({State.MIRRORING: "not fenced in time: no feed obeyed", State.CLOSED: "not fenced in time"})
        return Stage.DRAIN

    def _is_closed(self, seen: Seen) -> bool:
        """Tell whether the feed obeyed the close of this promotion."""
        is_closed = seen.source.role != SourceRole.MIRRORING
        return is_closed and seen.source.promotion == self.progress.promotion

    def _is_fenced(self, seen: Seen) -> bool:
        return self._is_closed(seen) and seen.source.role == SourceRole.FENCED

    def _is_ours(self, mailbox: str) -> bool:
        """Tell whether no earlier promotion left its fence: an order of it may still be under way, and open it."""
        seen = self._course.sight.look(0.0).of(mailbox)
        return seen.source.role == SourceRole.MIRRORING or self._is_closed(seen)

    # -- at the target -------------------------------------------------------------------------------------

    def _drain(self) -> str:
        moved_at, before = self._course.monotonic(), -1
        while waiting := [o for o in self._part() if self._state(o) is State.FENCED]:
            picture = self._course.sight.look(LOOK_SECONDS)
            applied = sum(picture.of(o.mailbox).target.applied_sequence for o in waiting)
            if (now := self._course.monotonic(), applied)[1] != before:
                moved_at, before = now, applied
            is_blocked = all(readiness.blocked(picture.of(o.mailbox)) for o in waiting)
            if now - moved_at > (BLOCKED_SECONDS if is_blocked else DRAIN_STALL_SECONDS):
                break
        self._advance({State.FENCED: "not drained"})
        return Stage.VERIFY

    def _verify(self) -> str:
        drained = [p.mailbox for p in self._part() if self._state(p) is State.DRAINED]
        self._course.say(f"{len(drained)} mailboxes: every folder of the target is looked at once more")
        self._await(lambda picture: all(readiness.is_looked_at(picture.of(m)) for m in drained), VERIFY_SECONDS_MAX)
        picture = self._course.sight.look(0.0)
        judged = []
        for one in self.progress.mailboxes:
            state = self._state(one)
            if one.left_out or state not in {State.DRAINED, State.VERIFIED}:
                judged.append(one)
                continue
            is_equal, text = readiness.verified(picture.of(one.mailbox))
            if state is State.DRAINED and is_equal:
                state = after(state, Command.VERIFY)
            doubts = readiness.doubts(picture.of(one.mailbox))
            if self.progress.planned:
                doubts += readiness.unread(picture.of(one.mailbox))
            judged.append(replace(one, state=state, verified=text, note="; ".join(doubts)[:NOTE_CHARACTERS_MAX]))
        self._commit(mailboxes=tuple(judged))
        return Stage.OPEN

    def _open(self) -> str:
        chosen = [o for o in self._part() if self._may_open(o)]
        orders = [self._order(o, self.progress.target, OrderKind.OPEN, accepted=o.accepted) for o in chosen]
        self._course.say(f"{len(orders)} mailboxes are opened at {self.progress.target}")
        self._commit(orders)

        def is_done(picture: Picture) -> bool:
            return all(picture.of(o.mailbox).target.role == TargetRole.OPEN for o in chosen)

        self._await(is_done, OPEN_SECONDS_MAX)
        unopened = "not opened: see the replay's log"
        self._advance({s: unopened for s in (State.DRAINED, State.VERIFIED) if chosen})
        return Stage.LEAD

    def _may_open(self, one: Promoted) -> bool:
        state = self._state(one)
        command = opening(state)
        needs_word = command is Command.OPEN_AS_IT_STANDS or bool(one.note)
        return is_allowed(state, command) and self._is_ours(one.mailbox) and (one.accepted or not needs_word)

    # -- the front door ------------------------------------------------------------------------------------

    def _lead(self) -> str:
        chosen = [o.mailbox for o in self._part() if self._state(o) in {State.OPEN, State.LED}]
        self._course.say(f"{len(chosen)} mailboxes are open at {self.progress.target}")
        if self._door.leads_all and self._unopened():
            raise self._waiting(f", and {self._door.leads_all} leads all at once, so nobody is led")
        # also where we have no front door: from here on people lead their clients themselves
        self._set(chosen, Command.LEAD)
        if not self._door or not chosen:
            return Stage.TAIL
        self._door.act(ActuatorStep.REDIRECT, chosen)
        return Stage.CONFIRM

    def _confirm(self) -> str:
        chosen = [o.mailbox for o in self._part() if self._state(o) is State.LED]
        self._door.act(ActuatorStep.CONFIRM, chosen)
        self._set(chosen, Command.CONFIRM)
        return Stage.TAIL

    def _tail(self) -> str:
        """Read what a living source holds beyond the barrier, once more: only nothing may be called nothing lost."""
        if self.progress.planned:
            opened = [o.mailbox for o in self._part() if self._state(o) in USERS_AT_TARGET]
            found = self._course.tails(opened)
            self._commit(
                mailboxes=tuple(replace(o, tail=found.get(o.mailbox, o.tail)) for o in self.progress.mailboxes)
            )
        if self._unopened():
            raise self._waiting(": see their notes")
        return self.after_tail

    def _unopened(self) -> int:
        return sum(self._state(o) not in USERS_AT_TARGET for o in self._part())

    def _waiting(self, why: str) -> StoppedError:
        """Stop before the close: what is fenced and not opened has users nowhere, so this is not the end.

        From the close on, because an order that a feed passed over is given again.
        """
        self._commit(stage=Stage.CLOSE, failure=f"{self._unopened()} mailboxes are not open{why}")
        return StoppedError(
            f"{self.progress.failure}. `--resume` tries again, `--resume --accept MAILBOX` opens one as it stands, "
            "`--resume --leave MAILBOX` goes on without it"
        )

    # -- back ----------------------------------------------------------------------------------------------

    def _undo(self) -> str:
        part = self._part()
        self._door.act(ActuatorStep.UNDO, [one.mailbox for one in part])
        waiting = self._reopen(part)
        self._advance({})
        if waiting:
            raise self._stopped(f"{waiting}. Start it, then `mailshadow failover --undo`")
        return Stage.UNDONE

    def _leave(self) -> None:
        """Lead back and reopen what an operator leaves; who does not obey is said, and holds nobody."""
        leaving = [o for o in self._part() if o.leaving]
        if not leaving or self.progress.stage in ENDS:
            return
        self._course.say(f"{len(leaving)} mailboxes are left at {self._course.source}")
        try:
            self._door.act(ActuatorStep.UNDO, [o.mailbox for o in leaving])
        except ActuatorError as error:
            raise self._stopped(f"not left: {error}. Mend it, then `mailshadow failover --resume`") from error
        unobeyed = self._reopen(leaving)
        names = {o.mailbox for o in leaving}
        picture = self._course.sight.look(0.0)
        if is_any_open(picture, sorted(names)):
            raise self._stopped(f"{unobeyed}. Start it, then `mailshadow failover --resume`")
        note = "; ".join(filter(None, (f"left at {self._course.source}", unobeyed)))
        self._commit(
            mailboxes=tuple(
                replace(o, left_out=True, leaving=False, state=self._state(o), note=f"{note}: {o.note}".rstrip(": "))
                if o.mailbox in names
                else o
                for o in self.progress.mailboxes
            )
        )

    def _reopen(self, part: Sequence[Promoted]) -> str:
        """Order these to be reopened, whatever their roles; say where nobody obeyed, nothing where all did.

        The target first: one that rests at the barrier goes on by itself with the seed of the new generation, one that
        is open would not.
        """
        look, names, promotion = self._course.sight.look, [o.mailbox for o in part], self.progress.promotion
        unobeyed = {
            self.progress.target: partial(unobeyed_at_target, promotion=promotion, mailboxes=names),
            self._course.source: partial(unobeyed_at_source, promotion=promotion, mailboxes=names),
        }
        found: dict[str, list[str]] = {}
        for server, left in unobeyed.items():
            self._commit([self._order(one, server, OrderKind.REOPEN) for one in part])
            self._await(lambda picture, left=left: not left(picture), OPEN_SECONDS_MAX)  # type: ignore[misc]
            found[server] = left(look(0.0))
            if is_any_open(look(0.0), names):
                break
        return said(found)

    def _after_failure(self, error: ActuatorError) -> str:
        """Decide what a failed actuator means: nothing done, all undone, or a stop from where it can be resumed."""
        stage = self.progress.stage
        # a confirmation that fails may have found that somebody led them elsewhere: resuming leads them again
        self._commit(stage=Stage.LEAD if stage == Stage.CONFIRM else stage, failure=str(error))
        if stage == Stage.CHECK:
            return Stage.UNDONE
        if stage == Stage.CLOSE_DOOR:
            return Stage.UNDO
        raise StoppedError(f"stopped at {stage}: {error}. Mend it, then `mailshadow failover --resume`")
