import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed, read
from deploy.lab.session import SessionError
from deploy.lab.workload.filling import fill
from deploy.lab.workload.generator import Generator
from deploy.lab.workload.mail import UNDATED, NewMail

pytestmark = pytest.mark.slow
POISON = base64.b64encode(b"Subject: poison\r\n\r\nx").decode()


def test_every_message_lies_in_its_folder_with_its_marks(exchange_pair: Any) -> None:
    addresses = [exchange_pair.new_mailboxes()[0] for _ in range(2)]
    generator = Generator(5, tuple(addresses))
    mails = [mail for owner in range(2) for mail in generator.mails(owner, 120)]
    filled = fill(exchange_pair.source, addresses, mails)
    assert (filled.items, filled.mail_bytes) == (240, sum(len(mail.mime) for mail in mails))
    for owner, address in enumerate(addresses):
        own = [mail for mail in mails if mail.owner == owner]
        folders = folders_of(exchange_pair.source, address)
        wanted = Counter(mail.folder for mail in own)
        assert {key: f.item_count for key, f in folders.items() if f.item_count} == wanted
        forms = [
            form.canonical
            for folder in folders.values()
            for form in read(
                exchange_pair.source, address, list(listed(exchange_pair.source, address, folder.folder_id))
            )
        ]
        assert sum(form.is_draft for form in forms) == sum(mail.is_draft for mail in own)
        assert sum(form.is_read for form in forms) == sum(mail.is_read for mail in own)
        assert sum(form.flag[0] == "Flagged" for form in forms) == sum(mail.is_flagged for mail in own)
        assert {form.received for form in forms} == {f"{mail.received:%Y-%m-%dT%H:%M:%S}Z" for mail in own}


def test_what_the_server_refuses_is_counted_and_the_rest_goes_on(exchange_pair: Any) -> None:
    address, _ = exchange_pair.new_mailboxes()
    exchange_pair.source_process.set_switch("message_size_bytes_max", 2_000)
    try:
        mails = [
            NewMail(owner=0, folder=("Any",), mime=b"Subject: x\r\n\r\n" + b"x" * size, received=UNDATED)
            for size in (10, 5_000, 20)
        ]
        filled = fill(exchange_pair.source, [address], mails)
    finally:
        exchange_pair.source_process.set_switch("message_size_bytes_max", 64 * 1024 * 1024)
    assert filled.items == 2
    assert filled.refused == {"ErrorMessageSizeExceeded": 1}


def test_mail_that_the_email_package_raises_on_is_kept_by_the_server(exchange_pair: Any, repository: Path) -> None:
    address, _ = exchange_pair.new_mailboxes()
    paths = sorted((repository / "tests" / "schemas" / "mail").glob("*.eml"))
    mails = [NewMail(owner=0, folder=("Odd",), mime=path.read_bytes(), received=UNDATED) for path in paths]
    filled = fill(exchange_pair.source, [address], mails)
    assert (filled.items, filled.refused) == (len(paths), {})


def test_a_message_that_makes_the_whole_call_fail_is_named_and_the_rest_is_loaded(
    exchange_pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = exchange_pair.new_mailboxes()
    whole_answers = exchange_pair.source.answers

    def answers(operation: str, mailbox: str, body: str) -> Any:
        if POISON in body:
            raise SessionError("ErrorInternalServerError", "a fault")
        return whole_answers(operation, mailbox, body)

    monkeypatch.setattr(exchange_pair.source, "answers", answers)
    texts = [b"Subject: %d\r\n\r\nx" % number for number in range(9)]
    texts[5] = b"Subject: poison\r\n\r\nx"
    mails = [
        NewMail(owner=0, folder=("Any",), mime=text, received=UNDATED, origin=f"{number}.eml")
        for number, text in enumerate(texts)
    ]
    filled = fill(exchange_pair.source, [address], mails)
    assert (filled.items, filled.refused) == (8, {"ErrorInternalServerError": 1})
    assert filled.refusals == [("5.eml", "ErrorInternalServerError")]
