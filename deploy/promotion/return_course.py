"""The way back from check to its end: the return of the old source, then a promotion of the other direction.

Order: RETURN → MERGE → REVERSE → the stages of `deploy.promotion.course` → FORWARD; why, and what a death leaves at
each of them, is said in `deploy.promotion.way_back`.
Failure: as there. A mailbox that does not do what was ordered stops the way back with its users where they are;
resuming orders it again, and what was done already is only found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deploy.promotion.conduct import LOOK_SECONDS, NOTE_CHARACTERS_MAX, Course, Sight, StoppedError
from deploy.promotion.course import Coordinator
from deploy.promotion.office import Addressed
from deploy.promotion.opposite import has_ended
from deploy.promotion.picture import Picture, Seen
from deploy.promotion.readiness import blocked
from producers.round import UNREADABLE_ATTEMPTS
from schemas.failover import USERS_AT_TARGET, Stage, State
from schemas.roles import OrderKind, users_work_at
from schemas.state import IndexEntry, Order, Promoted, Promotion, SourceRole
from schemas.topics import Topics

OBEY_SECONDS_MAX = 60.0
STALL_SECONDS_MAX = 900.0
ASK_SECONDS = 10.0
MERGES_MAX = 3
"""An item that was deleted at one side and marked at the other is asked for, and comes with the next merge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the way back works with beside its `Course`, which is of the other direction.

    `there` is what the log says of the first direction, `topics` and `back` name both; `tails` reads what the old
    source holds beyond the barrier, changes by mailbox, -1 where it can't be read; `refusal` says why what was read of
    mailboxes may not be brought over, nothing where it may; `is_merging`: the operator wants the tail brought over;
    `is_mirror`: the old source is to be mirrored to, and no more. `missing` are the commands of the services that do
    not run.
    """

    there: Sight
    topics: Topics
    back: Topics
    tails: Callable[[Sequence[str]], Mapping[str, int]]
    refusal: Callable[[Sequence[str]], str]
    is_merging: bool
    is_mirror: bool
    missing: Callable[[], Sequence[str]]


class ReturnCoordinator(Coordinator):
    """Drives the way back of mailboxes that were promoted."""

    after_tail = Stage.FORWARD

    def __init__(self, course: Course, passage: Passage, progress: Promotion) -> None:
        super().__init__(course, progress)
        self._passage = passage
        self._asked_at = -ASK_SECONDS

    def undo(self) -> Promotion:
        """Leave the users at the promoted target; before the close nothing has to be led back."""
        if self.progress.stage not in {Stage.RETURN, Stage.STRAYS, Stage.MERGE, Stage.REVERSE}:
            return super().undo()
        self._commit(stage=Stage.UNDONE, failure="")
        return self.progress

    def _steps(self) -> dict[str, Callable[[], str]]:
        first = {
            Stage.RETURN: self._return,
            Stage.MERGE: self._merge,
            Stage.REVERSE: self._reverse,
            Stage.FORWARD: self._forward,
        }
        first[Stage.STRAYS] = self._strays
        return super()._steps() | first

    # -- the old source returns ----------------------------------------------------------------------------

    def _return(self) -> str:
        """Read the tail and write nothing; without a word for it, a tail ends the way back before it began."""
        picture = self._passage.there.look(0.0)
        waiting = [o.mailbox for o in self._chosen() if not self._is_reversed(o)]
        found = self._passage.tails(waiting)
        checked = [self._checked(o, picture.of(o.mailbox), found) for o in self.progress.mailboxes]
        self._commit(mailboxes=tuple(checked))
        if not self._chosen():
            self._commit(failure="no mailbox can go back: see their notes; nothing was changed")
            return Stage.UNDONE
        if refusal := self._passage.refusal([o.mailbox for o in self._chosen()]):
            self._commit(failure=refusal)
            return Stage.UNDONE
        count = sum(o.tail for o in self._chosen() if o.tail > 0)
        if count and not self._passage.is_merging:
            self._commit(failure=f"the old source holds {count} changes nobody captured; `--merge` brings them over")
            return Stage.UNDONE
        return Stage.MERGE

    def _strays(self) -> str:
        """Only bring over what the old source has beyond the barrier: users and roles stay as they are."""
        found = self._return()
        if found == Stage.MERGE:
            self._merge()
            found = Stage.DONE
        return found

    def _checked(self, one: Promoted, seen: Seen, found: Mapping[str, int]) -> Promoted:
        if one.left_out or self._is_reversed(one):
            return one
        note = ""
        if seen.source.role == SourceRole.MIRRORING or not users_work_at(seen.target):
            note = "not promoted: its users work at the source"
        elif found.get(one.mailbox, -1) < 0:
            note = "the old source does not let it be read to its end"
        return replace(one, tail=found.get(one.mailbox, -1), left_out=bool(note), note=note)

    def _merge(self) -> str:
        """Have the tail of the old source brought over by the first direction."""
        waiting = [o for o in self._chosen() if not self._is_reversed(o)]
        self._merge_tails(waiting, self._passage.topics, self._passage.back.source, self._passage.there)
        return Stage.REVERSE

    def _merge_tails(self, waiting: Sequence[Promoted], topics: Topics, target: str, sight: Sight) -> None:
        """Have a direction read its source beyond the barrier, and apply it beside what users do at its target."""
        for _ in range(MERGES_MAX):
            picture = sight.look(0.0)
            asked = {o.mailbox: merge_id(picture.of(o.mailbox), self.progress.promotion) for o in waiting}
            part = [o for o in waiting if asked[o.mailbox]]
            if not part:
                break
            self._course.say(f"{len(part)} mailboxes: {topics.source} is read on, what it has is merged")
            self._merge_once(part, asked, topics, target, sight)

    def _merge_once(
        self, part: Sequence[Promoted], asked: Mapping[str, str], topics: Topics, target: str, sight: Sight
    ) -> None:
        """Order one merge: the replay takes part before the feed reads."""

        def is_taking_part(picture: Picture, one: Promoted) -> bool:
            return picture.of(one.mailbox).target.returned == asked[one.mailbox]

        def is_read(picture: Picture, one: Promoted) -> bool:
            return picture.of(one.mailbox).source.returned == asked[one.mailbox]

        def is_merged(picture: Picture, one: Promoted) -> bool:
            seen = picture.of(one.mailbox)
            return is_read(picture, one) and has_ended(seen.source, seen.target, self.progress.promotion)

        self._commit([self._asking(o, target, OrderKind.MERGE, topics, asked[o.mailbox]) for o in part])
        self._require(part, target, is_taking_part, "can't take the tail", sight)
        self._commit([self._asking(o, topics.source, OrderKind.MERGE, topics, asked[o.mailbox]) for o in part])
        self._require(part, topics.source, is_read, "is not read", sight)
        self._require(part, target, is_merged, "tail is not merged", sight)
        picture = sight.look(0.0)
        if unread := [o for o in part if _is_unread(picture.of(o.mailbox))]:
            raise self._stopped_at(f"{len(unread)} mailboxes: {topics.source} was not read to its end")

    def _reverse(self) -> str:
        """Turn the roles: ledger first, then index, then one listing; the old source is written to from here on."""
        part = [o for o in self._chosen() if not self._is_reversed(o)]
        back = self._passage.back
        self._course.say(f"{len(part)} mailboxes: what {back.source} has flows to {self.progress.target}")
        self._hand_over(part, self._course.sight, back, self.progress.target)
        self._await_level()
        # from here on the tail that counts is the promoted target's, and it was not read yet
        self._commit(mailboxes=tuple(replace(o, tail=-1) for o in self.progress.mailboxes))
        return Stage.DONE if self._passage.is_mirror else Stage.CHECK

    def _forward(self) -> str:
        """Turn the roles once more: the first direction mirrors again, and nothing is copied for it."""
        part = [o for o in self._chosen() if State(o.state) in USERS_AT_TARGET]
        topics, back = self._passage.topics, self._passage.back
        if left := [o for o in part if o.tail]:
            # the promoted target was not read to its end: what it has would be written over
            if not self._passage.is_merging:
                raise self._stopped_at(
                    f"{len(left)} mailboxes: {back.source} holds what nobody captured, or was not read; `--merge` too"
                )
            self._merge_tails(left, back, topics.source, self._course.sight)
        self._hand_over(part, self._passage.there, topics, self._passage.back.source)
        self._course.say(f"{len(part)} mailboxes are mirrored to {self._passage.back.source} again")
        return Stage.DONE

    # -- inside --------------------------------------------------------------------------------------------

    def _chosen(self) -> list[Promoted]:
        return [o for o in self.progress.mailboxes if not o.left_out]

    def _is_reversed(self, one: Promoted) -> bool:
        """Tell whether the old source is mirrored to already, by this return or an earlier one."""
        seen = self._course.sight.look(0.0).of(one.mailbox)
        return bool(seen.source.handed) and seen.source.role == SourceRole.MIRRORING

    def _hand_over(self, part: Sequence[Promoted], sight: Sight, topics: Topics, target: str) -> None:
        """Have a direction taken over: its replay before its feed, so that no change meets an empty ledger."""
        asked = self.progress.promotion
        self._commit([self._asking(o, target, OrderKind.TAKE_OVER, topics, asked) for o in part])
        self._require(part, target, lambda p, o: p.of(o.mailbox).target.handed == asked, "not taken over", sight)
        self._commit([self._asking(o, topics.source, OrderKind.TAKE_OVER, topics, asked) for o in part])
        self._require(part, topics.source, lambda p, o: p.of(o.mailbox).source.handed == asked, "not taken over", sight)

    def _asking(self, one: Promoted, server: str, kind: str, topics: Topics, asked: str) -> Addressed:
        now = self._course.clock()
        other = self._passage.back.source if topics == self._passage.topics else self._passage.topics.source
        order = Order(
            mailbox=one.mailbox, kind=kind, items=(), target=other, reason=self.progress.reason, issued_at=now,
            until=now + int(self._course.close_seconds * 1000), promotion=asked,
        )  # fmt: skip
        return Addressed(server, order, topics)

    def _require(
        self,
        part: Sequence[Promoted],
        server: str,
        is_done: Callable[[Picture, Promoted], bool],
        what: str,
        sight: Sight | None = None,
    ) -> None:
        """Wait until each was seen to have obeyed, while something moves; StoppedError where nothing does any more.

        A mailbox that is read or listed once shows nothing until that is through, so where all services live the wait
        is long.
        """
        sight, left = sight or self._passage.there, list(part)
        moved_at, before = self._course.monotonic(), -1
        while left:
            picture = sight.look(LOOK_SECONDS)
            left = [o for o in left if not is_done(picture, o)]
            progress = _progress(picture, left) + len(part) - len(left)
            if (now := self._course.monotonic(), progress)[1] != before:
                moved_at, before = now, progress
            held = [text for o in left if (text := blocked(picture.of(o.mailbox)))]
            if held and len(held) == len(left):
                raise self._stopped_at(f"{len(left)} mailboxes: {what} at {server}: {held[0]}")
            if now - moved_at > OBEY_SECONDS_MAX and (why := self._why_still(now, now - moved_at, server)):
                raise self._stopped_at(f"{len(left)} mailboxes: {what} at {server}: {why}")

    def _why_still(self, now: float, still_seconds: float, server: str) -> str:
        """Say why nothing moves, asked now and then: somebody does not run, or it was too long."""
        if still_seconds > STALL_SECONDS_MAX:
            return f"see the log of what runs for {server}"
        if now - self._asked_at < ASK_SECONDS:
            return ""
        self._asked_at = now
        missing = self._passage.missing()
        return f"start {', '.join(f'`{m}`' for m in missing)}" if missing else ""

    def _await_level(self) -> None:
        """Wait until the one listing is through and everything it found is applied."""

        def is_level(picture: Picture, one: Promoted) -> bool:
            seen = picture.of(one.mailbox)
            is_listed = seen.source.certain_up_to > 0 and not seen.pending and not any(map(_awaits, seen.owed.values()))
            return is_listed and seen.source.generation == seen.target.generation and not seen.not_applied

        self._require(self._chosen(), self.progress.target, is_level, "not level", self._course.sight)

    def _stopped_at(self, text: str) -> StoppedError:
        self._commit(failure=text[:NOTE_CHARACTERS_MAX])
        again = "migrate watch WAVE --merge` again" if self.progress.stage == Stage.STRAYS else "failback --resume`"
        return StoppedError(f"stopped at {self.progress.stage}: {text}. Mend it, then `mailshadow {again}")


def merge_id(seen: Seen, promotion: str) -> str:
    """Return the id by which a mailbox is to be merged now: `promotion`, `promotion/2`…; nothing where it is done.

    One that is under way is asked for by the same id again. Another one is needed where the source could not be read to
    its end, or where something is wanted of it since.
    """
    numbers = [_number(returned, promotion) for returned in (seen.source.returned, seen.target.returned)]
    number = max(*numbers, 1)
    if min(numbers) == max(numbers) > 0 and has_ended(seen.source, seen.target, promotion):
        if not seen.wanted and not _is_unread(seen):
            return ""
        number += 1
    return promotion if number == 1 else f"{promotion}/{number}"


def _number(returned: str, promotion: str) -> int:
    base, _, number = returned.partition("/")
    return 0 if base != promotion else int(number or 1)


def _progress(picture: Picture, part: Sequence[Promoted]) -> int:
    """Return a number that moves with what is done for these mailboxes; not with what their users do."""
    seen = [picture.of(o.mailbox) for o in part]
    return sum(s.source.generation + s.target.generation + s.target.applied_sequence for s in seen)


def _awaits(entry: IndexEntry) -> bool:
    """Tell whether an item is still to come: not one that can't be fetched."""
    return entry.owed is not None and entry.owed.attempts < UNREADABLE_ATTEMPTS


def _is_unread(seen: Seen) -> bool:
    """Tell whether the tail was not read to its end; what its source names and does not hand out is listed."""
    return seen.source.certain_up_to < seen.source.closed_at or bool(seen.pending)
