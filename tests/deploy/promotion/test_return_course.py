"""The way back: its order, what ends it before it began, what stops it, and death at every boundary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion.conduct import StoppedError
from deploy.promotion.opposite import has_ended
from deploy.promotion.picture import Picture
from deploy.promotion.return_course import Passage, ReturnCoordinator, merge_id
from schemas.change import Version
from schemas.state import ItemRecord, ItemState, Promotion, SourceRole, TargetRole
from schemas.topics import Topics

from .owners import feed_obeys, fenced, replay_applies, replay_obeys

STAGES = [
    "RETURN", "MERGE", "REVERSE", "CHECK", "CLOSE_DOOR", "CLOSE", "FENCE", "DRAIN", "VERIFY", "OPEN", "LEAD", "CONFIRM",
    "TAIL", "FORWARD", "DONE",
]  # fmt: skip
BACK, THERE = Topics("p", "source", is_back=True), Topics("p", "standby")
"""The promoted target is called `source` here, because the users are there; the old source is `standby`."""
WANTED = ItemRecord(
    item="w", state=ItemState.WANTED, generation=1, sequence=1, source_change_key="", folder_id="", marks=None,
    target_id="", target_change_key="", nonce="",
)  # fmt: skip


class There:
    """The first direction after a promotion, as roles; obeys what the way back orders of it."""

    def __init__(self, back: Any) -> None:
        self.back, self.picture = back, Picture()
        self.tails: dict[str, int] = {}
        self.obeyed: list[tuple[str, str]] = []
        self.deaf: set[str] = set()
        self.unread: set[str] = set()
        self.wanted_until = 1
        barrier = Version(generation=1, sequence=5)
        for name in back.names:
            seen = self.picture.of(name)
            seen.source = replace(
                seen.source, role=SourceRole.FENCED, generation=1, next_sequence=6, barrier=barrier, promotion="p0",
                certain_up_to=5,
            )  # fmt: skip
            seen.target = replace(
                seen.target, role=TargetRole.OPEN, generation=1, applied_sequence=5, barrier=barrier, promotion="p0"
            )
            other = back.picture.of(name)
            other.source = replace(other.source, role=SourceRole.FENCED, generation=0, next_sequence=1, certain_up_to=0)
            other.target = replace(other.target, generation=0, applied_sequence=0)

    def look(self, timeout_seconds: float) -> Picture:
        self.back.clock_seconds += timeout_seconds
        if timeout_seconds:
            for addressed in [a for a in self.back.waiting if a.topics is not None]:
                self.back.waiting.remove(addressed)
                if addressed.server not in self.deaf:
                    self.obey(addressed)
            self.work()
        return self.picture

    def obey(self, addressed: Any) -> None:
        order, is_back = addressed.order, addressed.topics == BACK
        seen = (self.back.picture if is_back else self.picture).of(order.mailbox)
        is_feed = addressed.server == addressed.topics.source
        self.obeyed.append((order.kind, addressed.server))
        if order.kind == "MERGE":
            if is_back:
                assert seen.source.role == SourceRole.FENCED, "users are at the old source"
            if is_feed and seen.source.returned != order.promotion:
                assert seen.target.role == TargetRole.MERGING, "the replay has to take part before the feed reads"
            if order.promotion.endswith(f"/{self.wanted_until}"):
                seen.wanted.clear()
        if order.kind == "TAKE_OVER":
            self.require_take_over(order, seen, is_feed=is_feed, is_back=is_back)
        if is_feed:
            seen.source = feed_obeys(seen.source, order)
        else:
            seen.target = replay_obeys(seen.target, order, addressed.server)

    def work(self) -> None:
        for name in self.back.names:
            seen = self.picture.of(name)
            if seen.source.role == SourceRole.CLOSED:
                certain_up_to = seen.source.closed_at - (name in self.unread)
                seen.source = replace(fenced(seen.source), certain_up_to=certain_up_to)
            replay_applies(seen)

    def require_take_over(self, order: Any, seen: Any, *, is_feed: bool, is_back: bool) -> None:
        if is_back:
            before = self.picture.of(order.mailbox)
            assert has_ended(before.source, before.target, order.promotion), "the tail is not merged"
        if is_feed and seen.source.handed != order.promotion:
            assert seen.target.handed == order.promotion, "the ledger has to be there before the index"


class Way:
    """One way back of some mailboxes."""

    def __init__(self, back: Any, **values: Any) -> None:
        self.back, self.there = back, There(back)
        self.missing: list[str] = []
        self.refusal = ""
        self.values: dict[str, Any] = {
            "is_merging": True, "is_mirror": False, "missing": lambda: self.missing, "refusal": lambda _: self.refusal,
        } | values  # fmt: skip

    def begin(self, **values: Any) -> ReturnCoordinator:
        return self.coordinator(replace(self.back.promotion(), stage="RETURN", **values))

    def coordinator(self, progress: Promotion) -> ReturnCoordinator:
        passage = Passage(there=self.there, topics=THERE, back=BACK, tails=self.tails, **self.values)
        course = self.back.course()
        return ReturnCoordinator(replace(course, sight=self), passage, progress)

    def look(self, timeout_seconds: float) -> Picture:
        self.there.look(timeout_seconds)
        picture: Picture = self.back.look(timeout_seconds)
        return picture

    def tails(self, mailboxes: Sequence[str]) -> Mapping[str, int]:
        self.back.boundaries.meet("tails")
        return {m: self.there.tails.get(m, 0) for m in mailboxes if self.there.tails.get(m, 0) >= 0}


Make = Callable[..., Any]


@pytest.fixture
def make(new_pipeline: Make) -> Make:
    return lambda count=2, **values: Way(new_pipeline(count), **values)


def order_of_first(stages: list[str]) -> list[str]:
    return list(dict.fromkeys(stages))


def test_the_steps_come_in_the_order_of_the_design(make: Make) -> None:
    way = make()
    way.there.tails = {way.back.names[0]: 3}
    done = way.begin().run()
    assert order_of_first(way.back.stages) == STAGES
    assert set(way.back.states().values()) == {"CONFIRMED"}
    assert done.mailboxes[0].tail == 0, "the tail that was read last is the promoted target's own"
    asked = list(dict.fromkeys(way.there.obeyed))
    assert asked == [
        ("MERGE", "source"), ("MERGE", "standby"), ("TAKE_OVER", "standby"), ("TAKE_OVER", "source"),
    ]  # fmt: skip
    forward = [a.server for a in way.back.orders if a.topics == THERE and a.order.kind == "TAKE_OVER"]
    assert forward == ["source", "source", "standby", "standby"]


def test_a_tail_without_a_word_for_it_ends_the_way_back_before_anything_is_ordered(make: Make) -> None:
    way = make(is_merging=False)
    way.there.tails = {way.back.names[1]: 2}
    done = way.begin().run()
    assert (done.stage, way.back.orders) == ("UNDONE", [])
    assert "2 changes" in done.failure
    assert "--merge" in done.failure


def test_an_empty_tail_needs_no_word(make: Make) -> None:
    assert make(is_merging=False).begin().run().stage == "DONE"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w, n: w.there.tails.update({n: -1}), "does not let it be read"),
        (lambda w, n: _put(w, n, source={"role": SourceRole.MIRRORING}), "not promoted"),
    ],
    ids=["unread", "at home"],
)
def test_a_mailbox_that_can_t_go_back_is_left_out_and_holds_nobody(make: Make, spoil: Any, words: str) -> None:
    way = make()
    spoil(way, way.back.names[0])
    done = way.begin().run()
    assert done.stage == "DONE"
    assert [o.left_out for o in done.mailboxes] == [True, False]
    assert {a.order.mailbox for a in way.back.orders} == {way.back.names[1]}
    assert words in way.coordinator(replace(way.back.promotion(), stage="RETURN")).run().mailboxes[0].note


def _put(way: Any, name: str, *, source: Any = None, target: Any = None) -> None:
    seen = way.there.picture.of(name)
    seen.source, seen.target = replace(seen.source, **source or {}), replace(seen.target, **target or {})


def test_a_mirror_alone_leaves_the_users_where_they_are_and_can_be_gone_on_from(make: Make) -> None:
    way = make(is_mirror=True)
    assert way.begin().run().stage == "DONE"
    assert order_of_first(way.back.stages) == ["RETURN", "MERGE", "REVERSE", "DONE"]
    assert {seen.source.role for seen in way.back.picture.mailboxes.values()} == {SourceRole.MIRRORING}
    merges = [kind for kind, _ in way.there.obeyed if kind == "MERGE"]
    way.values["is_mirror"] = False
    assert way.begin(promotion="p2").run().stage == "DONE"
    again = [kind for kind, _ in way.there.obeyed if kind == "MERGE"]
    assert again == merges, "what is mirrored to is not merged again"


@pytest.mark.parametrize(("server", "stage"), [("source", "MERGE"), ("standby", "MERGE")])
def test_an_owner_that_does_not_obey_stops_it_by_name_and_resuming_asks_again(
    make: Make, server: str, stage: str
) -> None:
    way = make()
    way.there.deaf = {server}
    with pytest.raises(StoppedError, match=f"stopped at {stage}: 2 mailboxes.*{server}.*--resume"):
        way.begin().run()
    assert way.back.clock_seconds > 600, "what lives may be busy for long"
    way.there.deaf = set()
    assert way.coordinator(way.back.committed).run().stage == "DONE"


def test_a_service_that_does_not_run_stops_it_soon_and_is_named(make: Make) -> None:
    way = make()
    way.there.deaf, way.missing = {"source"}, ["mailshadow replay --target standby"]
    with pytest.raises(StoppedError, match="start `mailshadow replay --target standby`"):
        way.begin().run()
    assert way.back.clock_seconds < 120


def test_a_mailbox_that_was_level_once_does_not_wait_for_the_others_to_be_so_at_the_same_time(make: Make) -> None:
    way = make(2)
    names, looks = way.back.names, [0]
    look = way.look

    def busy(timeout_seconds: float) -> Picture:
        picture: Picture = look(timeout_seconds)
        looks[0] += 1
        for number, name in enumerate(names):
            seen = picture.of(name)
            is_behind = looks[0] % 2 == number
            if seen.source.handed and way.back.committed.stage == "REVERSE":
                seen.target = replace(seen.target, applied_sequence=seen.source.next_sequence - 1 - is_behind)
        return picture

    way.look = busy
    assert way.begin().run().stage == "DONE"
    assert way.back.clock_seconds < 120


def test_a_mailbox_that_is_held_stops_it_at_once_with_the_reason(make: Make) -> None:
    way = make(1)
    _put(way, way.back.names[0], target={"tripped": "deletion-breaker", "tripped_on": "120 deletions"})
    way.there.deaf = {"source"}
    with pytest.raises(StoppedError, match="held: 120 deletions"):
        way.begin().run()
    assert way.back.clock_seconds < 5


def test_a_source_that_could_not_be_read_to_its_end_is_not_turned(make: Make) -> None:
    way = make()
    way.there.unread = {way.back.names[0]}
    with pytest.raises(StoppedError, match="not read to its end"):
        way.begin().run()
    assert not [a for a in way.back.orders if a.order.kind == "TAKE_OVER"]
    way.there.unread = set()
    assert way.coordinator(way.back.committed).run().stage == "DONE"
    again = {a.order.mailbox for a in way.back.orders if a.order.promotion == "p1/2"}
    assert again == {way.back.names[0]}, "what was read is not read again"


@pytest.mark.parametrize("deaf", ["source", "standby"])
def test_an_undo_before_the_close_leaves_everybody_where_they_are_and_orders_nothing(make: Make, deaf: str) -> None:
    way = make()
    way.there.deaf = {deaf}
    with pytest.raises(StoppedError):
        way.begin().run()
    before = len(way.back.orders)
    assert way.coordinator(way.back.committed).undo().stage == "UNDONE"
    assert len(way.back.orders) == before


@pytest.mark.parametrize("tail", [2, -1], ids=["a tail", "not read"])
def test_what_the_promoted_target_still_had_is_merged_before_the_roles_turn_forward(make: Make, tail: int) -> None:
    way = make()
    way.back.tail = {way.back.names[0]: tail}
    way.values["is_merging"] = False
    with pytest.raises(StoppedError, match="stopped at FORWARD: 1 mailboxes: source holds what nobody captured"):
        way.begin().run()
    assert not [a for a in way.back.orders if a.topics == THERE and a.order.kind == "TAKE_OVER"]
    way.values["is_merging"] = True
    assert way.coordinator(way.back.committed).run().stage == "DONE"
    merged = [(a.server, a.order.mailbox) for a in way.back.orders if a.topics == BACK and a.order.kind == "MERGE"]
    assert merged == [("standby", way.back.names[0]), ("source", way.back.names[0])]


def test_a_target_that_can_t_be_read_at_the_end_is_not_taken_for_one_without_a_tail(make: Make) -> None:
    way = make(is_merging=False)
    course = way.back.course
    way.back.course = lambda: replace(course(), tails=lambda _mailboxes: {})
    with pytest.raises(StoppedError, match="stopped at FORWARD: 2 mailboxes"):
        way.begin().run()


def test_what_is_wanted_after_a_merge_comes_with_the_next(make: Make) -> None:
    way = make()
    way.there.picture.of(way.back.names[0]).wanted["w"] = WANTED
    way.there.wanted_until = 2
    assert way.begin().run().stage == "DONE"
    merged = [a.order.promotion for a in way.back.orders if a.order.kind == "MERGE" and a.server == "standby"]
    assert merged == ["p1", "p1", "p1/2"]


@pytest.mark.parametrize(
    ("source", "target", "is_ended", "expected"),
    [
        ("", "", False, "p1"),
        ("p0", "p0", True, "p1"),
        ("p0", "p1", False, "p1"),
        ("p1", "p1", False, "p1"),
        ("p1", "p1", True, ""),
        ("p1", "p1/2", False, "p1/2"),
        ("p1/2", "p1/2", False, "p1/2"),
        ("p1/2", "p1/2", True, ""),
    ],
)
def test_a_merge_under_way_is_asked_for_by_the_same_id(
    make: Make, source: str, target: str, expected: str, *, is_ended: bool
) -> None:
    way = make(1)
    (name,) = way.back.names
    role = TargetRole.OPEN if is_ended else TargetRole.MERGING
    _put(way, name, source={"returned": source}, target={"returned": target, "role": role})
    assert merge_id(way.there.picture.of(name), "p1") == expected


def test_a_death_at_any_boundary_is_resumed_to_the_same_end(make: Make, died: type[BaseException]) -> None:
    undisturbed = make()
    undisturbed.begin().run()
    for number in range(len(undisturbed.back.boundaries.met)):
        way = make()
        way.there.tails = dict.fromkeys(way.back.names, 1)
        way.back.boundaries.die_at = number
        try:
            way.begin().run()
        except died:
            progress = way.back.committed or replace(way.back.promotion(), stage="RETURN")
            assert way.coordinator(progress).run().stage == "DONE"
        assert set(way.back.states().values()) == {"CONFIRMED"}
        assert {s.source.role for s in way.there.picture.mailboxes.values()} == {SourceRole.MIRRORING}
        assert {s.target.role for s in way.there.picture.mailboxes.values()} == {TargetRole.MIRRORING}
