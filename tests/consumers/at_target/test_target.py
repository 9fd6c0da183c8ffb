"""The contract of `consumers.target.Target`: the target in memory keeps it, and Exchange over EWS keeps it."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.target import Done, Held, Outcome, PortableItem, Refused, Target, Update
from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.throttle import Throttle
from schemas.change import Marks
from schemas.ews import M, item_ref
from schemas.faults import GONE, STALE
from schemas.metrics import SessionMetrics
from schemas.ports import CallRefused

UNREAD = Marks(is_read=False)
MARKED = Marks(is_read=True, categories=("red", "blue"), importance="High")
IMPLEMENTATIONS = (
    "memory",
    pytest.param("2010_SP1", marks=pytest.mark.slow),
    pytest.param("2019", marks=pytest.mark.slow),
)


@dataclass(slots=True)
class Subject:
    """An implementation under contract: a mailbox of its own, and a maker of streams it takes."""

    target: Target
    address: str
    stream: Callable[[str], bytes]

    def folder(self, name: str) -> str:
        parent_id = self.target.root(self.address, "msgfolderroot")
        return done(self.target.create_folder(self.address, parent_id, name, "IPF.Note", hidden=False)).item_id

    def item(self, folder_id: str, stamp: str) -> Done:
        return done(self.target.create(self.address, folder_id, [portable("x", stamp)])[0])


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def mime(subject: str) -> bytes:
    return f"From: a@example.org\r\nTo: b@example.org\r\nSubject: {subject}\r\n\r\nbody\r\n".encode()


def portable(subject: str, stamp: str, marks: Marks = UNREAD) -> PortableItem:
    return PortableItem(mime=mime(subject), item_class="IPM.Note", properties={}, marks=marks, stamp=stamp)


@pytest.fixture(scope="module")
def make_subject(tmp_path_factory: pytest.TempPathFactory, memory_target: Any) -> Iterator[Callable[[str], Subject]]:
    started: list[tuple[ExchangeProcess, Session]] = []
    subjects: dict[str, Subject] = {}

    def on_exchange(version: str, directory: Path) -> Subject:
        process = ExchangeProcess(directory, version=version, mailboxes=["contract@target.test"])
        found = process.start()
        server = ServerSettings(
            name="t", url=found.url, user=found.user, password=found.password, version=version, timeout_seconds=30.0
        )
        session = Session(server, Throttle(), SessionMetrics(CollectorRegistry()))
        started.append((process, session))
        target = ExchangeTarget(session)

        def stream(subject: str) -> bytes:
            drafts_id = target.root("contract@target.test", "drafts")
            made = done(target.create("contract@target.test", drafts_id, [portable(subject, "")])[0])
            body = f"<m:ExportItems><m:ItemIds>{item_ref(made.item_id)}</m:ItemIds></m:ExportItems>"
            (answer,) = session.call("ExportItems", "contract@target.test", body, 1).messages
            return base64.b64decode(answer.element.findtext(f"{M}Data"))

        return Subject(target, "contract@target.test", stream)

    def make(kind: str) -> Subject:
        if kind == "memory":
            return Subject(memory_target(), "contract@target.test", lambda subject: subject.encode())
        if kind not in subjects:
            subjects[kind] = on_exchange(kind, tmp_path_factory.mktemp(f"exchange-{kind}"))
        return subjects[kind]

    yield make
    for process, session in started:
        session.close()
        process.stop()


@pytest.fixture(params=IMPLEMENTATIONS)
def subject(request: pytest.FixtureRequest, make_subject: Callable[[str], Subject]) -> Subject:
    return make_subject(request.param)


@pytest.fixture
def folders(subject: Subject, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two folders that no other test has."""
    name = request.node.originalname
    return subject.folder(f"{name} one"), subject.folder(f"{name} two")


def test_an_uploaded_item_is_stamped_found_moved_updated_and_deleted(
    subject: Subject, folders: tuple[str, str]
) -> None:
    target, address, stamp = subject.target, subject.address, "aa:bb:01"
    uploaded = done(target.upload(address, folders[0], [subject.stream("one")])[0])
    assert target.find(address, [folders[0]], [stamp]) == []
    update = Update(item_id=uploaded.item_id, change_key=uploaded.change_key, stamp=stamp, marks=MARKED)
    stamped = done(target.update(address, [update])[0])
    assert stamped.change_key != uploaded.change_key
    (held,) = target.find(address, [folders[0]], [stamp])
    assert held == Held(stamped.item_id, stamped.change_key, stamp, MARKED)
    moved = done(target.move(address, [stamped.item_id], folders[1])[0])
    assert moved.item_id != stamped.item_id
    assert target.find(address, [folders[0]], [stamp]) == []
    (there,) = target.find(address, list(folders), [stamp])
    assert (there.item_id, there.change_key, there.marks) == (moved.item_id, moved.change_key, MARKED)
    assert target.delete(address, [moved.item_id], hard=False) == [Done(moved.item_id, "")]
    assert target.find(address, list(folders), [stamp]) == []


def test_a_created_item_has_its_stamp_and_marks_at_once(subject: Subject, folders: tuple[str, str]) -> None:
    made = done(subject.target.create(subject.address, folders[0], [portable("x", "aa:bb:02", MARKED)])[0])
    (held,) = subject.target.look(subject.address, [made.item_id])
    assert held == Held(made.item_id, made.change_key, "aa:bb:02", MARKED)


def test_an_id_is_dead_after_a_move_for_every_operation(subject: Subject, folders: tuple[str, str]) -> None:
    target, address = subject.target, subject.address
    old = subject.item(folders[0], "aa:bb:03")
    moved = done(target.move(address, [old.item_id], folders[1])[0])
    update = Update(item_id=old.item_id, change_key=old.change_key, stamp="aa:bb:04", marks=MARKED)
    late = [
        target.move(address, [old.item_id], folders[0])[0],
        target.update(address, [update])[0],
        target.delete(address, [old.item_id], hard=True)[0],
        target.look(address, [old.item_id])[0],
    ]
    assert all(isinstance(o, Refused) and o.code in GONE for o in late), late
    (held,) = target.find(address, [folders[1]], ["aa:bb:03"])
    assert (held.item_id, held.marks) == (moved.item_id, UNREAD)


def test_an_update_with_an_older_change_key_is_refused_and_changes_nothing(
    subject: Subject, folders: tuple[str, str]
) -> None:
    target, address = subject.target, subject.address
    made = subject.item(folders[0], "aa:bb:05")
    first = Update(item_id=made.item_id, change_key=made.change_key, stamp="aa:bb:06", marks=MARKED)
    second = Update(item_id=made.item_id, change_key=made.change_key, stamp="aa:bb:07", marks=UNREAD)
    done(target.update(address, [first])[0])
    (refused,) = target.update(address, [second])
    assert isinstance(refused, Refused)
    assert refused.code in STALE
    (held,) = target.look(address, [made.item_id])
    assert isinstance(held, Held)
    assert (held.stamp, held.marks) == ("aa:bb:06", MARKED)


def test_every_input_has_one_outcome_in_its_place(subject: Subject, folders: tuple[str, str]) -> None:
    target, address = subject.target, subject.address
    one, gone, two = (subject.item(folders[0], f"aa:bb:1{n}") for n in range(3))
    target.delete(address, [gone.item_id], hard=True)
    ids = [one.item_id, gone.item_id, two.item_id]
    updates = [
        Update(item_id=i, change_key=d.change_key, stamp=f"aa:bb:2{n}", marks=MARKED)
        for n, (i, d) in enumerate(zip(ids, (one, gone, two), strict=True))
    ]
    kinds = [
        [type(o) for o in target.look(address, ids)],
        [type(o) for o in target.update(address, updates)],
        [type(o) for o in target.move(address, ids, folders[1])],
    ]
    assert kinds == [[Held, Refused, Held], [Done, Refused, Done], [Done, Refused, Done]]
    found = target.find(address, [folders[1]], ["aa:bb:20", "aa:bb:21", "aa:bb:22"])
    assert sorted(h.stamp for h in found) == ["aa:bb:20", "aa:bb:22"]
    left = [h.item_id for h in found]
    assert [type(o) for o in target.delete(address, [left[0], one.item_id, left[1]], hard=True)] == [
        Done,
        Refused,
        Done,
    ]


def test_several_streams_become_several_items(subject: Subject, folders: tuple[str, str]) -> None:
    made = subject.target.upload(subject.address, folders[0], [subject.stream("one"), subject.stream("two")])
    ids = {done(o).item_id for o in made}
    assert len(ids) == 2
    assert {h.item_id for h in subject.target.listed(subject.address, folders[0])} == ids


def test_finding_compares_the_whole_stamp_and_all_copies_of_one(subject: Subject, folders: tuple[str, str]) -> None:
    target, address = subject.target, subject.address
    subject.item(folders[0], "aa:bb:31")
    subject.item(folders[1], "aa:bb:31")
    subject.item(folders[1], "aa:bb:310")
    subject.item(folders[1], "")
    assert [h.stamp for h in target.find(address, [folders[1]], ["aa:bb:31"])] == ["aa:bb:31"]
    assert len(target.find(address, list(folders), ["aa:bb:31"])) == 2
    assert target.find(address, list(folders), ["aa:bb:3"]) == []


def test_moving_into_a_folder_that_is_gone_is_refused_and_the_item_stays(
    subject: Subject, folders: tuple[str, str]
) -> None:
    target, address = subject.target, subject.address
    made = subject.item(folders[0], "aa:bb:41")
    target.delete_folder(address, folders[1])
    (refused,) = target.move(address, [made.item_id], folders[1])
    assert isinstance(refused, Refused)
    assert refused.code in GONE
    assert isinstance(target.look(address, [made.item_id])[0], Held)


def test_a_folder_is_made_found_renamed_moved_and_deleted(subject: Subject, folders: tuple[str, str]) -> None:
    target, address = subject.target, subject.address
    outcome = target.create_folder(address, folders[0], "Plans & <more>", "IPF.Note", hidden=False)
    folder_id = done(outcome).item_id
    held = target.find_child(address, folders[0], "plans & <MORE>")
    assert held is not None
    assert (held.folder_id, held.parent_id, held.name) == (folder_id, folders[0], "Plans & <more>")
    assert target.find_child(address, folders[0], "Plans") is None
    done(target.rename_folder(address, folder_id, "Plans"))
    done(target.move_folder(address, folder_id, folders[1]))
    now = target.folder(address, folder_id)
    assert now is not None
    assert (now.parent_id, now.name, now.total_count, now.child_count) == (folders[1], "Plans", 0, 0)
    done(target.delete_folder(address, folder_id))
    assert target.folder(address, folder_id) is None


def test_a_folder_counts_its_items_and_folders(subject: Subject, folders: tuple[str, str]) -> None:
    subject.item(folders[0], "aa:bb:51")
    done(subject.target.create_folder(subject.address, folders[0], "Below", "IPF.Note", hidden=False))
    held = subject.target.folder(subject.address, folders[0])
    assert held is not None
    assert (held.total_count, held.child_count) == (1, 1)


def test_a_name_that_is_taken_is_refused(subject: Subject, folders: tuple[str, str]) -> None:
    target, address = subject.target, subject.address
    made = done(target.create_folder(address, folders[0], "Plans", "IPF.Note", hidden=False))
    done(target.create_folder(address, folders[0], "Other", "IPF.Note", hidden=False))
    refused = [
        target.create_folder(address, folders[0], "plans", "IPF.Note", hidden=False),
        target.rename_folder(address, made.item_id, "Other"),
    ]
    assert refused == [Refused("ErrorFolderExists", o.text) for o in refused if isinstance(o, Refused)]


def test_a_distinguished_folder_that_is_not_there_is_refused(subject: Subject) -> None:
    with pytest.raises(CallRefused):
        subject.target.root(subject.address, "nowhere")


def test_a_folder_below_the_root_of_all_is_made_hidden_and_takes_items(
    subject: Subject, request: pytest.FixtureRequest
) -> None:
    target, address = subject.target, subject.address
    root_id = target.root(address, "root")
    outcome = target.create_folder(address, root_id, request.node.originalname, "IPF.Note", hidden=True)
    made = subject.item(done(outcome).item_id, "aa:bb:61")
    assert [h.item_id for h in target.listed(address, done(outcome).item_id)] == [made.item_id]
