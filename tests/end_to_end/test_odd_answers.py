"""Answers no sound server gives: each stops what it concerns, is told in `status`, and heals by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.workload.mail import INBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Living

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
FOR_LONG = 100_000
MANY = 12


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_FEED__POLL_INTERVAL_SECONDS": "2"}


@pytest.fixture(autouse=True)
def sound_servers(living: Living) -> Iterator[None]:
    """Both servers are sound and level before a test, and after it everything arrives."""
    living.await_level()
    yield
    living.world.source.clear_faults()
    living.world.target.clear_faults()
    living.await_true(lambda: is_told(living, 0) == "", 200.0)
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


def is_told(living: Living, owner: int) -> str:
    """Return why a mailbox is not captured, as `status` tells it; nothing while it is."""
    rows = json.loads(living.run("status", living.users[owner].address, "--json"))["mailboxes"]
    shown: dict[str, Any] = rows[0]["targets"].get("standby", {}) if rows else {}
    return str(shown["why"]) if shown.get("health") == "not-captured" else ""


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("GetItem", {"action": "error_fault"}),
        ("GetItem", {"action": "control_byte"}),
        ("ExportItems", {"action": "drop_before"}),
        ("ExportItems", {"action": "http_status", "status": 400}),
    ],
    ids=["describe fault", "describe control byte", "export reset", "export HTTP 400"],
)
def test_a_poisoned_item_is_owed_and_everything_else_arrives(
    living: Living, operation: str, fault: dict[str, Any]
) -> None:
    living.world.feed.stop()
    ids = [living.put(living.mail()) for _ in range(MANY)]
    expected = len(living.inbox()) + MANY
    living.world.source.add_fault(operation, **fault, names=ids[3], count=FOR_LONG)
    living.world.feed.start()
    owed = 0 if fault["action"] == "control_byte" else 1
    living.await_true(lambda: len(living.inbox()) == expected - owed)
    living.put(living.mail(1))
    living.await_true(lambda: len(living.inbox()) >= expected - owed)
    assert is_told(living, 0) == ""


@pytest.mark.parametrize("fault", [{"action": "never_last"}, {"action": "error", "code": "ErrorInvalidSyncStateData"}])
def test_an_endless_folder_is_set_aside_and_told(living: Living, fault: dict[str, Any]) -> None:
    user = living.users[0]
    living.world.source.add_fault("SyncFolderItems", **fault, names=user.folder(INBOX), count=FOR_LONG)
    living.put(living.mail(0))
    held, other = len(living.inbox(1)), len(living.inbox(0))
    for _ in range(3):
        living.put(living.mail(1))
    living.await_true(lambda: len(living.inbox(1)) == held + 3)
    living.await_true(lambda: "1 folder not read" in is_told(living, 0))
    assert len(living.inbox(0)) >= other


@pytest.mark.parametrize("status", [401, 302, 404, 400, 440])
def test_one_odd_status_at_the_source_ends_nothing(living: Living, status: int) -> None:
    for operation in ("SyncFolderItems", "GetFolder", "ExportItems"):
        living.world.source.add_fault(operation, "http_status", status=status)
    living.put(living.mail(0))
    living.put(living.mail(1))
    living.await_level()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("operation", ["UploadItems", "MoveItem"])
def test_one_odd_status_at_the_target_ends_nothing(living: Living, operation: str, status: int) -> None:
    living.world.target.add_fault(operation, "http_status", status=status)
    living.put(living.mail(0))
    living.put(living.mail(1))
    living.await_level()


def test_a_mailbox_that_is_refused_at_the_target_waits_alone_and_says_why(living: Living) -> None:
    address = living.standbys[0].address
    living.world.target.add_fault("UploadItems", "http_status", status=403, names=address, count=FOR_LONG)
    living.put(living.mail(0))
    held = len(living.inbox(1))
    living.put(living.mail(1))
    living.await_true(lambda: living.row(0).get("behind") == "http-forbidden")
    living.await_true(lambda: len(living.inbox(1)) == held + 1)
    living.world.target.clear_faults()
    living.run("mailboxes", "resume", living.users[0].address, "--target", "standby")
    living.await_true(lambda: not living.row(0)["behind"])


def test_a_sync_state_larger_than_a_record_is_kept(living: Living) -> None:
    for operation in ("SyncFolderItems", "SyncFolderHierarchy"):
        living.world.source.add_fault(operation, "large_sync_state", size_bytes=1_500_000, count=FOR_LONG)
    for owner in (0, 1):
        living.put(living.mail(owner))
        living.await_level()
    living.world.feed.stop()
    living.put(living.mail(0))
    living.world.feed.start()
    living.await_level()


def test_answers_in_another_order_swap_nothing(living: Living) -> None:
    living.world.feed.stop()
    living.world.replay.stop()
    for _ in range(MANY):
        living.put(living.mail(0))
    for operation in ("GetItem", "ExportItems", "GetFolder"):
        living.world.source.add_fault(operation, "reorder", count=FOR_LONG)
    for operation in ("GetItem", "UploadItems", "CreateItem", "UpdateItem", "MoveItem", "DeleteItem"):
        living.world.target.add_fault(operation, "reorder", count=FOR_LONG)
    living.world.feed.start()
    living.world.replay.start()
    living.await_level()
    struck = {
        rule["operation"]
        for server in (living.world.source, living.world.target)
        for rule in server.faults()
        if rule["hits"]
    }
    assert struck >= {"GetItem", "ExportItems", "UploadItems", "MoveItem"}
