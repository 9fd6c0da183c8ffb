from typing import Any

import pytest

from deploy.lab.comparison.items import BATCH_ITEMS_MAX, ListedItem, _batches, listed, read
from deploy.lab.session import SessionError
from deploy.lab.workload.generator import Generator
from deploy.lab.workload.mailbox import UserMailbox


def item(number: int, size_bytes: int = 1, item_class: str = "IPM.Note") -> ListedItem:
    return ListedItem(str(number), item_class, size_bytes, is_read=True)


def test_batches_are_bounded_by_count_and_bytes_and_lose_nothing() -> None:
    items = [item(n, size_bytes=5_000_000 if n % 7 == 0 else 10) for n in range(500)] + [item(501, 50_000_000)]
    batches = list(_batches(items))
    assert [i for batch in batches for i in batch] == items
    assert all(len(batch) <= BATCH_ITEMS_MAX for batch in batches)
    assert all(len(batch) == 1 or sum(i.size_bytes for i in batch) <= 16_000_000 for batch in batches)


@pytest.mark.parametrize(
    ("item_class", "expected"),
    [("IPM.Note", True), ("ipm.note.SMIME", True), ("REPORT.IPM.Note.NDR", True), ("IPM.Appointment", False)],
)
def test_what_mime_holds_whole_is_a_message(item_class: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert item(1, item_class=item_class).is_message is expected


@pytest.mark.slow
def test_every_listed_item_is_read_once(exchange_pair: Any) -> None:
    source, _ = exchange_pair.new_mailboxes()
    mailbox = UserMailbox(exchange_pair.source, source)
    folder_id = mailbox.folder(("Many",))
    mailbox.create_mail(folder_id, list(Generator(1, (source,)).mails(0, 130)))
    found = list(listed(exchange_pair.source, source, folder_id))
    assert len({i.item_id for i in found}) == 130
    forms = list(read(exchange_pair.source, source, found))
    assert sorted(f.item_id for f in forms) == sorted(i.item_id for i in found)
    assert not any(f.is_stamped for f in forms)


@pytest.mark.slow
def test_an_item_that_is_gone_is_an_error_and_never_skipped(exchange_pair: Any) -> None:
    source, _ = exchange_pair.new_mailboxes()
    mailbox = UserMailbox(exchange_pair.source, source)
    mailbox.create_mail(mailbox.folder(("/inbox",)), list(Generator(1, (source,)).mails(0, 2)))
    found = list(listed(exchange_pair.source, source, mailbox.folder(("/inbox",))))
    mailbox.delete(found[0].item_id, how="HardDelete")
    with pytest.raises(SessionError) as raised:
        list(read(exchange_pair.source, source, found))
    assert raised.value.code == "ErrorItemNotFound"
