"""Each kind of change arrives as itself: a move as a move, a mark without content, an idle mailbox as nothing."""

import time
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
"""The fixture's class; fixtures of conftest can't be imported."""
WRITING = ("CreateItem", "UploadItems", "UpdateItem", "MoveItem", "DeleteItem", "CreateFolder", "DeleteFolder")
IDLE_SECONDS = 12.0


def test_a_move_arrives_as_a_move_of_the_same_item_and_sends_no_content(living: Living) -> None:
    item_id = living.put(living.mail())
    living.settle()
    living.world.target.reset_calls()
    user, standby = living.users[0], living.standbys[0]
    user.move(item_id, user.folder(("/deleteditems",)))
    living.await_level()
    calls = living.target_calls()
    assert len(living.ids(standby, living.target_session, "deleteditems")) == 1
    assert calls["MoveItem"]["items"] == 1
    assert "UploadItems" not in calls
    assert "CreateItem" not in calls


def test_a_read_flag_sends_no_content(living: Living) -> None:
    item_id = living.put(living.mail())
    living.settle()
    living.world.target.reset_calls()
    log_bytes = living.world.log_bytes()
    living.users[0].update(item_id, "message:IsRead", "<t:IsRead>true</t:IsRead>")
    living.await_level()
    calls = living.target_calls()
    assert calls["UpdateItem"]["items"] == 1
    assert not {"UploadItems", "CreateItem", "MoveItem"} & calls.keys()
    assert living.world.log_bytes() - log_bytes < 1_000
    assert living.compare().is_clean


def test_an_unchanged_mailbox_writes_no_change_and_no_writing_call(living: Living) -> None:
    living.settle()
    time.sleep(3.0)
    log_bytes = living.world.log_bytes()
    living.world.source.reset_calls()
    living.world.target.reset_calls()
    time.sleep(IDLE_SECONDS)
    source, target = living.world.source.calls()["operations"], living.target_calls()
    assert living.world.log_bytes() == log_bytes
    assert not set(WRITING) & target.keys()
    per_minute = 60.0 / IDLE_SECONDS
    calls = sum(o["calls"] for o in source.values()) * per_minute
    traffic = sum(o["bytes_in"] + o["bytes_out"] for o in source.values()) * per_minute
    print(f"an idle minute of {len(living.users)} mailboxes, polled every second: {calls:.0f} source calls,")
    print(f"{traffic:.0f} bytes; target calls {sum(o['calls'] for o in target.values())}")


def test_a_message_of_40_megabytes_passes(living: Living) -> None:
    line = bytes(range(33, 127)) * 8 + b"\r\n"
    living.put(living.mail(1, attachment=line * (40_000_000 // len(line))))
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


def test_folders_are_made_renamed_moved_and_deleted_with_what_is_in_them(living: Living) -> None:
    user = living.users[0]
    projects, old = user.folder(("Projects",)), user.folder(("Old",))
    user.create_mail(projects, [living.mail(), living.mail()])
    living.await_level()
    user.rename_folder(projects, "Plans")
    user.move_folder(projects, old)
    living.await_level()
    assert living.compare().is_clean
    user.delete_folder(projects, how="HardDelete")
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


def test_two_folders_that_swap_their_names_swap_them_at_the_target(living: Living) -> None:
    user = living.users[1]
    left, right = user.folder(("Left",)), user.folder(("Right",))
    user.create_mail(left, [living.mail(1)])
    living.await_level()
    user.rename_folder(left, "Between")
    user.rename_folder(right, "Left")
    user.rename_folder(left, "Right")
    living.await_level()
    found = living.compare()
    assert found.is_clean, found
