from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from deploy import exit_codes, wiring
from deploy.partition.reader import read_to_end
from deploy.settings import load
from schemas.codec import decode
from schemas.identity import mailbox_id, partition_of
from schemas.ports import Incoming

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow
MAILBOX = mailbox_id("anna@source.test")


def test_configured_and_added_mailboxes_are_listed_by_id(mailshadow: Run, connected: Configuration) -> None:
    added = mailshadow(*connected.write("mailboxes", "add", "Ben@source.test", "standby=ben@target.test"))
    assert added.code == exit_codes.OK, added
    listed = mailshadow(*connected.write("mailboxes", "list", "--json"))
    rows = {row["mailbox"]: row for row in json.loads(listed.out)["mailboxes"]}
    assert set(rows) == {MAILBOX, mailbox_id("ben@source.test")}
    assert rows[mailbox_id("ben@source.test")]["targets"] == {"standby": "ben@target.test"}


@pytest.mark.parametrize("pair", ["elsewhere=ben@target.test", "standby=ben", "standby"])
def test_a_pair_that_names_no_target_or_no_address_is_refused(
    mailshadow: Run, connected: Configuration, pair: str
) -> None:
    ended = mailshadow(*connected.write("mailboxes", "add", "ben@source.test", pair))
    assert ended.code == exit_codes.SETTINGS
    assert "TARGET=ADDRESS" in ended.said
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["pause", "resume", "resync"])
def test_a_mailbox_that_is_not_registered_cannot_be_steered(
    mailshadow: Run, connected: Configuration, command: str
) -> None:
    ended = mailshadow(*connected.write("mailboxes", command, "nobody@source.test"))
    assert ended.code == exit_codes.SETTINGS
    assert "no such mailbox" in ended.said


def test_steering_writes_orders_that_the_owner_reads_by_address_or_by_id(
    mailshadow: Run, connected: Configuration
) -> None:
    for arguments in (["pause", "anna@source.test", "--reason", "move"], ["resume", MAILBOX], ["resync", MAILBOX]):
        ended = mailshadow(*connected.write("mailboxes", *arguments))
        assert ended.code == exit_codes.OK, ended
    settings = load(connected.path, {})
    topics, kafka = wiring.topics_of(settings), wiring.kafka_settings(settings)
    records = read_to_end(kafka, topics.orders("mail"), partition_of(MAILBOX, 2), None, lambda: True)
    orders = [decode(r.value or b"") for r in records if isinstance(r, Incoming)]
    assert [(o.mailbox, o.kind) for o in orders] == [(MAILBOX, "PAUSE"), (MAILBOX, "RESUME"), (MAILBOX, "SEED")]
    assert orders[0].reason == "move"
