"""What users do while a tail is merged, or died in the middle: it is seen before it is written over, in every merge."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.change import Marks
from tests.consumers.at_target.replay.conftest import Died
from tests.consumers.at_target.replay.test_elements import EDITED, FIRST, contact
from tests.consumers.at_target.replay.test_merging import Users, opened

READ, FLAGGED = Marks(is_read=True), Marks(is_read=True, flag_status="Flagged")
RED = Marks(is_read=True, categories=("red",))
BY_USERS = b"by users"


def begun(world: Any, source: Any, promotion: str = "p2") -> None:
    """Begin the merge of a tail that is to be written next."""
    previous = source.last
    world.order("MERGE", promotion=promotion)
    world.replay()
    source.hand_over(promotion, previous)


def once(boundary: tuple[str, str], act: Callable[[], None], *, dies: bool = False) -> Callable[[str, str], None]:
    struck: list[bool] = []

    def hook(name: str, when: str) -> None:
        if (name, when) == boundary and not struck:
            struck.append(True)
            if dies:
                raise Died
            act()

    return hook


def interrupted(world: Any, boundary: tuple[str, str], act: Callable[[], None], *, dies: bool) -> None:
    """Replay; at a boundary users act, or the replay dies and they act before the next one."""
    if dies:
        with pytest.raises(Died):
            world.replay_hooked(once(boundary, act, dies=True))
        act()
        world.replay()
    else:
        world.replay_hooked(once(boundary, act))


def standing(world: Any) -> list[bytes]:
    return [c for name, found in world.target.visible().items() if name != "foreign" for _, c, _ in found]


def record(world: Any, name: str) -> Any:
    return next(r for r in world.item_records() if r.item == world.making.key(name))


TAIL: dict[str, tuple[str, Callable[[Any], None]]] = {
    "moved": ("move", lambda source: source.move("q", "work-s")),
    "marked": ("update", lambda source: source.mark("q", RED)),
    "deleted": ("delete", lambda source: source.delete("q")),
    "edited": ("move", lambda source: source.save("q", b"by the source", marks=READ)),
}


# an edit in the moment between our look and a move can't be told apart from the move
CASES = [(change, dies) for change in TAIL for dies in (True, False) if (change, dies) != ("moved", False)]


@pytest.mark.parametrize(("change", "dies"), CASES)
def test_an_edit_between_plan_and_write_stays_and_is_told(world: Any, change: str, *, dies: bool) -> None:
    boundary, act = TAIL[change]
    if change == "deleted" and not dies:
        boundary = "look"  # the look right before the deletion is the last moment at which it can be seen
    source = opened(world)
    users = Users(world)
    begun(world, source)
    act(source)
    source.close()
    interrupted(world, (boundary, "before"), lambda: users.edit("q", BY_USERS, FLAGGED), dies=dies)
    assert BY_USERS in standing(world)
    assert world.making.key("q") in world.conflicts()
    assert [r for r in world.item_records() if r.intent] == []


def test_what_a_merge_moved_is_known_to_be_the_users_in_every_later_merge(world: Any) -> None:
    source = opened(world)
    users = Users(world)
    users.edit("q", BY_USERS)
    begun(world, source, "strays")
    source.move("q", "work-s")
    source.close()
    world.replay()
    assert world.conflicts()[world.making.key("q")] == ("ItemMoved", "changed", "merged")
    begun(world, source, "return")
    source.save("q", b"by the source", "work-s", READ)
    source.close()
    world.replay()
    assert {BY_USERS, b"by the source"} <= set(standing(world))


def test_a_move_whose_answer_was_lost_is_read_again_by_the_next_direction(world: Any) -> None:
    """Nobody can say what of its ChangeKey is users' and what is ours, so the ledger keeps that of before."""
    source = opened(world)
    before = record(world, "q").target_change_key
    begun(world, source)
    source.move("q", "work-s")
    source.close()
    interrupted(world, ("move", "after"), lambda: Users(world).edit("q", BY_USERS), dies=True)
    assert record(world, "q").target_change_key == before
    assert world.target.items[record(world, "q").target_id].content == BY_USERS


@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize("form", ["PORTABLE", "ELEMENTS"])
def test_at_an_older_server_an_edit_between_plan_and_write_is_not_written_over(
    new_world: Callable[..., Any], form: str, *, dies: bool
) -> None:
    world = new_world(portable_only=True, settings={"edits_in_place": True})
    source = world.source()
    source.folder("work-s", "Work")
    source.save("a", FIRST, marks=READ)
    source.close()
    world.replay()
    world.order("OPEN")
    world.replay()
    source.form = form
    users, theirs = Users(world), contact("by users")
    begun(world, source)
    source.save("a", EDITED, marks=READ)
    source.close()
    interrupted(world, ("edit", "before"), lambda: users.edit("a", theirs), dies=dies)
    assert theirs in standing(world)
    assert world.conflicts()[world.making.key("a")][2] == "both"
