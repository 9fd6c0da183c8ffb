"""The ledger is lost: what carries our stamp is adopted, a seed says what should be there, nothing equal is written."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from consumers.replayer import Replayer
from schemas.change import Marks
from schemas.ports import PartitionLost
from schemas.state import ItemState

FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",), importance="High")
WRITES = frozenset({"upload", "create", "update", "move", "delete", "create_folder", "rename_folder", "move_folder"})


def lose(world: Any, *, offsets: bool = False) -> None:
    world.owned.state.clear()
    if offsets:
        world.owned.positions.clear()


@pytest.fixture
def lived(new_world: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """Return a maker of worlds in which items were saved, marked, moved, edited and deleted before the ledger went."""

    def make(**settings: object) -> tuple[Any, Any]:
        world = new_world(**settings)
        source = world.source()
        source.folder("work-s", "Work")
        for name in ("a", "b", "c", "d"):
            source.save(name, name.encode())
        source.mark("a", FLAGGED)
        source.move("b", "work-s")
        source.save("c", b"c, edited")
        source.delete("d")
        world.replay()
        world.assert_exact(source)
        return world, source

    return make


@pytest.mark.parametrize("offsets", [False, True], ids=["ledger", "ledger and offsets"])
@pytest.mark.parametrize("cut", [1000, 1])
def test_a_lost_ledger_is_rebuilt_from_stamps_and_nothing_that_is_there_is_written(
    lived: Callable[..., tuple[Any, Any]],
    cut: int,
    offsets: bool,  # noqa: FBT001 - named by ids
) -> None:
    world, source = lived(cut=cut)
    lose(world, offsets=offsets)
    world.target.calls.clear()
    world.replay()
    assert world.orders() == [("SEED", ())]
    source.seed()
    world.replay()
    assert not WRITES & set(world.target.calls)
    world.assert_exact(source, orders=True)
    source.mark("b", FLAGGED)
    source.delete("a")
    world.replay()
    world.assert_exact(source, orders=True)


def test_what_changed_while_the_ledger_was_lost_is_applied_and_what_is_gone_stays_as_an_orphan(
    lived: Callable[..., tuple[Any, Any]],
) -> None:
    world, source = lived()
    lose(world)
    source.save("a", b"a, edited", marks=FLAGGED)
    source.move("c", "work-s")
    source.delete("b")
    source.save("e", b"new")
    world.replay()
    source.seed()
    world.replay()
    visible = world.target.visible()
    gone = visible.pop(world.making.key("b"))
    visible.pop("foreign")
    assert visible == source.expected()
    # only a stamp says that it was ours: it may be anybody's copy, so nobody deletes it and it is listed
    assert [content for _, content, _ in gone] == [b"b"]
    assert [o.item for o in world.orphans()] == [world.making.key("b")]


def test_an_older_seed_in_the_log_is_not_taken_for_the_one_that_was_ordered(
    lived: Callable[..., tuple[Any, Any]],
) -> None:
    world, source = lived(cut=3)
    source.seed()
    source.save("a", b"newest")
    world.replay()
    lose(world, offsets=True)
    world.target.calls.clear()
    world.replay()
    assert not WRITES & set(world.target.calls)
    world.replay()
    assert world.orders() == [("SEED", ())]
    seen = {key: list(states) for key, states in world.target.seen.items()}
    source.seed()
    world.replay()
    assert {key: list(states) for key, states in world.target.seen.items()} == seen
    world.assert_exact(source, orders=True)


@pytest.mark.parametrize("kind", ["death", "partition lost", "answer unknown", "busy"])
def test_whatever_happens_while_it_is_rebuilt(lived: Callable[..., tuple[Any, Any]], adversity: Any, kind: str) -> None:
    def rebuild(strikes: dict[int, str]) -> Any:
        world, source = lived()
        lose(world)
        struck = adversity(strikes)
        world.replay_through(struck)
        source.seed()
        world.replay()
        world.assert_exact(source, orders=True)
        return struck

    undisturbed = rebuild({})
    for number in undisturbed.places(kind):
        rebuild({number: kind})


def test_a_long_adoption_commits_on_its_way_and_stops_when_the_partition_is_lost(
    lived: Callable[..., tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.adoption.COMMIT_ITEMS_MAX", 1)
    world, source = lived()
    lose(world)
    listed = world.target.calls.count("listing")
    with monkeypatch.context() as lost:
        lost.setattr(type(world.owned), "still_owned", lambda _: world.target.calls.count("listing") < listed + 2)
        with pytest.raises(PartitionLost, match="while adopting"):
            world.replay()
    assert world.target.calls.count("listing") == listed + 2
    world.replay()
    source.seed()
    world.replay()
    world.assert_exact(source, orders=True)


def test_of_two_items_with_one_stamp_one_is_adopted_and_the_other_left_as_an_orphan(
    lived: Callable[..., tuple[Any, Any]],
) -> None:
    world, source = lived()
    original = next(i for i in world.target.items.values() if i.content == b"a")
    copy_id = world.target.add_item(original.folder_id, b"a", original.stamp)
    lose(world)
    world.replay()
    source.seed()
    world.replay()
    assert [i.content for i in world.target.items.values() if i.stamp == original.stamp] == [b"a", b"a"]
    orphans = world.orphans()
    assert len(orphans) == 1
    source.delete("a")
    world.replay()
    left = [i for i, item in world.target.items.items() if item.stamp == original.stamp]
    assert left == [orphans[0].target_id]
    assert copy_id in world.target.items or orphans[0].target_id != copy_id


def test_what_an_operator_kept_and_what_a_user_copied_is_not_deleted_after_the_loss(world: Any) -> None:
    source = world.source()
    source.save("a", b"a")
    world.replay()
    stamp = next(i.stamp for i in world.target.items.values() if i.content == b"a")
    copy_id = world.target.add_item(world.foreign_folder_id, b"a", stamp)
    source.delete("a")
    world.replay()
    lose(world)
    world.replay()
    source.seed()
    world.replay()
    assert copy_id in world.target.items


def test_a_neighbours_commit_does_not_split_what_was_adopted_from_its_waiting(
    lived: Callable[..., tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, source = lived(cut=1)
    lose(world, offsets=True)

    def commit_and_die(replayer: Any, _mailbox: str, _reason: str) -> None:
        replayer._commit()
        raise PartitionLost("the broker did not say where the log ends")

    with monkeypatch.context() as patched:
        patched.setattr(Replayer, "_await_new_seed", commit_and_die)
        with pytest.raises(PartitionLost):
            world.replay()
    world.target.calls.clear()
    world.replay()
    assert not WRITES & set(world.target.calls)
    source.seed()
    world.replay()
    world.assert_exact(source, orders=True)


def test_a_target_taken_in_again_when_the_log_begins_later_adopts_what_it_holds(
    lived: Callable[..., tuple[Any, Any]],
) -> None:
    world, source = lived()
    lose(world, offsets=True)
    del world.log[0]
    for offset, record in enumerate(world.log):
        world.log[offset] = replace(record, offset=offset)
    world.target.calls.clear()
    world.replay()
    source.seed()
    world.replay()
    if len(world.orders()) > 1:
        source.seed()
        world.replay()
    assert not WRITES & set(world.target.calls)
    world.assert_exact(source, orders=True)


def test_a_new_mailbox_is_looked_at_once_and_begins_with_the_log(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    world.replay()
    source.save("b", b"second")
    world.replay()
    assert world.target.calls.count("folder_ids") == 1
    assert world.orders() == []
    world.assert_exact(source)


@pytest.mark.parametrize("is_marked", [False, True], ids=["parked", "parked and marked"])
def test_content_that_was_parked_when_the_ledger_went_is_not_taken_for_what_is_there(
    world: Any,
    is_marked: bool,  # noqa: FBT001 - named by ids
) -> None:
    source = world.source()
    source.save("a", b"old")
    world.replay()
    world.target.refuse_content[b"new"] = "ErrorCorruptData"
    source.save("a", b"new")
    if is_marked:
        source.mark("a", FLAGGED)
    world.replay()
    assert [r.state for r in world.item_records()] == [ItemState.PARKED]
    lose(world)
    world.target.refuse_content.clear()
    world.replay()
    source.seed()
    world.replay()
    # old content with new marks, which a parked item shows meanwhile, is in no story: only the end is compared
    seen = world.target.visible()
    seen.pop("foreign")
    assert seen == source.expected()
    assert [r.state for r in world.item_records()] == [ItemState.PRESENT]


def contents(world: Any) -> set[bytes]:
    return {content for states in world.target.visible().values() for _, content, _ in states}


def test_what_an_operator_skipped_is_kept_after_the_loss_as_well(new_world: Callable[..., Any]) -> None:
    world = new_world(settings={"breaker_limit": BreakerLimit(deletions_max=3, share_max=0.3)})
    source = world.source()
    for number in range(8):
        source.save(f"item-{number}", b"%d" % number)
    world.replay()
    for number in range(6):
        source.delete(f"item-{number}")
    world.replay()
    world.order("SKIP")
    world.replay()
    kept = contents(world)
    assert kept >= {b"3", b"4", b"5"}
    for number in range(8, 40):  # so many that the deletion of what was kept would pass the breaker
        source.save(f"item-{number}", b"%d" % number)
    world.replay()
    lose(world)
    world.replay()
    source.seed()
    world.replay()
    assert kept <= contents(world)
    assert {o.item for o in world.orphans()} >= {world.making.key(f"item-{number}") for number in (3, 4, 5)}


def test_items_of_another_mailbox_that_was_mapped_to_the_address_are_not_deleted(world: Any) -> None:
    first = world.source()
    for number in range(5):
        first.save(f"item-{number}", b"%d" % number)
    world.replay()
    del world.addresses[first.mailbox]
    other = "ffffffffffffffffffff"
    world.addresses[other] = world.making.address
    second = world.source(other)
    second.save("x", b"x")
    world.replay()
    second.seed()
    world.replay()
    assert contents(world) - {b"mine"} == {b"0", b"1", b"2", b"3", b"4", b"x"}
    assert world.target.recoverable == []


# -- another address ---------------------------------------------------------------------------------------------------


def in_mailbox(world: Any, address: str) -> list[bytes]:
    """What users see in the mailbox of an address."""
    target = world.target
    inbox = target.root(address, "inbox")
    below = target.root(address, "msgfolderroot")
    folders = {i for i, f in target.folders.items() if i == inbox or f.parent_id == below}
    return sorted(m.content for m in target.items.values() if m.folder_id in folders)


def filled_at_one_address(world: Any) -> Any:
    source = world.source()
    source.folder("work-s", "Work")
    source.save("a", b"first")
    source.save("b", b"second", "work-s")
    world.replay()
    return source


@pytest.mark.parametrize("is_running", [False, True])
def test_a_corrected_address_that_leads_to_another_mailbox_fills_that_one(world: Any, *, is_running: bool) -> None:
    source = filled_at_one_address(world)
    before = in_mailbox(world, world.making.address)
    if is_running:
        given = iter([dict(world.addresses)] * 2)
        world.registered = lambda: next(given, {world.making.mailbox: "corrected@target.test"})
    else:
        world.addresses = {world.making.mailbox: "corrected@target.test"}
    world.replay()
    assert [kind for kind, _ in world.orders()] == ["SEED"]
    source.seed()
    source.save("c", b"third")
    world.replay()
    assert in_mailbox(world, "corrected@target.test") == [b"first", b"second", b"third"]
    assert in_mailbox(world, world.making.address) == before
    assert not world.mailbox_record().waiting
    assert not world.mailbox_record().behind


def test_another_name_of_the_same_mailbox_fills_nothing_anew(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = filled_at_one_address(world)
    root, alias, address = type(world.target).root, "alias@target.test", world.making.address
    named = lambda self, at, name: root(self, address if at == alias else at, name)  # noqa: E731 - one use
    monkeypatch.setattr(type(world.target), "root", named)
    world.addresses = {world.making.mailbox: alias}
    world.target.calls.clear()
    world.replay()
    assert world.orders() == []
    assert not {"upload", "create", "delete"} & set(world.target.calls)
    source.save("c", b"third")
    world.replay()
    world.assert_exact(source)


def test_dead_anywhere_while_a_ledger_is_forgotten_the_other_mailbox_is_filled(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def run(strikes: Any) -> None:
        world = new_world()
        source = filled_at_one_address(world)
        world.addresses = {world.making.mailbox: "corrected@target.test"}
        world.replay_through(strikes)
        source.seed()
        world.replay()
        assert in_mailbox(world, "corrected@target.test") == [b"first", b"second"]

    undisturbed = adversity()
    run(undisturbed)
    for number in undisturbed.places("death"):
        run(adversity({number: "death"}))


def test_the_address_of_a_mailbox_where_users_work_changes_nothing_of_it(world: Any) -> None:
    source = filled_at_one_address(world)
    source.close()
    world.replay()
    world.order("OPEN")
    world.replay()
    record, items = world.mailbox_record(), world.item_records()
    world.addresses = {world.making.mailbox: "corrected@target.test"}
    world.replay()
    assert (world.mailbox_record(), world.item_records()) == (record, items)


def test_an_accepted_open_of_a_life_that_was_lost_with_all_positions_opens_nothing(world: Any) -> None:
    filled_at_one_address(world)
    world.order("OPEN", accepted=True)
    world.replay()
    world.order("REOPEN")
    world.replay()
    world.owned.state.clear()
    world.owned.positions.clear()
    world.ordered.pop()
    world.replay()
    assert world.mailbox_record().role == "MIRRORING"
    world.order("OPEN", accepted=True)
    world.replay()
    assert world.mailbox_record().role == "OPEN"
