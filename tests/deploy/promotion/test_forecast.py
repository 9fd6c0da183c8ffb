"""What a dry run says: each step with its time, and each mailbox with the loss there would be now."""

from typing import Any

import pytest

from deploy.promotion import forecast
from deploy.promotion.picture import Picture
from schemas.state import MailboxRecord, TargetMailbox

WELL, BEHIND, NEW = "0" * 20, "1" * 20, "2" * 20


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    picture = Picture()
    for mailbox in (WELL, BEHIND):
        record = MailboxRecord(mailbox=mailbox, generation=1, next_sequence=205, certain_up_to=10_000)
        picture.take_source(mailbox, record)
        reason = "quota" if mailbox == BEHIND else ""
        target = TargetMailbox(mailbox=mailbox, generation=1, applied_sequence=4, behind=reason)
        picture.take_target(mailbox, target)
    return forecast.mailboxes(picture, [WELL, BEHIND, NEW], "standby", {NEW}, 12_500)


def test_each_mailbox_is_told_with_its_loss(rows: list[dict[str, Any]]) -> None:
    assert [r["promoted"] for r in rows] == [True, False, False]
    assert [(r["loss_seconds"], r["loss_items"], r["loss_changes"]) for r in rows] == [
        (2.5, 0, 0),
        (2.5, 0, 200),
        (-1.0, 0, 0),
    ]
    said = forecast.text_of([], rows).splitlines()
    assert said[0] == f"{WELL}  promoted  loss now: 2.5 s, 0 items"
    assert said[1].endswith("LEFT OUT  loss now: 2.5 s, 0 items, 200 changes  (behind at the target: quota)")
    assert "never captured" in said[2]


def test_the_time_to_drain_is_of_what_is_promoted(rows: list[dict[str, Any]]) -> None:
    said = {s["step"]: s for s in forecast.steps(rows, "standby", "none", is_planned=True, has_feed=True)}
    assert said["drain"]["seconds"] == 2.5
    assert list(said) == ["check", "close", "fence", "drain", "verify", "open", "lead", "confirm", "tail"]


def test_a_dead_feed_costs_the_time_kafka_takes_to_notice(rows: list[dict[str, Any]]) -> None:
    said = {s["step"]: s for s in forecast.steps(rows, "standby", "none", is_planned=False, has_feed=False)}
    assert said["fence"]["seconds"] == forecast.SESSION_SECONDS
    assert "takes its place" in said["fence"]["what"]
    assert "tail" not in said
