import random
import sqlite3
import threading
from dataclasses import fields
from pathlib import Path

import pytest

from deploy.lab.exchange.content import Content
from deploy.lab.exchange.history import DATABASE, REQUEST, STAMP_KEY, Request, Write, read
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.exchange.switches import Switches
from deploy.lab.exchange.versions import VERSIONS
from deploy.lab.session import ServerAddress, UserSession

MAILBOX = "a@example.com"


@pytest.fixture
def server(tmp_path: Path) -> MailboxServer:
    made = MailboxServer(tmp_path, VERSIONS["2019"], Switches(), lambda: 12.5, keeps_history=True)
    made.folders.add_mailbox(MAILBOX)
    return made


def items_of(directory: Path) -> list[Write]:
    return [write for write in read(directory) if write.object == "item"]


def insert(server: MailboxServer, subject: str = "hello") -> Item:
    with server.writing("CreateItem"):
        folder = server.folders.mailboxes[MAILBOX].distinguished["inbox"]
        item = server.items.new(folder, "IPM.Note")
        item.fields |= {"Subject": subject, "InternetMessageId": "<m@x>", "Categories": ["red", "green"]}
        item.extended[STAMP_KEY] = "t:i:n"
        return server.items.insert(item, Content().pack())


def test_a_write_is_kept_with_the_whole_state_after_it(server: MailboxServer, tmp_path: Path) -> None:
    REQUEST.set(Request("somebody", 7, 4711, "abcd"))
    item = insert(server)
    (write,) = items_of(tmp_path)
    ident = server.identity.item(item.mailbox, item.number)
    assert (write.operation, write.kind, write.id, write.mailbox) == ("CreateItem", "create", ident, MAILBOX)
    assert (write.agent, write.request, write.peer_port, write.body) == ("somebody", 7, 4711, "abcd")
    assert (write.subject, write.message_id, write.stamp) == ("hello", "<m@x>", "t:i:n")
    assert (write.categories, write.is_read, write.time_ms) == (("red", "green"), False, 12_500)
    assert write.folder_id == server.folders.mailboxes[MAILBOX].distinguished["inbox"].id


def test_a_move_names_the_id_and_the_folder_before_it(server: MailboxServer, tmp_path: Path) -> None:
    item = insert(server)
    with server.writing("MoveItem"):
        server.move(item, server.folders.mailboxes[MAILBOX].distinguished["drafts"])
    created, moved = items_of(tmp_path)
    assert (moved.kind, moved.previous_id, moved.previous_folder_id) == ("move", created.id, created.folder_id)
    assert moved.content == created.content
    assert moved.change_key != created.change_key


@pytest.mark.parametrize(
    ("delete_type", "deletion"), [("HardDelete", "hard"), ("SoftDelete", "soft"), ("MoveToDeletedItems", "bin")]
)
def test_a_deletion_tells_its_kind(server: MailboxServer, tmp_path: Path, delete_type: str, deletion: str) -> None:
    item = insert(server)
    with server.writing("DeleteItem"):
        server.delete(item, delete_type)
    assert [write.deletion for write in items_of(tmp_path)] == ["", deletion]


def test_new_content_and_new_marks_are_told_apart(server: MailboxServer, tmp_path: Path) -> None:
    item = insert(server)
    with server.writing("UpdateItem"):
        item.is_read = 1
        server.items.update(item, None, read_flag_only=True)
        item.fields["Subject"] = "other"
        server.items.update(item, Content().pack(), read_flag_only=False)
    created, marked, updated = items_of(tmp_path)
    assert (marked.kind, marked.is_read, marked.content) == ("mark", True, created.content)
    assert (updated.kind, updated.content == created.content) == ("update", False)


def test_an_undone_transaction_leaves_nothing_in_the_history(server: MailboxServer, tmp_path: Path) -> None:
    before = list(read(tmp_path))

    def fail() -> None:
        with server.writing("CreateItem"):
            insert(server)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(read(tmp_path)) == before


def test_folders_are_kept_from_the_first_on(server: MailboxServer, tmp_path: Path) -> None:
    mailbox = server.folders.mailboxes[MAILBOX]
    with server.writing("CreateFolder"):
        made = server.folders.create(mailbox, mailbox.distinguished["inbox"].number, "New", "IPF.Note")
    with server.writing("MoveFolder"):
        server.folders.place(mailbox, made, mailbox.distinguished["drafts"].number, "Old")
    with server.writing("DeleteFolder"):
        server.folders.remove(mailbox, made)
    writes = list(read(tmp_path))
    assert {w.distinguished for w in writes} >= {"root", "msgfolderroot", "inbox", "recoverableitemsdeletions"}
    assert [(w.kind, w.name) for w in writes if w.id == made.id] == [
        ("create", "New"),
        ("move", "Old"),
        ("delete", "Old"),
    ]


def test_without_being_asked_nothing_is_kept(tmp_path: Path) -> None:
    made = MailboxServer(tmp_path, VERSIONS["2019"], Switches(), lambda: 1.0)
    made.folders.add_mailbox(MAILBOX)
    insert(made)
    assert list(read(tmp_path)) == []


@pytest.mark.slow
def test_after_a_kill_the_history_holds_exactly_what_the_state_holds(tmp_path: Path) -> None:
    chance = random.Random(4)
    server = ExchangeProcess(tmp_path, mailboxes=[MAILBOX], keeps_history=True)
    for _ in range(3):
        found = server.start()
        killer = threading.Timer(chance.uniform(0.1, 0.5), server.kill)
        killer.start()
        _create_until_killed(
            UserSession(ServerAddress(url=found.url, user=found.user, password=found.password, version="2019"))
        )
        killer.join()
    kept = {w.id: w.change_key for w in items_of(tmp_path)}
    with sqlite3.connect(tmp_path / DATABASE) as database:
        count, last = database.execute("SELECT count(*), max(change) FROM items").fetchone()
        assert database.execute("SELECT max(change) FROM writes WHERE object = 'item'").fetchone() == (last,)
    assert len(kept) == count > 0
    assert {w.agent for w in items_of(tmp_path)} == {"mailshadow lab"}


def _create_until_killed(session: UserSession) -> None:
    message = "<t:Message><t:Subject>x</t:Subject></t:Message>" * 3
    body = f'<m:CreateItem MessageDisposition="SaveOnly"><m:Items>{message}</m:Items></m:CreateItem>'
    while True:
        try:
            session.answers("CreateItem", MAILBOX, body)
        except Exception:  # noqa: BLE001 - the kill ends it, whatever it looks like
            return


def test_every_field_of_a_write_is_filled_by_a_column(server: MailboxServer, tmp_path: Path) -> None:
    insert(server)
    (write,) = items_of(tmp_path)
    assert all(getattr(write, field.name) is not None for field in fields(Write))
