import base64
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from deploy.lab.comparison.comparison import Comparison, compare
from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed
from deploy.lab.session import UserSession
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from deploy.lab.workload.mail import INBOX, UNDATED, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from schemas.ews import STAMP

pytestmark = pytest.mark.slow

MIME = (
    b"From: Anna <anna@x.test>\r\nTo: bob@x.test\r\nSubject: Hello\r\nDate: Sat, 31 Jan 2026 10:00:00 +0000\r\n"
    b"Message-ID: <%d@x.test>\r\nX-One: 1\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%b\r\n--b--\r\n"
)
DATA = bytes(range(100))


def mail(number: int, **altered: Any) -> NewMail:
    mime = MIME % (number, base64.b64encode(altered.pop("data", DATA)))
    old, new = altered.pop("replacing", (b"", b""))
    if old:
        assert old in mime
        mime = mime.replace(old, new)
    return replace(NewMail(owner=0, folder=INBOX, mime=mime, received=UNDATED), **altered)


def stamp_all(session: UserSession, address: str) -> None:
    """Put the replay's stamp on every item, as if the replay had made them."""
    uri = f'<t:ExtendedFieldURI PropertySetId="{STAMP.set_id}" PropertyName="{STAMP.name}" PropertyType="String"/>'
    numbers = count(1)
    for folder in folders_of(session, address).values():
        for item in listed(session, address, folder.folder_id):
            value = f"<t:ExtendedProperty>{uri}<t:Value>aa:bb:{next(numbers):x}</t:Value></t:ExtendedProperty>"
            body = (
                '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite" '
                'SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange>'
                f'<t:ItemId Id="{item.item_id}"/><t:Updates><t:SetItemField>{uri}<t:Message>{value}</t:Message>'
                "</t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
            )
            session.one("UpdateItem", address, body)


class Sides:
    """The same two messages on both servers, the target's stamped."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.addresses = pair.new_mailboxes()
        self.source = UserMailbox(pair.source, self.addresses[0])
        self.target = UserMailbox(pair.target, self.addresses[1])
        self.source.create_mail(self.source.folder(INBOX), [mail(1), mail(2)])

    def fill_target(self, *mails: NewMail) -> list[str]:
        ids = self.target.create_mail(self.target.folder(INBOX), mails)
        stamp_all(self.pair.target, self.addresses[1])
        return ids

    def compare(self) -> Comparison:
        return compare(self.pair.source.address, self.pair.target.address, [self.addresses])


@pytest.fixture
def sides(exchange_pair: Any) -> Sides:
    return Sides(exchange_pair)


def test_equal_mailboxes_are_identical(sides: Sides) -> None:
    sides.fill_target(mail(2), mail(1))
    found = sides.compare()
    assert (found.items_source, found.items_target, found.identical) == (2, 2, 2)
    assert found.is_clean


@pytest.mark.parametrize(
    ("altered", "field"),
    [
        ({"replacing": (b"X-One: 1", b"X-One: 2")}, "headers"),
        ({"replacing": (b"Hello", b"Hellp")}, "subject"),
        ({"replacing": (b"\r\ntext\r\n", b"\r\ntest\r\n")}, "body"),
        ({"data": DATA[:-1] + b"\xff"}, "attachments"),
        ({"replacing": (b"a.pdf", b"b.pdf")}, "attachments"),
        ({"is_flagged": True}, "flag"),
        ({"is_read": False}, "is_read"),
        ({"is_draft": True}, "is_draft"),
        ({"categories": ("Blue",)}, "categories"),
        ({"importance": "High"}, "importance"),
    ],
)
def test_one_altered_thing_at_the_target_is_told_by_its_name(sides: Sides, altered: dict[str, Any], field: str) -> None:
    sides.fill_target(mail(1), mail(2, **altered))
    found = sides.compare()
    assert (found.identical, found.differing, found.missing, found.extra) == (1, 1, 0, 0)
    assert field in found.problems[0].fields
    assert not found.is_clean


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda s, ids: s.target.delete(ids[0], how="HardDelete"), "missing"),
        (lambda s, ids: s.target.copy(ids[0], s.target.folder(INBOX)), "extra"),
        (lambda s, ids: s.target.move(ids[0], s.target.folder(("/deleteditems",))), "missing"),
        (lambda s, _: s.source.folder(("Projects",)), "folders_missing"),
    ],
)
def test_what_is_missing_doubled_or_elsewhere_is_counted(
    sides: Sides, act: Callable[[Sides, list[str]], object], kind: str
) -> None:
    act(sides, sides.fill_target(mail(1), mail(2)))
    found = sides.compare()
    assert getattr(found, kind) == 1
    assert not found.is_clean


def test_mail_that_was_there_before_is_foreign_and_not_extra(sides: Sides) -> None:
    sides.fill_target(mail(1), mail(2))
    sides.target.create_mail(sides.target.folder(INBOX), [mail(1), mail(3)])
    found = sides.compare()
    assert (found.identical, found.foreign, found.extra) == (2, 2, 0)
    assert found.is_clean


def test_what_is_left_in_staging_is_counted(sides: Sides) -> None:
    sides.fill_target(mail(1), mail(2))
    staging = sides.target.create_folder(sides.target.folder(("/root",)), "mailshadow-staging-standby-note")
    sides.target.create_mail(staging, [mail(3)])
    found = sides.compare()
    assert (found.staged, found.is_clean) == (1, False)


def test_appointments_contacts_and_tasks_are_compared_by_their_elements(sides: Sides) -> None:
    generator = Generator(1, (sides.addresses[0],))
    entries = [e for e in generator.entries(0, 8) if e.folder != ("/notes",)]
    for session, address in ((sides.pair.source, sides.addresses[0]), (sides.pair.target, sides.addresses[1])):
        Filling(session, [address], lambda _: None).add_entries(entries)
    sides.fill_target(mail(1), mail(2))
    assert sides.compare().identical == 2 + len(entries)
    folder = folders_of(sides.pair.target, sides.addresses[1])["/contacts",]
    item = next(listed(sides.pair.target, sides.addresses[1], folder.folder_id))
    sides.target.update(item.item_id, "item:Subject", "<t:Subject>Somebody else</t:Subject>")
    found = sides.compare()
    assert found.identical == 1 + len(entries)


def test_problems_name_no_content_and_no_address(sides: Sides) -> None:
    sides.fill_target(mail(1), mail(2, replacing=(b"Hello", b"Secret")))
    text = repr(sides.compare().problems)
    assert "@" not in text
    assert "Secret" not in text
