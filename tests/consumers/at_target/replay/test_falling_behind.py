"""A mailbox that can't go on holds no other, and goes on later without loss, whatever dies meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumers import patience, refused_alone
from schemas.change import Marks
from schemas.ports import AnswerUnknown, CallFailed, CallRefused
from schemas.state import ItemState

from .pieces import LARGE, in_pieces

OTHER, OTHER_ADDRESS = "ffffffffffffffffffff", "second@target.test"
FLAGGED = Marks(is_read=True, flag_status="Flagged")
QUOTA = "ErrorQuotaExceeded"


def two_mailboxes(new_world: Callable[..., Any]) -> tuple[Any, Any, Any]:
    world = new_world()
    world.addresses[OTHER] = OTHER_ADDRESS
    first, second = world.source(), world.source(OTHER)
    world.replay()
    return world, first, second


def interleaved(first: Any, second: Any, round_number: int) -> None:
    for number in range(3):
        first.save(f"first-{round_number}-{number}", b"%d of the first" % number)
        second.save(f"second-{round_number}-{number}", b"%d of the second" % number)


@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_a_full_mailbox_holds_no_other_and_goes_on_without_loss(new_world: Callable[..., Any], cut: int) -> None:
    world, first, second = two_mailboxes(new_world)
    world.cut = cut
    world.target.refuse_content[b"1 of the first"] = QUOTA
    interleaved(first, second, 1)
    world.replay()
    assert world.mailbox_record().behind == QUOTA
    assert world.mailbox_record(OTHER).behind == ""
    assert second.expected().items() <= world.target.visible().items()
    world.target.refuse_content.clear()
    interleaved(first, second, 2)
    world.replay()
    world.assert_exact(first, second)


@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_a_mailbox_tries_again_by_itself_after_a_while(new_world: Callable[..., Any], cut: int) -> None:
    world, first, second = two_mailboxes(new_world)
    world.cut = cut
    world.rests = 150
    interleaved(first, second, 1)
    began_ms = world.now_ms

    class Healing(dict[bytes, str]):
        def __contains__(self, body: object) -> bool:
            return world.now_ms < began_ms + 70_000 and body == b"1 of the first"

        def __getitem__(self, body: bytes) -> str:
            return QUOTA

    world.target.refuse_content = Healing()
    world.replay()
    world.assert_exact(first, second)
    assert world.mailbox_record().own_offset == -1


def test_death_at_any_boundary_around_falling_behind_loses_nothing(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    def play(strikes: dict[int, str]) -> tuple[Any, Any]:
        world, first, second = two_mailboxes(new_world)
        world.rests = 45
        world.cut = 3
        world.settings = {"mailboxes_at_once": 1}  # the hook tells mailboxes apart by who writes now
        interleaved(first, second, 1)
        first.mark("first-1-0", FLAGGED)
        until_ms = world.now_ms + 20_000

        def be_full(name: str, when: str) -> None:
            is_first = world.target.writing_at == world.making.address
            if name == "move" and when == "before" and world.now_ms < until_ms and is_first:
                raise CallRefused(QUOTA, "full")

        struck = adversity(strikes, also=be_full)
        world.replay_through(struck)
        world.assert_exact(first, second)
        return world, struck

    _, undisturbed = play({})
    for number in undisturbed.places("death"):
        play({number: "death"})


def test_an_unregistered_mailbox_waits_for_its_address_and_loses_nothing(new_world: Callable[..., Any]) -> None:
    world, first, second = two_mailboxes(new_world)
    del world.addresses[OTHER]
    interleaved(first, second, 1)
    world.replay()
    assert world.mailbox_record(OTHER).behind == "not-registered"
    assert first.expected().items() <= world.target.visible().items()
    world.addresses[OTHER] = OTHER_ADDRESS
    interleaved(first, second, 2)
    world.replay()
    world.assert_exact(first, second)


def test_a_mailbox_registered_late_settles_what_its_last_owner_left_open(
    new_world: Callable[..., Any], adversity: Any
) -> None:
    world, first, second = two_mailboxes(new_world)
    interleaved(first, second, 1)
    with pytest.raises(KeyboardInterrupt):
        world.replay(adversity(also=_die_at_the_first_move))
    registered_ms = world.now_ms + 90_000
    world.rests = 200
    world.registered = lambda: {
        mailbox: address
        for mailbox, address in world.addresses.items()
        if mailbox != OTHER or world.now_ms >= registered_ms
    }
    world.replay()
    world.assert_exact(first, second)


def _die_at_the_first_move(name: str, when: str) -> None:
    if (name, when) == ("move", "before"):
        raise KeyboardInterrupt


def test_a_mailbox_that_is_full_while_its_rest_is_staged_again_loses_nothing(world: Any) -> None:
    """The rest of a run starts at a later offset than the run: the mailbox has to go back to the run's own."""
    source = world.source()
    world.replay()
    source.save("a", b"first")
    source.save("b", b"second")
    is_emptied = False

    def hook(name: str, when: str) -> None:
        nonlocal is_emptied
        if name == "move" and when == "between" and not is_emptied:
            is_emptied = True
            staged = [i for i, item in world.target.items.items() if world.target.is_staging(item.folder_id)]
            for item_id in staged:
                del world.target.items[item_id]
        elif name == "upload" and when == "before" and is_emptied and world.now_ms < until_ms:
            raise CallRefused(QUOTA, "full")

    world.rests = 45
    until_ms = world.now_ms + 20_000
    world.replay_hooked(hook)
    world.assert_exact(source)


def test_an_item_refused_with_a_code_nobody_knows_holds_no_other_mailbox_and_is_parked(
    new_world: Callable[..., Any],
) -> None:
    world, first, second = two_mailboxes(new_world)
    interleaved(first, second, 1)
    world.target.refuse_content[b"1 of the second"] = "ErrorNoSuchCodeInTheTable"
    world.replay()
    assert {item.content for item in world.target.items.values()} >= {b"%d of the first" % n for n in range(3)}
    assert world.mailbox_record(OTHER).behind == "ErrorNoSuchCodeInTheTable"
    world.rests = 600
    world.replay()
    assert not world.mailbox_record(OTHER).behind
    assert [r.reason for r in world.item_records() if r.state is ItemState.PARKED] == ["ErrorNoSuchCodeInTheTable"]


@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_a_body_in_pieces_is_read_again_from_its_first_piece(new_world: Callable[..., Any], cut: int) -> None:
    world = new_world(cut=cut)
    source = world.source()
    world.replay()
    world.target.refuse_content[LARGE] = QUOTA
    source.save("large", LARGE)
    in_pieces(world)
    world.replay()
    assert world.mailbox_record().behind == QUOTA
    world.target.refuse_content.clear()
    world.now_ms += 1_000_000
    world.replay()
    world.assert_exact(source)


def test_a_mailbox_this_target_does_not_mirror_orders_no_seed_though_the_log_begins_in_its_middle(
    new_world: Callable[..., Any],
) -> None:
    world = new_world()
    first, other = world.source(), world.source(OTHER)
    kept = [r for r in world.log if r.key != OTHER]
    other.lose()
    other.save("a", b"a")
    world.log[:] = [replace(r, offset=n) for n, r in enumerate([*kept, world.log[-1]])]
    world.rest_seconds = 60
    world.rests = 30
    world.replay()
    assert world.orders() == []
    world.assert_exact(first)


def test_a_mailbox_that_stays_full_does_not_keep_the_partition_from_what_comes(new_world: Callable[..., Any]) -> None:
    """Reading again from where it stopped takes longer than it ever waits between two tries."""
    world, first, second = two_mailboxes(new_world)
    world.target.refuse_content[b"full"] = QUOTA
    first.save("full", b"full")
    for number in range(200):
        second.save(f"day-{number}", b"%d" % number)
    world.cut = 5
    world.replay()
    second.save("live", b"live")

    def read_slowly() -> dict[str, str]:
        world.now_ms += 100_000
        return dict(world.addresses)

    world.registered = read_slowly
    world.rests = 1_000_000
    world.rounds = 200
    world.replay()
    assert len(world.seeks) > 1
    assert second.expected().items() <= world.target.visible().items()


def test_a_mailbox_that_stays_full_tries_ever_more_seldom(new_world: Callable[..., Any]) -> None:
    world, first, _ = two_mailboxes(new_world)
    world.target.refuse_content[b"full"] = QUOTA
    first.save("full", b"full")
    world.rest_seconds, world.rests = 60, 120
    world.replay()
    assert 4 <= len(world.seeks) <= 8


def drop_staging(world: Any) -> None:
    """An administrator's clean-up, or a mailbox that was restored without it."""
    for folder_id in [i for i, folder in world.target.folders.items() if folder.is_hidden]:
        del world.target.folders[folder_id]


@pytest.mark.parametrize("portable_only", [False, True])
def test_a_staging_folder_that_somebody_deleted_is_made_anew(
    new_world: Callable[..., Any], *, portable_only: bool
) -> None:
    world = new_world(portable_only=portable_only)
    source = world.source()
    source.save("a", b"first")
    world.replay()
    drop_staging(world)
    source.save("b", b"second")
    world.replay()
    assert world.mailbox_record().behind == ""
    world.assert_exact(source)


def test_a_mailbox_whose_staging_folder_somebody_deleted_is_opened(world: Any) -> None:
    source = world.source()
    source.save("a", b"first")
    source.close()
    world.replay()
    drop_staging(world)
    world.order("OPEN")
    world.replay()
    assert world.mailbox_record().role == "OPEN"


@pytest.mark.parametrize("operation", ["move", "update", "delete"])
@pytest.mark.parametrize(
    "failure", [AnswerUnknown("reset", ""), CallRefused("ErrorInternalServerError", "")], ids=["reset", "fault"]
)
def test_one_item_that_breaks_its_call_holds_no_other_of_its_mailbox(
    new_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, operation: str, failure: CallFailed
) -> None:
    world, first, _ = two_mailboxes(new_world)
    first.folder("work-s", "Work")
    for number in range(7):
        first.save(f"item-{number}", b"%d" % number)
    world.replay()
    (poisoned,) = (i for i, item in world.target.items.items() if item.content == b"3")
    monkeypatch.setattr(type(world.target), operation, breaking(type(world.target), operation, {poisoned}, failure))
    for number in range(7):
        if operation == "move":
            first.move(f"item-{number}", "work-s")
        elif operation == "update":
            first.mark(f"item-{number}", FLAGGED)
        else:
            first.delete(f"item-{number}")
    first.save("after", b"after")
    monkeypatch.setattr(refused_alone, "SECONDS_MIN", 0.0)
    world.replay()
    assert not world.mailbox_record().behind
    assert not world.mailbox_record().unsettled
    assert b"after" in {item.content for item in world.target.items.values()}
    given_up = [r for r in world.item_records() if r.reason == "refused-alone"] + world.orphans()
    assert len(given_up) == 1
    assert [r for r in world.item_records() if r.intent] == []


@pytest.mark.parametrize("failure", [AnswerUnknown("reset", ""), CallRefused("ErrorInternalServerError", "")])
def test_one_item_that_can_not_be_placed_is_parked_and_never_seen(
    new_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, failure: CallFailed
) -> None:
    world, first, _ = two_mailboxes(new_world)
    answer = type(world.target).move

    def move(target: Any, address: str, item_ids: list[str], folder_id: str) -> Any:
        if any(target.items[i].content == b"3" for i in item_ids if i in target.items):
            raise failure
        return answer(target, address, item_ids, folder_id)

    monkeypatch.setattr(type(world.target), "move", move)
    monkeypatch.setattr(patience, "RETRY_SECONDS_MAX", 0.2)  # it falls behind at each failure, and is tried again
    for number in range(7):
        first.save(f"item-{number}", b"%d" % number)
    world.rest_seconds, world.rests = 60, 60
    world.replay()
    assert sorted(item.content for item in world.target.items.values() if item.content != b"mine") == [
        b"%d" % number for number in range(7) if number != 3
    ]
    assert [r.reason for r in world.item_records() if r.state is ItemState.PARKED] == ["refused-alone"]
    assert not world.mailbox_record().behind


def breaking(target: Any, operation: str, poisoned: set[str], failure: CallFailed) -> Callable[..., Any]:
    """Return an operation that fails as a whole for a poisoned item, by id."""
    answer = getattr(target, operation)

    def act(self: Any, address: str, inputs: list[Any], *others: Any, **named: Any) -> Any:
        if poisoned & {getattr(i, "item_id", i) for i in inputs}:
            raise failure
        return answer(self, address, inputs, *others, **named)

    return act
