"""The tail of an old source comes beside what users do at the opened target: nothing of either side is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from consumers.resolving import CATEGORY
from schemas.change import Marks
from schemas.identity import item_key

KINDS = ("death", "partition lost", "answer unknown", "busy", "late", "very late")
READ, FLAGGED = Marks(is_read=True), Marks(is_read=True, flag_status="Flagged")
RED = Marks(is_read=True, categories=("red",))
NAMES = "abcdefghijkopq"


class Users:
    """Who works at the target since it was opened."""

    def __init__(self, world: Any) -> None:
        self.world, self.items = world, world.target.items

    def held(self, name: str) -> str:
        key = self.world.making.key(name)
        return str(next(i for i, item in self.items.items() if f":{key}:" in item.stamp))

    def edit(self, name: str, content: bytes = b"", marks: Marks | None = None) -> None:
        item = self.items[self.held(name)]
        item.content, item.marks = content or item.content, marks or item.marks
        item.change_key = f"users-{name}"

    def move(self, name: str, folder: str) -> None:
        item = self.items.pop(self.held(name))
        item.folder_id = next(i for i, f in self.world.target.folders.items() if f.name == folder)
        item.change_key = f"users-{name}"
        self.items[f"moved-{name}"] = item

    def delete(self, name: str) -> None:
        self.world.target.recoverable.append(self.items.pop(self.held(name)))


def opened(world: Any) -> Any:
    source = world.source()
    source.folder("work-s", "Work")
    source.folder("plans-s", "Plans")
    for name in NAMES:
        source.save(name, b"first", marks=READ)
    source.close()
    world.replay()
    world.order("OPEN")
    world.replay()
    return source


def users_work(world: Any) -> None:
    users = Users(world)
    users.edit("b", b"by users")
    users.edit("d", marks=FLAGGED)
    users.move("f", "Plans")
    users.edit("h", b"by users")
    users.edit("o", b"by users", FLAGGED)
    users.edit("p", b"by users")
    users.edit("q", b"by users")
    for name in "ijk":
        users.delete(name)
    world.target.add_item(world.target.root(world.making.address, "inbox"), b"made by users")


def tail(source: Any) -> None:
    """What the old source did after its barrier, once it is read."""
    source.save("a", b"by the source", marks=READ)
    source.save("b", b"by the source", marks=READ)
    source.mark("c", RED)
    source.mark("d", RED)
    source.move("e", "work-s")
    source.move("f", "work-s")
    source.delete("g")
    source.delete("h")
    source.save("i", b"by the source", marks=READ)
    source.mark("j", RED)
    source.delete("k")
    source.move("o", "work-s")
    source.mark("o", RED)
    source.move("p", "work-s")
    source.save("p", b"by the source", "work-s", READ)
    source.save("n", b"made by the source", marks=READ)
    source.move("q", "work-s")
    source.folder("new-s", "New")
    source.save("q", b"by the source", "work-s", READ)


def merged(world: Any, source: Any, strikes: Any) -> None:
    previous = source.last
    world.order("MERGE", promotion="p2")
    world.replay_through(strikes)
    source.hand_over("p2", previous)
    tail(source)
    source.close()
    world.replay_through(strikes)


def marked(marks: Marks) -> Marks:
    return Marks(is_read=marks.is_read, flag_status=marks.flag_status, categories=(*marks.categories, CATEGORY))


@pytest.fixture
def split(new_world: Callable[..., Any]) -> Callable[[], tuple[Any, Any]]:
    def make() -> tuple[Any, Any]:
        world = new_world()
        source = opened(world)
        users_work(world)
        return world, source

    return make


def expected(world: Any, change_keys: dict[str, str]) -> dict[str, list[tuple[str, bytes, Marks]]]:
    key = world.making.key
    copies = {n: item_key(world.making.mailbox, f"conflict:{key(n)}:{change_keys[n]}") for n in "bpq"}
    return {
        key("a"): [("inbox", b"by the source", READ)],
        key("b"): [("inbox", b"by users", READ)],
        copies["b"]: [("inbox", b"by the source", marked(READ))],
        key("c"): [("inbox", b"first", RED)],
        key("d"): [("inbox", b"first", FLAGGED)],
        key("e"): [("msgfolderroot/Work", b"first", READ)],
        key("f"): [("msgfolderroot/Plans", b"first", READ)],
        key("h"): [("inbox", b"by users", READ)],
        key("i"): [("inbox", b"by the source", marked(READ))],
        key("n"): [("inbox", b"made by the source", READ)],
        key("o"): [("msgfolderroot/Work", b"by users", FLAGGED)],
        key("p"): [("inbox", b"by users", READ)],
        copies["p"]: [("msgfolderroot/Work", b"by the source", marked(READ))],
        key("q"): [("msgfolderroot/Work", b"by users", READ)],
        copies["q"]: [("msgfolderroot/Work", b"by the source", marked(READ))],
    }


def assert_merged(world: Any, source: Any, *, may_hide: bool = False) -> None:
    """`may_hide`: what arrives after the end lies in staging, where nobody sees it."""
    seen = world.target.visible()
    assert {content for _, content, _ in seen.pop("foreign")} == {b"mine", b"made by users"}
    assert seen == expected(world, {n: source.items[n][3] for n in "bpq"})
    assert may_hide or world.target.staged() == []
    assert "msgfolderroot/New" in world.target.tree()
    assert [r for r in world.item_records() if r.intent] == []
    assert (world.mailbox_record().role, world.mailbox_record().returned) == ("OPEN", "p2")
    assert world.mailbox_record().barrier == world.mailbox_record().applied == source.last
    key = world.making.key
    assert world.conflicts() == {
        key("b"): ("ItemSaved", "changed", "both"),
        key("d"): ("ItemMarked", "changed", "target"),
        key("f"): ("ItemMoved", "moved", "target"),
        key("h"): ("ItemDeleted", "changed", "target"),
        key("i"): ("ItemSaved", "gone", "source"),
        key("j"): ("ItemMarked", "gone", "source"),
        key("o"): ("ItemMoved", "changed", "merged"),
        key("p"): ("ItemSaved", "changed", "both"),
        key("q"): ("ItemSaved", "changed", "both"),
    }
    assert ("WANT", (key("j"),)) in world.orders()


def test_what_both_sides_did_is_there_once_and_conflicts_are_listed(
    split: Callable[[], tuple[Any, Any]], adversity: Any
) -> None:
    world, source = split()
    merged(world, source, adversity())
    assert_merged(world, source)


@pytest.mark.parametrize("kind", KINDS)
def test_one_adversity_at_any_boundary_of_a_merge_makes_no_difference(
    split: Callable[[], tuple[Any, Any]], adversity: Any, kind: str
) -> None:
    world, source = split()
    undisturbed = adversity()
    merged(world, source, undisturbed)
    for number in undisturbed.places(kind):
        world, source = split()
        merged(world, source, adversity({number: kind}))
        try:
            assert_merged(world, source, may_hide=kind == "very late")
        except AssertionError as error:
            error.add_note(f"{kind} at {undisturbed.boundaries[number]}, boundary {number}")
            raise


def test_what_the_tail_replaces_stays_recoverable(split: Callable[[], tuple[Any, Any]], adversity: Any) -> None:
    """Between the look and the write a user may have edited it."""
    world, source = split()
    merged(world, source, adversity())
    assert world.making.key("a") in {item.stamp.split(":")[1] for item in world.target.recoverable}


def test_a_mailbox_opened_before_its_barrier_gets_what_was_captured_and_not_applied(world: Any) -> None:
    source = world.source()
    source.save("a", b"first", marks=READ)
    source.save("b", b"first", marks=READ)
    world.replay()
    world.order("PAUSE")
    world.replay()
    source.save("c", b"captured, never applied", marks=READ)
    source.save("b", b"captured, never applied", marks=READ)
    source.close()
    world.order("OPEN", accepted=True)
    world.replay()
    Users(world).edit("b", b"by users")
    world.order("MERGE", promotion="p2")
    world.replay()
    assert world.mailbox_record().role == "MERGING"
    previous = source.last
    source.hand_over("p2", previous)
    source.save("d", b"tail", marks=READ)
    source.close()
    world.replay()
    seen = {states[0][1] for key, states in world.target.visible().items() if key != "foreign"}
    assert seen == {b"first", b"by users", b"captured, never applied", b"tail"}
    assert world.mailbox_record().role == "OPEN"
    assert world.mailbox_record().barrier == world.mailbox_record().applied == source.last
    assert world.conflicts() == {world.making.key("b"): ("ItemSaved", "changed", "both")}


def test_nothing_is_merged_without_the_order(split: Callable[[], tuple[Any, Any]]) -> None:
    world, source = split()
    before = world.target.visible()
    source.hand_over("p2", source.last)
    tail(source)
    source.close()
    world.replay()
    assert world.target.visible() == before
    assert world.conflicts() == {}


def test_a_merge_takes_part_once_and_a_later_return_again(split: Callable[[], tuple[Any, Any]], adversity: Any) -> None:
    world, source = split()
    merged(world, source, adversity())
    world.order("MERGE", promotion="p2")
    world.replay()
    assert world.mailbox_record().role == "OPEN"
    world.order("MERGE", promotion="p3")
    world.replay()
    assert (world.mailbox_record().role, world.mailbox_record().returned) == ("MERGING", "p3")


def test_a_gap_in_the_tail_orders_no_seed_over_what_users_do(split: Callable[[], tuple[Any, Any]]) -> None:
    world, source = split()
    previous = source.last
    world.order("MERGE", promotion="p2")
    world.replay()
    source.hand_over("p2", previous)
    source.lose()
    source.save("n", b"made by the source")
    world.replay()
    assert world.mailbox_record().waiting
    assert not [o for o in world.orders() if o[0] == "SEED"]


def test_another_target_that_was_not_turned_is_seeded_in_the_generation_after_the_way_back(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    source.close("another")
    world.replay()
    source.hand_over("p2")
    world.replay()
    assert [kind for kind, _ in world.orders()] == ["SEED"]
    source.items["b"] = ("inbox-s", b"what users made at the other target", READ, "ck-x")
    source.story[world.making.key("b")].append(("inbox", b"what users made at the other target", READ))
    source.seed()
    world.replay()
    assert world.mailbox_record().role == "MIRRORING"
    world.assert_exact(source, orders=True)


def test_another_target_that_rests_at_the_barrier_takes_the_tail_as_it_is(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    source.close("another")
    world.replay()
    assert world.mailbox_record().role == "DRAINED"
    source.hand_over("p2", source.last)
    source.save("a", b"second")
    source.close("another")
    world.replay()
    assert world.mailbox_record().role == "DRAINED"
    world.assert_exact(source)


def test_a_seed_in_the_middle_of_a_merge_leaves_what_users_did_and_the_role(
    split: Callable[[], tuple[Any, Any]],
) -> None:
    world, source = split()
    previous = source.last
    world.order("MERGE", promotion="p2")
    world.replay()
    source.hand_over("p2", previous)
    source.save("b", b"by the source", marks=READ)
    source.seed()
    world.replay()
    shown = world.target.visible()[world.making.key("b")]
    assert [content for _, content, _ in shown] == [b"by users"]
    assert "made by users" in {content.decode() for _, content, _ in world.target.visible()["foreign"]}
    assert world.mailbox_record().role == "MERGING"
    source.close()
    world.replay()
    assert world.mailbox_record().role == "OPEN"


@pytest.mark.parametrize("waits", ["for a seed", "in the middle of one"])
def test_a_mailbox_that_was_opened_while_it_waited_is_merged_all_the_same(world: Any, waits: str) -> None:
    source = world.source()
    source.save("a", b"first")
    if waits == "for a seed":
        source.lose()
    else:
        source.begin_seed()
    source.save("b", b"second")
    source.close()
    barrier = source.last
    world.replay()
    world.order("OPEN", accepted=True)
    world.replay()
    assert world.mailbox_record().role == "OPEN"
    world.order("MERGE", promotion="r1")
    world.replay()
    source.hand_over("r1", previous=barrier)
    source.save("c", b"tail")
    source.close()
    for _ in range(3):
        world.replay()
    record = world.mailbox_record()
    assert (record.role, record.waiting, record.behind, record.seed_begun) == ("OPEN", "", "", 0)
    assert record.applied == source.last
    assert {b"first", b"second", b"tail"} <= {m.content for m in world.target.items.values()}


def test_a_merge_that_met_a_gap_goes_on_with_the_next_one(split: Callable[[], tuple[Any, Any]]) -> None:
    world, source = split()
    previous = source.last
    world.order("MERGE", promotion="p2")
    world.replay()
    source.hand_over("p2", previous)
    source.lose()
    source.save("n", b"after the gap")
    source.close()
    world.replay()
    assert world.mailbox_record().waiting
    barrier = source.last
    world.order("MERGE", promotion="p2/2")
    world.replay()
    source.hand_over("p2/2", previous=barrier)
    source.save("m", b"the next tail")
    source.close()
    for _ in range(2):
        world.replay()
    record = world.mailbox_record()
    assert (record.role, record.waiting, record.applied) == ("OPEN", "", source.last)
    assert {b"after the gap", b"the next tail"} <= {m.content for m in world.target.items.values()}
