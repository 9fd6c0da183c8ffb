"""What a target refuses, and who must act: an older server's dislike of streams, a full mailbox, an item too large."""

import json
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
UNKNOWN_CLASS = "IPM.Note.Acme.Contract"
"""A message of a class no server knows."""
UNKNOWN_KIND = "IPM.Acme.Machine"
"""No message either: only a stream carries it whole."""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"MAILSHADOW_FEED__FORMS": '["STREAM", "PORTABLE"]'}


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    """A target that is older than its source: it takes none of its streams."""
    return "2019", "2013"


def put_class(living: Living, item_class: str) -> None:
    """Create an item of a class of somebody's own."""
    element = f"<t:Message><t:ItemClass>{item_class}</t:ItemClass><t:Subject>Zugspitze</t:Subject></t:Message>"
    user = living.users[0]
    user.create_entries(user.folder(("/inbox",)), [element])


def parked(living: Living) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(living.run("dead-letters", "list", "--json"))["parked"]
    return found


def test_streams_of_a_newer_server_are_replaced_by_the_portable_form_also_for_unknown_classes(living: Living) -> None:
    living.put(living.mail(attachment=b"0123456789"))
    put_class(living, UNKNOWN_CLASS)
    living.await_level()
    found = living.compare()
    assert found.is_clean, found
    assert found.items_source >= 4
    assert living.row()["parked"] == 0


def test_what_only_a_newer_stream_could_carry_is_parked_with_the_reason_and_stops_nothing(living: Living) -> None:
    put_class(living, UNKNOWN_KIND)
    living.await_true(lambda: living.row().get("parked") == 1)
    (letter,) = parked(living)
    assert letter["reason"] == "ErrorCorruptData"
    living.put(living.mail())
    living.await_level()
    assert living.compare().missing == 1
    living.run("dead-letters", "drop", "--all")
    living.await_true(lambda: living.row()["parked"] == 0)


def test_an_item_the_target_finds_too_large_is_parked_alone_and_placed_once_it_is_let_in(living: Living) -> None:
    living.world.target.add_fault("CreateItem", "error", code="ErrorMessageSizeExceeded", count=1, item=0)
    living.put(living.mail(body="x" * 10_000))
    living.await_true(lambda: living.row().get("parked") == 1)
    assert [p["reason"] for p in parked(living)] == ["ErrorMessageSizeExceeded"]
    living.run("dead-letters", "redrive")
    living.await_true(lambda: living.row()["parked"] == 0)
    living.await_level()
    assert living.compare().missing == 1, "the one that was given up"


def test_a_full_mailbox_waits_alone_and_goes_on_when_an_operator_says_that_there_is_room(living: Living) -> None:
    living.await_level()
    living.world.target.add_fault("CreateItem", "error", code="ErrorQuotaExceeded", count=1)
    living.put(living.mail(0))
    living.await_true(lambda: living.row(0).get("behind") == "ErrorQuotaExceeded")
    living.put(living.mail(1))
    living.await_true(lambda: len(living.inbox(1)) == 2)
    assert living.row(0)["behind"] == "ErrorQuotaExceeded"
    living.run("mailboxes", "resume", living.users[0].address, "--target", "standby")
    living.await_true(lambda: not living.row(0)["behind"])
    living.await_level()
    assert living.compare().missing == living.row(0)["dropped"]
