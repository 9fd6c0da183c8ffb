from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.exchange.folders import Folders
from deploy.lab.exchange.identity import Identity, Reference
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.store import Store


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    store = Store(tmp_path, lambda: 1.0)
    yield Folders(store, Identity(store.identity))
    store.close()


def test_a_mailbox_has_the_distinguished_folders_and_is_made_once(folders: Folders) -> None:
    mailbox = folders.add_mailbox("A@Example.com")
    assert folders.add_mailbox("a@example.COM") is mailbox
    expected = {
        "root",
        "msgfolderroot",
        "inbox",
        "drafts",
        "sentitems",
        "deleteditems",
        "calendar",
        "contacts",
        "tasks",
    }
    assert expected <= mailbox.distinguished.keys()
    assert mailbox.is_below(mailbox.distinguished["inbox"], mailbox.distinguished["root"].number)
    assert not mailbox.is_below(mailbox.distinguished["root"], mailbox.distinguished["inbox"].number)
    with pytest.raises(EwsError, match="ErrorNonExistentMailbox"):
        folders.mailbox("nobody@example.com")


def test_the_tree_read_from_the_database_is_the_tree_in_memory(folders: Folders) -> None:
    mailbox = folders.add_mailbox("a@example.com")
    with folders.store.writing("Test"):
        made = folders.create(mailbox, mailbox.distinguished["inbox"].number, "f", "IPF.Note")
        made.extended["0x3010:String"] = "v"
        made.total = 5
        folders.counted(made, 100)
    before = {number: repr(folder) for number, folder in mailbox.folders.items()}
    again = Folders(folders.store, folders.identity).mailboxes["a@example.com"]
    assert {number: repr(folder) for number, folder in again.folders.items()} == before
    assert again.size == 100


def test_a_failed_transaction_leaves_the_tree_as_it_was(folders: Folders) -> None:
    mailbox = folders.add_mailbox("a@example.com")
    count = len(mailbox.folders)

    def fail() -> None:
        with folders.store.writing("Test"):
            folders.create(mailbox, mailbox.distinguished["inbox"].number, "f", "IPF.Note")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(folders.mailboxes["a@example.com"].folders) == count


def test_descendants_come_parents_first(folders: Folders) -> None:
    mailbox = folders.add_mailbox("a@example.com")
    seen = {0}
    root = mailbox.distinguished["root"]
    for folder in [root, *mailbox.descendants(root)]:
        assert folder.parent in seen
        seen.add(folder.number)
    assert seen - {0} == mailbox.folders.keys()


def test_an_unknown_folder_is_told(folders: Folders) -> None:
    folders.add_mailbox("a@example.com")
    for reference in (Reference(1, 9999), Reference(9, 1)):
        with pytest.raises(EwsError, match="ErrorFolderNotFound"):
            folders.find(reference)
