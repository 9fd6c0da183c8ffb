"""`restore` from a log that a real Kafka holds, into a mailbox of a simulated server; no feed, no replay, no source."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from deploy import exit_codes, wiring
from deploy.kafka import ensure_topics
from deploy.lab.session import M, ServerAddress, T, UserSession
from deploy.settings import load
from schemas.change import (
    Barrier,
    Change,
    Chunk,
    Content,
    FolderSaved,
    Form,
    ItemDeleted,
    ItemMarked,
    ItemMoved,
    ItemRef,
    ItemSaved,
    Marks,
    Operation,
    SeedBegin,
    SeedEnd,
    Summary,
)
from schemas.codec import encode
from schemas.identity import item_key, mailbox_id, partition_of
from schemas.state import TargetFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deploy.lab.exchange.process import ExchangeProcess
    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow
SOURCE = "anna@source.test"
MAILBOX = mailbox_id(SOURCE)
INTO = "restored@target.test"
LARGE = b"\x00\x01\x02" * 400_000


class Log:
    """The changes of one mailbox, written to a real Kafka as a feed would."""

    def __init__(self, configuration: Configuration) -> None:
        settings = load(configuration.path, {})
        connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
        ensure_topics(connection, topics.catalogue(tuple(settings.targets), connection.partition_count))
        self._topic, self._ledger_topic = topics.changes, topics.target_state("standby")
        self._partition = partition_of(MAILBOX, connection.partition_count)
        self._producer = Producer({"bootstrap.servers": connection.bootstrap_servers})
        self.sequence = 0

    def write(self, *operations: Operation) -> None:
        for operation in operations:
            self.sequence += 1
            change = Change(
                mailbox=MAILBOX, generation=1, sequence=self.sequence, captured_at=0, source_version="15.0",
                operation=operation,
            )  # fmt: skip
            self._send(encode(change))
        self._producer.flush(10)

    def write_in_pieces(self, saved: ItemSaved, body: bytes) -> None:
        pieces = [body[start : start + 900_000] for start in range(0, len(body), 900_000)]
        sha256 = hashlib.sha256(body).hexdigest()
        for index, piece in enumerate(pieces):
            chunk = Chunk(
                mailbox=MAILBOX, item=saved.ref.item, sha256=sha256, index=index, count=len(pieces), body=piece
            )
            self._send(encode(chunk))
        content = Content(form=Form.PORTABLE, size_bytes=len(body), sha256=sha256, chunk_count=len(pieces), body=b"")
        self.write(ItemSaved(ref=saved.ref, summary=saved.summary, marks=saved.marks, contents=(content,)))

    def map_folder(self, target_id: str) -> None:
        """Write that the pipeline's own replay knows a folder as the inbox of another mailbox."""
        mapped = TargetFolder(
            folder_id="inbox-s", target_id=target_id, parent_id="", name="Inbox", folder_class="IPF.Note",
            distinguished="inbox", created=False, generation=1, sequence=1,
        )  # fmt: skip
        self._producer.produce(self._ledger_topic, key="f" * 20 + "/folder/x", value=encode(mapped), partition=0)
        self._producer.flush(10)

    def _send(self, value: bytes) -> None:
        self._producer.produce(self._topic, key=f"{MAILBOX}/x", value=value, partition=self._partition)


def ref(name: str, folder_id: str = "inbox-s") -> ItemRef:
    return ItemRef(
        item=item_key(MAILBOX, name), item_id=name, folder_id=folder_id, change_key=f"{name}-1", search_key="",
        fingerprint="",
    )  # fmt: skip


def mime(name: str, body: bytes = b"hello") -> bytes:
    return f"From: a@b.test\r\nSubject: {name}\r\nMessage-ID: <{name}@b.test>\r\n\r\n".encode() + body + b"\r\n"


def saved(name: str) -> ItemSaved:
    body = mime(name)
    summary = Summary(
        item_class="IPM.Note", subject=name, sender="", message_id="", sent_at="", received_at="",
        size_bytes=len(body), has_attachments=False, is_draft=False,
    )  # fmt: skip
    content = Content(
        form=Form.PORTABLE, size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest(), chunk_count=0, body=body
    )
    return ItemSaved(ref=ref(name), summary=summary, marks=Marks(is_read=False), contents=(content,))


def folder(folder_id: str, name: str, distinguished: str = "") -> FolderSaved:
    return FolderSaved(
        folder_id=folder_id, parent_id="", name=name, folder_class="IPF.Note", distinguished=distinguished
    )


BARRIER = Barrier(
    promotion="p1", role="MIRRORING", target="standby", reason="test", at=0, planned=True, complete=True,
    certain_up_to=0, owed=0, pending=0,
)  # fmt: skip


def now() -> str:
    time.sleep(0.3)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    time.sleep(0.3)
    return at


@pytest.fixture
def subjects(server: ExchangeProcess) -> Callable[[str, str], dict[str, bool]]:
    """What a folder of the restored mailbox holds: subject to read or not."""
    found = server.connection
    session = UserSession(ServerAddress(url=found.url, user=found.user, password=found.password, version="2019"))

    def listed(address: str, parent: str) -> dict[str, bool]:
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape>'
            '<t:AdditionalProperties><t:FieldURI FieldURI="message:IsRead"/></t:AdditionalProperties></m:ItemShape>'
            f"<m:ParentFolderIds>{parent}</m:ParentFolderIds></m:FindItem>"
        )
        answer = session.one("FindItem", address, body)
        messages = list(answer.iterfind(f"{M}RootFolder/{T}Items/{T}Message"))
        assert len({m.findtext(f"{T}Subject") for m in messages}) == len(messages)
        return {str(m.findtext(f"{T}Subject")): m.findtext(f"{T}IsRead") == "true" for m in messages}

    return listed


@pytest.fixture
def inbox_id(server: ExchangeProcess) -> Callable[[str], str]:
    """The FolderId of a mailbox's inbox at the simulated server."""
    at = server.connection
    session = UserSession(ServerAddress(url=at.url, user=at.user, password=at.password, version="2019"))

    def folder_id(address: str) -> str:
        shape = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        answer = session.one(
            "GetFolder", address, f"<m:GetFolder>{shape}<m:FolderIds>{INBOX}</m:FolderIds></m:GetFolder>"
        )
        return next(str(element.get("Id")) for element in answer.iter(f"{T}FolderId"))

    return folder_id


INBOX = '<t:DistinguishedFolderId Id="inbox"/>'


def empty(server: ExchangeProcess, address: str) -> None:
    """Delete what the inbox of a mailbox holds, as its owner may."""
    found = server.connection
    session = UserSession(ServerAddress(url=found.url, user=found.user, password=found.password, version="2019"))
    kind = 'DeleteType="HardDelete" DeleteSubFolders="false"'
    session.one("EmptyFolder", address, f"<m:EmptyFolder {kind}><m:FolderIds>{INBOX}</m:FolderIds></m:EmptyFolder>")
    session.close()


def test_a_mailbox_is_what_the_log_says_it_was_at_the_time_and_at_a_later_one(
    mailshadow: Run, connected: Configuration, server: ExchangeProcess, subjects: Callable[[str, str], dict[str, bool]]
) -> None:
    connected.write()
    log = Log(connected)
    log.write(SeedBegin(previous=None, reason="first copy"), folder("inbox-s", "Inbox", "inbox"), folder("w-s", "Work"))
    log.write(saved("one"), saved("two"), saved("three"), SeedEnd(begun=1, items=3))
    log.write(ItemMarked(ref=ref("one"), marks=Marks(is_read=True)), ItemDeleted(ref=ref("two")))
    log.write_in_pieces(saved("large"), mime("large", LARGE.hex().encode()))
    until = now()
    log.write(ItemDeleted(ref=ref("one")), saved("four"), ItemMoved(ref=ref("three", "w-s"), from_folder_id="inbox-s"))
    log.write(ItemMarked(ref=ref("older"), marks=Marks(is_read=True)))
    server.add_mailbox(INTO)

    def restore(until: str, *more: str) -> Ended:
        arguments = ["restore", SOURCE, "--until", until, "--into", INTO, "--target", "standby", *more]
        return mailshadow(*connected.write(*arguments))

    planned = restore(until, "--dry-run")
    assert "would restore 3 items, 2 folders" in planned.out, planned
    assert subjects(INTO, INBOX) == {}
    ended = restore(until, "--json")
    assert ended.code == exit_codes.OK, ended
    assert json.loads(ended.out)["items"] == 3
    assert subjects(INTO, INBOX) == {"one": True, "three": False, "large": False}
    assert restore(until).code == exit_codes.OK
    assert subjects(INTO, INBOX) == {"one": True, "three": False, "large": False}
    later = restore(now())
    assert later.code == exit_codes.DIFFERENT
    assert "not restored: 1 items, lost: content older than the log" in later.out
    assert subjects(INTO, INBOX) == {"four": False, "large": False}


def test_a_log_that_begins_in_the_middle_is_refused_unless_part_of_it_is_enough(
    mailshadow: Run, connected: Configuration, server: ExchangeProcess, subjects: Callable[[str, str], dict[str, bool]]
) -> None:
    connected.write()
    log = Log(connected)
    log.sequence = 40
    log.write(folder("inbox-s", "Inbox", "inbox"), saved("one"))
    into = "partly@target.test"
    server.add_mailbox(into)
    arguments = ["restore", SOURCE, "--until", now(), "--into", into, "--target", "standby"]
    refused = mailshadow(*connected.write(*arguments))
    assert refused.code == exit_codes.NOT_RESTORABLE, refused
    assert "generation 1, sequence 41" in refused.said
    assert "--partial" in refused.said
    ended = mailshadow(*connected.write(*arguments, "--partial"))
    assert ended.code == exit_codes.OK, ended
    assert subjects(into, INBOX) == {"one": False}


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"--until": "2020-01-01"}, exit_codes.NOT_RESTORABLE, "has nothing of this mailbox"),
        ({"--until": "soon"}, exit_codes.SETTINGS, "not a time"),
        ({"--until": "2999-01-01"}, exit_codes.SETTINGS, "not over yet"),
        ({"--into": SOURCE}, exit_codes.SETTINGS, "replayed into this mailbox"),
        ({"--into": "nobody"}, exit_codes.SETTINGS, "SMTP address"),
        ({"--into": "nobody@target.test"}, exit_codes.NO_MAILBOX, "no such mailbox"),
        ({"--target": "elsewhere"}, exit_codes.SETTINGS, "the settings have standby"),
    ],
)
def test_what_cannot_be_restored_is_refused_in_one_line(
    mailshadow: Run, connected: Configuration, changes: dict[str, str], code: int, said: str
) -> None:
    connected.write()
    Log(connected).write(SeedBegin(previous=None, reason="first copy"), folder("inbox-s", "Inbox", "inbox"))
    options = {"--until": now(), "--into": INTO, "--target": "standby"} | changes
    ended = mailshadow(*connected.write("restore", SOURCE, *[part for pair in options.items() for part in pair]))
    assert ended.code == code, ended
    assert said in ended.said
    assert "Traceback" not in ended.err


def test_a_time_after_a_failover_is_refused_unless_part_of_it_is_enough(
    mailshadow: Run, connected: Configuration
) -> None:
    connected.write()
    log = Log(connected)
    log.write(
        SeedBegin(previous=None, reason="first copy"), folder("inbox-s", "Inbox", "inbox"), SeedEnd(begun=1, items=0)
    )
    log.write(BARRIER)
    arguments = ("restore", SOURCE, "--until", now(), "--into", INTO, "--target", "standby", "--dry-run")
    refused = mailshadow(*connected.write(*arguments))
    assert refused.code == exit_codes.NOT_RESTORABLE, refused
    assert "ends with a failover" in refused.said
    assert mailshadow(*connected.write(*arguments, "--partial")).code == exit_codes.OK


def test_another_address_of_a_replayed_mailbox_is_refused(
    mailshadow: Run, connected: Configuration, server: ExchangeProcess, inbox_id: Callable[[str], str]
) -> None:
    """Also where no mail was ever staged there: by the id of its inbox, which the ledger has."""
    connected.write()
    log = Log(connected)
    log.write(
        SeedBegin(previous=None, reason="first copy"), folder("inbox-s", "Inbox", "inbox"), SeedEnd(begun=1, items=0)
    )
    server.add_mailbox(INTO)
    log.map_folder(inbox_id(INTO))
    ended = mailshadow(*connected.write("restore", SOURCE, "--until", now(), "--into", INTO, "--target", "standby"))
    assert ended.code == exit_codes.NOT_RESTORABLE, ended
    assert "replays into this mailbox" in ended.said


def test_what_an_earlier_restore_left_is_refused_without_its_ledger_until_the_mailbox_is_empty(
    mailshadow: Run,
    connected: Configuration,
    server: ExchangeProcess,
    subjects: Callable[[str, str], dict[str, bool]],
    tmp_path: Path,
) -> None:
    connected.write()
    log = Log(connected)
    log.write(SeedBegin(previous=None, reason="first copy"), folder("inbox-s", "Inbox", "inbox"))
    log.write(saved("one"), SeedEnd(begun=1, items=1))
    into = "elsewhere@target.test"
    server.add_mailbox(into)

    def restore() -> Ended:
        arguments = ["restore", SOURCE, "--until", now(), "--into", into, "--target", "standby"]
        return mailshadow(*connected.write(*arguments))

    assert restore().code == exit_codes.OK
    connected.sections["pipeline"]["data_directory"] = str(tmp_path / "another machine")
    log.write(saved("two"))
    for _ in range(2):
        refused = restore()
        assert refused.code == exit_codes.NOT_RESTORABLE, refused
        assert "its ledger is not in this data directory" in refused.said
        assert "Traceback" not in refused.err
        assert subjects(into, INBOX) == {"one": False}
    empty(server, into)
    assert restore().code == exit_codes.OK
    assert subjects(into, INBOX) == {"one": False, "two": False}
