"""The replay's transactions stay small however much one change or order brings (issue 13, 25)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.ports import Outgoing

MANY = 60
RECORDS_MAX = 20


@pytest.fixture
def sizes(memory_owned: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each transaction had, where twenty are many."""
    monkeypatch.setattr("consumers.ledger.TRANSACTION_RECORDS_MAX", 5)
    monkeypatch.setattr("consumers.lane.TRANSACTION_RECORDS_MAX", 5)
    monkeypatch.setattr("consumers.adoption.COMMIT_ITEMS_MAX", 5)
    monkeypatch.setattr("consumers.lane.RUN_STEPS_MAX", 5)
    counted: list[int] = []
    transact = memory_owned.transact

    def count(owned: Any, records: Sequence[Outgoing], positions: dict[str, int]) -> None:
        counted.append(len(records))
        transact(owned, records, positions)

    monkeypatch.setattr(memory_owned, "transact", count)
    return counted


@pytest.fixture
def lived(new_world: Callable[..., Any], sizes: list[int]) -> tuple[Any, Any]:
    """A world with many folders and items, replayed."""
    world = new_world(cut=5)
    source = world.source()
    for number in range(MANY):
        source.folder(f"folder-{number}", f"Folder {number}")
        source.save(f"item-{number}", b"body %d" % number, f"folder-{number}")
    world.replay()
    sizes.clear()
    return world, source


def test_what_a_seed_did_not_name_is_deleted_in_bounded_transactions(lived: tuple[Any, Any], sizes: list[int]) -> None:
    world, source = lived
    for number in range(MANY):
        source.delete(f"item-{number}", silently=True)
        source.drop_folder(f"folder-{number}", silently=True)
    source.seed()
    world.replay()
    world.assert_exact(source)
    assert max(sizes) < RECORDS_MAX


def test_what_is_wanted_is_asked_again_in_bounded_transactions(lived: tuple[Any, Any], sizes: list[int]) -> None:
    world, source = lived
    for number in range(MANY):
        world.target.items.pop(
            next(r.target_id for r in world.item_records() if r.item == source.making.key(f"item-{number}"))
        )
        source.move(f"item-{number}", "inbox-s")
    world.replay()
    assert len(world.orders()) == MANY
    sizes.clear()
    source.hand_over(previous=source.last)
    world.replay()
    assert len(world.orders()) == 2 * MANY
    assert max(sizes) < RECORDS_MAX


def test_a_lost_ledger_is_rebuilt_in_bounded_transactions(lived: tuple[Any, Any], sizes: list[int]) -> None:
    world, source = lived
    for key in [k for k in world.owned.state if k[0] == world.topics.target_state("t")]:
        del world.owned.state[key]
    world.replay()
    source.seed()
    world.replay()
    world.assert_exact(source, orders=True)
    assert max(sizes) < RECORDS_MAX
