"""What an owner does that slept, or is asked to stop.

A folder has no compare-and-set: an owner that slept proves that it still is one before it writes there.
"""

from typing import Any

import pytest

from schemas.ports import PartitionLost

FOLDER_WRITES = {"create_folder", "rename_folder", "move_folder", "delete_folder"}


def test_an_owner_that_was_fenced_while_it_slept_writes_no_folder(world: Any) -> None:
    source = world.source()
    source.folder("work-s", "Work")
    world.replay()
    source.folder("work-s", "Werk")
    world.target.calls.clear()
    slept: list[str] = []

    def sleep_and_be_fenced(name: str, when: str) -> None:
        if name == "find_child" and when == "after" and not slept:
            slept.append(name)
            world.now_ms += 60_000
        elif slept and name == "transact":
            raise PartitionLost("fenced")

    with pytest.raises(PartitionLost):
        world.replay_hooked(sleep_and_be_fenced)
    assert not FOLDER_WRITES & set(world.target.calls)
    world.replay()
    world.assert_exact(source)


def test_folders_made_one_after_another_are_not_proved_one_by_one(world: Any) -> None:
    source = world.source()
    world.replay()
    for number in range(20):
        source.folder(f"f{number}", f"Folder {number}")
    commits = len(world.owned.written)
    world.replay()
    owner_marks = [r for r in world.owned.written[commits:] if r.key == "owner"]
    assert len(owner_marks) <= 2
    world.assert_exact(source)


def test_an_owner_that_is_asked_to_stop_ends_the_run_under_way_and_begins_no_other(world: Any) -> None:
    source = world.source()
    world.replay()
    source.save("one", b"one")
    source.folder("work-s", "Work")
    source.save("two", b"two", "work-s")
    uploads: list[str] = []

    def stop_at_the_first_upload(name: str, when: str) -> None:
        if (name, when) == ("upload", "after"):
            uploads.append(name)
            world.owned.is_wanted = lambda: False

    with pytest.raises(PartitionLost, match="between two runs"):
        world.replay_hooked(stop_at_the_first_upload)
    assert len(uploads) == 1
    world.replay_hooked(lambda name, when: uploads.append(name) if (name, when) == ("upload", "after") else None)
    assert len(uploads) == 2  # the first run's is not said again
    world.assert_exact(source)
