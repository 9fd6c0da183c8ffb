"""The settling table of consumers/README.md, row by row: an answer that is unknown, and a request that comes late."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from consumers.target import Outcome, Target
from schemas.change import Marks
from schemas.codec import decode
from schemas.faults import ReplicationFault, TransportFault
from schemas.ports import AnswerUnknown
from schemas.state import ItemRecord, ItemState

LATE = "still under way"
FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",), importance="High")
KINDS = ("unknown, not done", "unknown, done", "late", "minutes late")
"""Late: while it is being settled. Minutes late: after everything was done and cleaned."""


def writing_methods() -> set[str]:
    """Every method of the port that answers with outcomes."""
    hints = {n: get_type_hints(m).get("return") for n, m in vars(Target).items() if callable(m)}
    return {name for name, hint in hints.items() if hint in (Outcome, list[Outcome])}


@dataclass(slots=True)
class Strike:
    """Meets the calls of one method; strikes one of them."""

    method: str
    number: int
    kind: str
    deliver: Callable[[], None]
    met: int = 0
    called: set[str] = field(default_factory=set)

    def meet(self, name: str, when: str) -> None:
        if when == "before":
            self.called.add(name)
        if self.kind == "late":
            self.deliver()
        if name != self.method or when != ("after" if self.kind == "unknown, done" else "before"):
            return
        self.met += 1
        if self.met == self.number:
            is_late = self.kind in {"late", "minutes late"}
            raise AnswerUnknown(TransportFault.TIMED_OUT, LATE if is_late else "struck")


def known(source: Any) -> None:
    source.folder("work-s", "Work")
    source.folder("plans-s", "Plans", "work-s")
    source.folder("empty-s", "Empty")
    source.save("a", b"first")
    source.save("b", b"second", "work-s")


def only_folders(source: Any) -> None:
    source.folder("work-s", "Work")


@dataclass(frozen=True, slots=True)
class Case:
    """What is there, what happens, and the writing calls that make up the operation."""

    when: Callable[[Any, Any], None]
    methods: tuple[str, ...]
    settings: dict[str, object] = field(default_factory=dict)
    given: Callable[[Any], None] = known
    afterwards: Callable[[Any], None] = lambda _: None
    """What happens once it is settled, and goes wrong if the replay does not know what is its own."""


def target_folder(world: Any, name: str) -> str:
    """Return the id of a target folder by its name."""
    return next(str(i) for i, f in world.target.folders.items() if f.name == name)


def deleted_at_the_target(world: Any, source: Any) -> None:
    del world.target.folders[target_folder(world, "Empty")]
    source.move("a", "empty-s")


def left_in_staging(world: Any, source: Any) -> None:
    staging_id = next(i for i, f in world.target.folders.items() if f.is_hidden)
    world.target.add_item(staging_id, b"left by a doubt")
    source.delete("b")


CASES: dict[str, Case] = {
    "a new item as a stream": Case(lambda _, s: s.save("c", b"third", "work-s"), ("upload", "update", "move")),
    "a new portable item": Case(
        lambda _, s: s.save("c", b"third", "work-s"), ("create", "move"), {"portable_only": True}
    ),
    "new content": Case(lambda _, s: s.save("a", b"edited"), ("upload", "update", "move", "delete")),
    "content changed in place": Case(
        lambda _, s: s.save("a", b"edited"), ("edit",), {"portable_only": True, "settings": {"edits_in_place": True}}
    ),
    "a mark": Case(lambda _, s: s.mark("a", FLAGGED), ("update",)),
    "a move": Case(lambda _, s: s.move("a", "work-s"), ("move",)),
    "a deletion": Case(lambda _, s: s.delete("a"), ("delete",)),
    "a new folder": Case(
        lambda _, s: s.folder("new-s", "New"), ("create_folder",), afterwards=lambda s: s.drop_folder("new-s")
    ),
    "a folder renamed": Case(lambda _, s: s.folder("empty-s", "Full"), ("rename_folder",)),
    "a folder moved": Case(lambda _, s: s.folder("empty-s", "Empty", "work-s"), ("move_folder",)),
    "a folder deleted": Case(lambda _, s: s.drop_folder("empty-s"), ("delete_folder",)),
    "a folder that was deleted at the target": Case(deleted_at_the_target, ("create_folder",)),
    "the first item of its kind": Case(lambda _, s: s.save("a", b"first"), ("create_folder",), given=only_folders),
    "an item left in staging": Case(left_in_staging, ("delete",)),
}


def play(new_world: Callable[..., Any], case: Case, strike: Strike | None) -> tuple[Any, Any]:
    """Apply the first half, strike the second, let everything late arrive, and let a new owner look once more."""
    world = new_world(**case.settings)
    source = world.source()
    case.given(source)
    world.replay()
    case.when(world, source)
    if strike:
        strike.deliver = world.target.deliver_late
        world.replay_hooked(strike.meet)
        world.target.deliver_late()
        world.replay()
    return world, source


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_an_unknown_answer_is_settled_and_a_late_request_changes_nothing(
    new_world: Callable[..., Any], name: str, kind: str
) -> None:
    case = CASES[name]
    for method in case.methods:
        undisturbed = Strike(method, 0, kind, lambda: None)
        play(new_world, case, undisturbed)
        assert undisturbed.met, f"{name}: {method} is not called"
        for number in range(1, undisturbed.met + 1):
            strike = Strike(method, number, kind, lambda: None)
            world, source = play(new_world, case, strike)
            assert strike.met >= number, "nothing was struck"
            world.assert_exact(source)
            case.afterwards(source)
            world.replay()
            world.assert_exact(source)


@pytest.mark.parametrize("method", ["rename_folder", "move_folder", "create_folder"])
def test_a_folder_call_that_comes_after_the_next_change_of_its_folder_is_repaired_by_a_seed_or_harmless(
    new_world: Callable[..., Any], method: str
) -> None:
    first = {"rename_folder": ("Full", ""), "move_folder": ("Empty", "work-s"), "create_folder": ("New", "")}[method]
    folder_id = "new-s" if method == "create_folder" else "empty-s"
    case = Case(lambda _, s: s.folder(folder_id, *first), (method,))
    world = new_world()
    source = world.source()
    known(source)
    world.replay()
    case.when(world, source)
    world.replay_hooked(Strike(method, 1, "minutes late", lambda: None).meet)
    source.folder(folder_id, "Final")
    world.replay()
    world.assert_exact(source)
    world.target.deliver_late()
    source.seed()
    world.replay()
    if method == "create_folder":
        # nobody can tell it from a user's own folder: it stays, and it is empty
        stray_id = target_folder(world, "New")
        assert all(i.folder_id != stray_id for i in world.target.items.values())
        del world.target.folders[stray_id]
    world.assert_exact(source)


# -- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: the operation, its writing calls, the texts, the cases above that strike it."""

    operation: str
    methods: tuple[str, ...]
    texts: tuple[str, ...]
    cases: tuple[str, ...]


@pytest.fixture(scope="module")
def rows(repository: Path) -> list[Row]:
    text = (repository / "consumers/README.md").read_text().partition("## Settling")[2].partition("\n## ")[0]
    found = []
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE)[2:]:
        operation, calls, *texts, cases = (cell.strip() for cell in line.split(" | "))
        methods = tuple(re.findall(r"`(\w+)`", calls))
        found.append(Row(operation, methods, tuple(texts), tuple(c.strip() for c in cases.split(";"))))
    return found


def test_every_writing_method_of_the_port_stands_in_the_table(rows: list[Row]) -> None:
    assert {m for row in rows for m in row.methods} == writing_methods()


def test_every_row_says_how_it_is_sent_settled_and_why_late_is_harmless(rows: list[Row]) -> None:
    assert len(rows) == len({row.operation for row in rows})
    assert [row.operation for row in rows if len(row.texts) != 3 or not all(row.texts)] == []


def test_every_row_is_struck_in_each_of_its_calls(rows: list[Row]) -> None:
    assert {c for row in rows for c in row.cases} == CASES.keys()
    for row in rows:
        assert {m for c in row.cases for m in CASES[c].methods} == set(row.methods), row.operation


@pytest.mark.parametrize("kind", ["answer unknown", "death"])
def test_a_copy_that_a_user_deleted_does_not_stand_for_the_original(
    new_world: Callable[..., Any], adversity: Any, kind: str
) -> None:
    """A copy carries the stamp of its original: that one of them is recoverable says nothing of the other."""

    def play(strikes: dict[int, str]) -> tuple[Any, Any]:
        world = new_world()
        source = world.source()
        source.save("a", b"a")
        world.replay()
        original = next(i for i in world.target.items.values() if i.content == b"a")
        copy_id = world.target.add_item(original.folder_id, b"a", original.stamp)
        world.target.recoverable.append(world.target.items.pop(copy_id))
        source.delete("a")
        struck = adversity(strikes)
        world.replay_through(struck)
        return world, struck

    _, undisturbed = play({})
    for number in undisturbed.places(kind):
        world, _ = play({number: kind})
        assert world.making.key("a") not in world.target.visible(), undisturbed.boundaries[number]


def test_of_several_with_one_stamp_none_is_adopted_and_no_further_one_is_made(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    """A user copies what was just placed, and its owner died before that was committed (chaos, seed 104)."""

    def play(number: int | None) -> Any:
        world = new_world()
        source = world.source()
        source.save("a", b"first")
        world.replay()
        source.save("a", b"second")
        struck = adversity({} if number is None else {number: "death"})
        copies: list[str] = []

        def copy(_name: str, _when: str) -> None:
            placed = [i for i in world.target.items.values() if i.content == b"second"]
            shown = [i for i in placed if not world.target.is_staging(i.folder_id)]
            if number is not None and len(struck.boundaries) > number and shown and not copies:
                copies.append(world.target.add_item(shown[0].folder_id, b"second", shown[0].stamp))

        struck.also = copy
        world.replay_through(struck)
        return world, source, struck

    _, _, undisturbed = play(None)
    reasons = set()
    for number in undisturbed.places("death"):
        world, source, _ = play(number)
        shown = [content for _, content, _ in world.target.visible()[world.making.key("a")]]
        assert shown == [b"second", b"second"], undisturbed.boundaries[number]
        (record,) = world.item_records()
        reasons.add(record.reason)
        letters = [decode(r.value) for r in world.owned.history(world.topics.dead_letters("t"))]
        assert [letter.reason for letter in letters] == [record.reason] * bool(record.reason)
        delete(world, source, record)
    assert reasons == {"", ReplicationFault.AMBIGUOUS_STAMP}


def delete(world: Any, source: Any, record: ItemRecord) -> None:
    """Which of several is ours is not guessed for a deletion either: it stays parked until somebody redrives it."""
    source.delete("a")
    world.replay()
    shown = world.target.visible().get(world.making.key("a"), [])
    if not record.reason:
        assert world.item_records() == []
        return
    assert len(shown) == 2
    (parked,) = world.item_records()
    assert (parked.state, parked.reason) == (ItemState.PARKED, ReplicationFault.AMBIGUOUS_STAMP)
    world.order("REDRIVE", world.making.key("a"))
    world.replay()
    assert world.item_records() == []
    assert world.target.visible().get(world.making.key("a"), []) == shown


# -- what users do before a placement is settled -----------------------------------------------------------------------


class Died(BaseException):
    """The process is gone; no handler of its own runs."""


def copies_of(world: Any, key: str) -> list[str]:
    """Where the items of a key stand that users can see."""
    target = world.target
    return sorted(target.path(m.folder_id) for m in target.items.values() if f":{key}:" in m.stamp)


def after_first_move(act: Callable[[], None], raised: BaseException) -> Callable[[str, str], None]:
    """A hook: right after the first move that the target did, users act and the replay fails."""
    done: list[str] = []

    def hook(name: str, when: str) -> None:
        if (name, when) == ("move", "after") and not done:
            done.append(name)
            act()
            raise raised

    return hook


def replay_until_it_dies(world: Any, hook: Callable[[str, str], None]) -> None:
    with contextlib.suppress(Died):
        world.replay_hooked(hook)


def file_into(world: Any, key: str, folder: str) -> None:
    target = world.target
    item_id = next(i for i, m in target.items.items() if f":{key}:" in m.stamp)
    target.items["filed by a user"] = replace(target.items.pop(item_id), folder_id=target_folder(world, folder))


def delete_softly(world: Any, key: str) -> None:
    target = world.target
    item_id = next(i for i, m in target.items.items() if f":{key}:" in m.stamp)
    target.recoverable.append(target.items.pop(item_id))


@pytest.mark.parametrize("failure", ["unknown", "death"])
@pytest.mark.parametrize("folder", ["Work", "Mine", ""], ids=["mapped", "unmapped", "deleted"])
def test_a_new_mail_that_a_user_filed_before_its_placing_was_settled_is_there_once(
    world: Any, failure: str, folder: str
) -> None:
    source = world.source()
    known(source)
    world.replay()
    source.save("new", b"new mail")
    key = world.making.key("new")
    raised = Died() if failure == "death" else AnswerUnknown(TransportFault.RESET, "")
    act = (lambda: file_into(world, key, folder)) if folder else (lambda: delete_softly(world, key))
    replay_until_it_dies(world, after_first_move(act, raised))
    world.replay()
    assert copies_of(world, key) == ["inbox"]
    world.assert_exact(source)


@pytest.mark.parametrize("folder", ["Work", "Mine", ""], ids=["mapped", "unmapped", "deleted"])
def test_a_mail_of_the_tail_stays_where_users_filed_it_before_its_placing_was_settled(world: Any, folder: str) -> None:
    source = world.source()
    source.folder("work-s", "Work")
    source.close()
    barrier = source.last
    world.replay()
    world.order("OPEN")
    world.replay()
    world.order("MERGE", promotion="r1")
    world.replay()
    source.hand_over("r1", previous=barrier)
    source.save("a", b"mail of the tail")
    source.close()
    key = world.making.key("a")
    act = (lambda: file_into(world, key, folder)) if folder else (lambda: delete_softly(world, key))
    replay_until_it_dies(world, after_first_move(act, Died()))
    for _ in range(2):
        world.replay()
    places = {"Work": ["msgfolderroot/Work"], "Mine": ["msgfolderroot/Mine"], "": []}
    assert copies_of(world, key) == places[folder]
    assert world.mailbox_record().role == "OPEN"


@pytest.mark.parametrize("failure", ["unknown", "death"])
def test_an_item_that_a_user_filed_apart_before_its_move_was_settled_is_not_doubled(world: Any, failure: str) -> None:
    source = world.source()
    known(source)
    world.replay()
    source.move("a", "work-s")
    key = world.making.key("a")
    raised = Died() if failure == "death" else AnswerUnknown(TransportFault.RESET, "")
    replay_until_it_dies(world, after_first_move(lambda: file_into(world, key, "Mine"), raised))
    world.replay()
    assert copies_of(world, key) == ["msgfolderroot/Work"]
    assert world.orders() == []


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["rename_folder", "move_folder", "blocked"])
def test_a_folder_made_and_changed_in_one_batch_is_one_folder_after_a_death(world: Any, second: str) -> None:
    source = world.source()
    source.folder("top-s", "Top")
    world.replay()
    source.folder("a-s", "New folder")
    if second == "move_folder":
        source.folder("a-s", "New folder", "top-s")
    elif second == "rename_folder":
        source.folder("a-s", "Projects")
    else:
        source.folder("b-s", "New folder")
        source.folder("a-s", "Projects")
    source.save("x", b"x", "a-s")
    call, done = "move_folder" if second == "move_folder" else "rename_folder", list[str]()

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, "after") and not done:
            done.append(name)
            raise Died

    replay_until_it_dies(world, hook)
    assert done
    for _ in range(2):
        world.replay()
    world.assert_exact(source)


def named_child_first(world: Any) -> Any:
    """A folder that the log names before its parent, as the pages of a hierarchy may."""
    source = world.source()
    source.folders["parent-s"] = ("", "Parent")
    source.folder("child-s", "Child", "parent-s")
    return source


def test_a_child_that_the_log_names_before_its_parent_ends_below_it(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def run(strikes: Any) -> None:
        world = new_world()
        source = named_child_first(world)
        world.replay()
        source.folder("parent-s", "Parent")
        source.save("a", b"x", "child-s")
        world.replay_through(strikes)
        world.assert_exact(source)

    undisturbed = adversity()
    run(undisturbed)
    for number in undisturbed.places("death"):
        run(adversity({number: "death"}))


def test_a_child_named_first_ends_below_its_parent_in_one_batch_too(world: Any) -> None:
    source = named_child_first(world)
    source.folder("parent-s", "Parent")
    source.save("a", b"x", "child-s")
    world.replay()
    world.assert_exact(source)
