"""A user deletes a mirrored folder at a target: what comes later lands where users see it, whatever the server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

World = Any
"""The fixture's class; fixtures of conftest can't be imported."""


def gone(world: World, folder_id: str) -> None:
    """Delete a folder at a server that forgets its id."""
    world.target.delete_folder(world.making.address, folder_id)


def hidden(world: World, folder_id: str) -> None:
    """Delete a folder at a server that keeps it reachable by its id."""
    world.target.hide_folder(world.making.address, folder_id)


@pytest.fixture
def filled(world: World) -> World:
    source = world.source()
    source.folder("top-s", "Top")
    source.folder("sub-s", "Sub", "top-s")
    source.save("a", b"first", "sub-s")
    world.replay()
    world.filled = source
    return world


def folder_of(world: World, name: str) -> str:
    return str(next(i for i, folder in world.target.folders.items() if folder.name == name))


def shown(world: World) -> dict[bytes, str]:
    return {m.content: world.target.path(m.folder_id) for m in world.target.items.values() if m.content != b"mine"}


@pytest.mark.parametrize("delete", [gone, hidden])
@pytest.mark.parametrize("name", ["Sub", "Top"])
def test_a_later_item_lands_in_a_folder_that_users_see(
    filled: World, delete: Callable[[World, str], None], name: str
) -> None:
    if delete is gone:
        for inner in ("Sub", "Top")[: 1 + (name == "Top")]:
            gone(filled, folder_of(filled, inner))
    else:
        hidden(filled, folder_of(filled, name))
    filled.filled.save("b", b"second", "sub-s")
    filled.replay()
    assert shown(filled)[b"second"] == "msgfolderroot/Top/Sub"


def test_a_moved_item_lands_there_too(filled: World) -> None:
    filled.filled.save("b", b"second")
    filled.replay()
    hidden(filled, folder_of(filled, "Sub"))
    filled.filled.move("b", "sub-s")
    filled.replay()
    assert shown(filled)[b"second"] == "msgfolderroot/Top/Sub"


def test_a_folder_that_users_moved_within_sight_keeps_its_place(filled: World) -> None:
    filled.target.folders[folder_of(filled, "Sub")].parent_id = filled.foreign_folder_id
    filled.filled.save("b", b"second", "sub-s")
    filled.replay()
    assert shown(filled)[b"second"] == "msgfolderroot/Mine/Sub"


def test_where_only_distinguished_folders_are_written_the_tree_is_not_read(filled: World) -> None:
    filled.target.calls.clear()
    filled.filled.save("b", b"second")
    filled.replay()
    assert "folder_ids" not in filled.target.calls
