from datetime import UTC, datetime

import pytest

from deploy.lab.mail_files import MailFile
from deploy.lab.workload.mail import INBOX, UNDATED, from_files


def file(content: bytes, *folder: str) -> MailFile:
    return MailFile(folder, content, is_read=True, is_flagged=False, is_draft=False)


def test_mail_is_dealt_out_in_turn_and_keeps_its_folder() -> None:
    mails = list(from_files([file(b"a: b\n\n"), file(b"a: b\n\n", "x", "y"), file(b"a: b\n\n")], 2))
    assert [m.owner for m in mails] == [0, 1, 0]
    assert [m.folder for m in mails] == [INBOX, ("x", "y"), INBOX]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Received: by x; Sat, 31 Jan 2026 10:00:00 +0000\nDate: Fri, 30 Jan 2026 10:00:00 +0000", 31),
        (b"Date: Fri, 30 Jan 2026 12:00:00 +0200", 30),
        (b"Received: nonsense\nDate: Fri, 30 Jan 2026 10:00:00 +0000", 30),
    ],
)
def test_a_message_arrived_when_its_newest_received_header_says_else_its_date(header: bytes, expected: int) -> None:
    assert next(from_files([file(header + b"\n\nx")], 1)).received == datetime(2026, 1, expected, 10, tzinfo=UTC)


@pytest.mark.parametrize("date", [b"yesterday", b"", b"Mon, 1 Jan 1955 00:00:00 +0000", b"Mon, 1 Jan 99999 0:0:0 +0"])
def test_a_message_without_a_usable_date_gets_a_fixed_day(date: bytes) -> None:
    assert next(from_files([file(b"Date: " + date + b"\n\nx")], 1)).received == UNDATED
