"""`mailshadow verify` finds each kind of divergence, mends what the pipeline owns, and touches nothing else."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy import settings, wiring
from deploy.lab.session import T, attribute
from deploy.verification import knowledge
from deploy.verification.knowledge import MailboxKnowledge
from schemas.identity import mailbox_id, partition_of
from schemas.topics import item_record_key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
"""The fixture's class; fixtures of conftest can't be imported."""
SUBJECT = "<t:Subject>rot</t:Subject>"
FLAG = "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>"


def verify(living: Living, *options: str, code: int) -> dict[str, Any]:
    """Run it for the first mailbox; return the mailbox's row of the report."""
    command = [sys.executable, "-m", "deploy", "verify", living.users[0].address, "--json"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--config", str(living.world.config), *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["mailboxes"]
    found: dict[str, Any] = row
    return found


def known(living: Living) -> MailboxKnowledge:
    loaded = settings.load(living.world.config, {})
    name = mailbox_id(living.users[0].address)
    return knowledge.read(wiring.kafka_settings(loaded), wiring.topics_of(loaded), "standby", [name])[name]


def at_target(living: Living, item_id: str) -> str:
    """Return the target's id of an item that the source calls so."""
    state = known(living)
    return state.ledger[state.by_item_id[item_id]].target_id


def inbox(living: Living, side: str) -> list[str]:
    user, session = (
        (living.users[0], living.source_session) if side == "source" else (living.standbys[0], living.target_session)
    )
    found: list[str] = living.ids(user, session, "inbox")
    return found


@pytest.fixture
def seeded(living: Living) -> str:
    """An item that has arrived, by its id at the source."""
    item_id: str = living.put(living.mail())
    living.settle()
    return item_id


def test_equal_servers_are_told_equal_by_listings_and_in_full(living: Living, seeded: str) -> None:
    assert seeded
    row = verify(living, code=0)
    assert row["equal"]
    assert row["folders"] == row["folders_equal"] > 5
    assert row["items_source"] == row["items_target"] == len(inbox(living, "source"))
    assert verify(living, "--deep", code=0)["deeply_compared"] == row["items_source"]


def rot_missing(living: Living, item_id: str) -> None:
    living.standbys[0].delete(at_target(living, item_id), how="HardDelete")


def rot_subject(living: Living, item_id: str) -> None:
    living.standbys[0].update(at_target(living, item_id), "item:Subject", SUBJECT)


def rot_flag(living: Living, item_id: str) -> None:
    living.standbys[0].update(at_target(living, item_id), "item:Flag", FLAG)


def rot_moved(living: Living, item_id: str) -> None:
    standby = living.standbys[0]
    standby.move(at_target(living, item_id), standby.folder(("/deleteditems",)))


@pytest.mark.parametrize(
    ("rot", "kind", "fields"),
    [
        (rot_missing, "missing", []),
        (rot_subject, "differing", ["subject"]),
        (rot_flag, "differing", ["flag"]),
        (rot_moved, "misplaced", []),
    ],
    ids=["missing", "subject", "flag", "moved"],
)
def test_a_divergence_is_named_and_mended(
    living: Living, seeded: str, rot: Callable[[Living, str], None], kind: str, fields: list[str]
) -> None:
    item = known(living).by_item_id[seeded]
    standby = living.standbys[0]
    foreign = standby.create_mail(standby.folder(("/inbox",)), [living.mail()])[0]
    foreign_key = standby.change_key(foreign)
    rot(living, seeded)
    (found,) = verify(living, "--wait", "5", code=1)["divergences"]
    assert (found["kind"], found["item"], found["fields"]) == (kind, item, fields)
    row = verify(living, "--repair", code=0)
    assert row["repairs_ordered"] == 1
    assert row["foreign"] == 1
    assert standby.change_key(foreign) == foreign_key
    standby.delete(foreign, how="HardDelete")
    result = living.compare()
    assert result.is_clean, result


def test_one_attachment_byte_is_found_in_full_only_and_mended(living: Living) -> None:
    item_id = living.put(living.mail(attachment=b"0123456789"))
    living.settle()
    _alter_attachment(living, at_target(living, item_id))
    row = verify(living, "--wait", "5", "--deep", code=1)
    (found,) = [d for d in row["divergences"] if d["item"] == known(living).by_item_id[item_id]]
    assert "attachments" in found["fields"]
    assert verify(living, "--deep", "--repair", code=0)["repairs_ordered"] == 1
    assert living.compare().is_clean


def _alter_attachment(living: Living, item_id: str) -> None:
    session, address = living.target_session, living.standbys[0].address
    shape = (
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
        '<t:FieldURI FieldURI="item:Attachments"/></t:AdditionalProperties></m:ItemShape>'
        f"<m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds></m:GetItem>"
    )
    held = next(session.one("GetItem", address, shape).iter(f"{T}AttachmentId"))
    gone = f"<m:AttachmentIds><t:AttachmentId Id={attribute(str(held.get('Id')))}/></m:AttachmentIds>"
    session.one("DeleteAttachment", address, f"<m:DeleteAttachment>{gone}</m:DeleteAttachment>")
    content = base64.b64encode(b"012345678X").decode()
    session.one(
        "CreateAttachment",
        address,
        f"<m:CreateAttachment><m:ParentItemId Id={attribute(item_id)}/><m:Attachments><t:FileAttachment>"
        f"<t:Name>a.bin</t:Name><t:Content>{content}</t:Content></t:FileAttachment></m:Attachments>"
        "</m:CreateAttachment>",
    )


def test_a_copy_that_carries_our_stamp_is_told_and_left_alone(living: Living, seeded: str) -> None:
    standby = living.standbys[0]
    copy = standby.copy(at_target(living, seeded), standby.folder(("/inbox",)))
    (found,) = verify(living, "--wait", "5", "--repair", code=1)["divergences"]
    assert (found["kind"], found["repairable"]) == ("duplicate", False)
    assert copy in inbox(living, "target")
    standby.delete(copy, how="HardDelete")
    assert verify(living, code=0)["equal"]


def test_what_the_ledger_holds_and_the_source_lost_is_extra_and_is_deleted(living: Living, seeded: str) -> None:
    state = known(living)
    item = state.by_item_id[seeded]
    target_id = state.ledger[item].target_id
    living.world.feed.stop()
    living.users[0].delete(seeded, how="HardDelete")
    _forget_in_index(living, item)
    living.world.feed.start()
    living.await_level()
    (found,) = verify(living, "--wait", "5", code=1)["divergences"]
    assert (found["kind"], found["item"], found["repairable"]) == ("extra", item, True)
    assert verify(living, "--repair", code=0)["repairs_ordered"] == 1
    assert target_id not in inbox(living, "target")
    assert living.compare().is_clean


def _forget_in_index(living: Living, item: str) -> None:
    """Lose one entry of the feed's state, and the caches that would still know it."""
    loaded = settings.load(living.world.config, {})
    connection, topics = wiring.kafka_settings(loaded), wiring.topics_of(loaded)
    mailbox = mailbox_id(living.users[0].address)
    producer = Producer({"bootstrap.servers": connection.bootstrap_servers})
    key = item_record_key(mailbox, item)
    producer.produce(
        topics.source_state, key=key, value=None, partition=partition_of(mailbox, living.world.options.partition_count)
    )
    assert producer.flush(10) == 0


def test_what_is_parked_is_known_to_be_behind_and_no_divergence(living: Living) -> None:
    living.await_level()
    living.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    living.put(living.mail())
    living.await_true(lambda: sum(r["targets"]["standby"]["parked"] for r in living.world.status()) == 1)
    living.settle()
    row = verify(living, "--wait", "5", code=1)
    assert row["behind"] == {"parked": 1}
    assert row["divergences"] == []
    command = [sys.executable, "-m", "deploy", "dead-letters", "redrive", "--config", str(living.world.config)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)  # noqa: S603 - our own command
    living.await_true(lambda: sum(r["targets"]["standby"]["parked"] for r in living.world.status()) == 0)
    living.await_level()
    assert verify(living, code=0)["equal"]


def test_a_report_is_signed_and_an_altered_one_is_known(living: Living, seeded: str, tmp_path: Path) -> None:
    assert seeded
    verify(living, "--report", str(tmp_path), code=0)
    report, page = tmp_path / "report.json", (tmp_path / "report.html").read_text()
    assert "source and targets are equal" in page
    assert living.users[0].address not in report.read_text() + page
    assert _check(living, report) == 0
    report.write_text(report.read_text().replace('"foreign": 0', '"foreign": 1', 1))
    assert _check(living, report) == 1


def _check(living: Living, report: Path) -> int:
    command = [sys.executable, "-m", "deploy", "verify", "--config", str(living.world.config), "--check", str(report)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode  # noqa: S603 - our own


def test_a_mailbox_nobody_registered_is_refused_in_one_line(living: Living) -> None:
    command = [sys.executable, "-m", "deploy", "verify", "nobody@source.test", "--config", str(living.world.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert "mailboxes list" in done.stderr
