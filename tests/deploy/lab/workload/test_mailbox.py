from typing import Any

import pytest

from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed
from deploy.lab.session import SessionError
from deploy.lab.workload.mail import INBOX, UNDATED, NewMail
from deploy.lab.workload.mailbox import UserMailbox

pytestmark = pytest.mark.slow


@pytest.fixture
def mailbox(exchange_pair: Any) -> UserMailbox:
    return UserMailbox(exchange_pair.source, exchange_pair.new_mailboxes()[0])


def mail(*, is_draft: bool = False) -> NewMail:
    mime = b"From: a@x.test\r\nTo: b@x.test\r\nSubject: x\r\n\r\nx"
    return NewMail(owner=0, folder=INBOX, mime=mime, received=UNDATED, is_draft=is_draft)


def ids(pair: Any, mailbox: UserMailbox, *path: str) -> list[str]:
    return [i.item_id for i in listed(pair.source, mailbox.address, mailbox.folder(path))]


def test_a_folder_is_made_once_and_found_again(exchange_pair: Any, mailbox: UserMailbox) -> None:
    made = mailbox.folder(("A", "B"))
    assert UserMailbox(exchange_pair.source, mailbox.address).folder(("A", "B")) == made


def test_names_no_folder_can_have_are_made_into_ones_it_can_have(exchange_pair: Any, mailbox: UserMailbox) -> None:
    for name in ("", "a/b", "x" * 300, "\0\1", "<&>"):
        mailbox.folder(("Odd", name))
    assert len([key for key in folders_of(exchange_pair.source, mailbox.address) if key[0] == "Odd"]) == 6


def test_a_sent_draft_becomes_a_new_item_in_sent_items(exchange_pair: Any, mailbox: UserMailbox) -> None:
    draft = mailbox.create_mail(mailbox.folder(("/drafts",)), [mail(is_draft=True)])[0]
    mailbox.send(draft, mailbox.change_key(draft))
    assert ids(exchange_pair, mailbox, "/drafts") == []
    assert ids(exchange_pair, mailbox, "/sentitems") not in ([], [draft])


def test_moves_and_copies_answer_the_new_id(exchange_pair: Any, mailbox: UserMailbox) -> None:
    first = mailbox.create_mail(mailbox.folder(INBOX), [mail()])[0]
    copied = mailbox.copy(first, mailbox.folder(("A",)))
    moved = mailbox.move(first, mailbox.folder(("B",)))
    assert (ids(exchange_pair, mailbox, "A"), ids(exchange_pair, mailbox, "B")) == ([copied], [moved])
    with pytest.raises(SessionError, match="ErrorItemNotFound"):
        mailbox.move(first, mailbox.folder(("A",)))


@pytest.mark.parametrize(("how", "left"), [("HardDelete", 0), ("SoftDelete", 0), ("MoveToDeletedItems", 1)])
def test_items_and_folders_are_deleted_in_the_way_that_was_asked_for(
    exchange_pair: Any, mailbox: UserMailbox, how: str, left: int
) -> None:
    mailbox.delete(mailbox.create_mail(mailbox.folder(INBOX), [mail()])[0], how=how)
    mailbox.delete_folder(mailbox.folder(("Gone",)), how=how)
    assert len(ids(exchange_pair, mailbox, "/deleteditems")) == left
    assert (("/deleteditems", "Gone") in folders_of(exchange_pair.source, mailbox.address)) is bool(left)
