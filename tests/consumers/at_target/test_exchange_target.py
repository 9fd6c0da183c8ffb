"""What is written to Exchange beyond the contract of every target (test_target.py): flags, classes, silence."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.target import Done, Held, Outcome, PortableItem, Refused, Update
from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.throttle import Throttle
from schemas.change import Marks
from schemas.ews import M, T, folder_ref
from schemas.metrics import SessionMetrics
from schemas.ports import AnswerUnknown, CallRefused

ADDRESS = "target@target.test"
FLAGGED = Marks(
    is_read=False, flag_status="Flagged", flag_due="2026-05-06T00:00:00Z", flag_start="2026-05-05T00:00:00Z"
)
ASKS_FOR_A_RECEIPT = b"From: a@example.org\r\nDisposition-Notification-To: a@example.org\r\nSubject: x\r\n\r\nx\r\n"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), version="2019", mailboxes=[ADDRESS]) as process:
        yield process


@pytest.fixture(scope="module")
def session(server: ExchangeProcess) -> Iterator[Session]:
    found = server.connection
    settings = ServerSettings(
        name="t", url=found.url, user=found.user, password=found.password, version="2019", timeout_seconds=30.0
    )
    opened = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
    yield opened
    opened.close()


@pytest.fixture
def target(session: Session, server: ExchangeProcess) -> Iterator[ExchangeTarget]:
    yield ExchangeTarget(session)
    server.clear_faults()


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def message(stamp: str, marks: Marks, mime: bytes = b"Subject: x\r\n\r\nx\r\n") -> PortableItem:
    properties = {"0x0e07": "1" if marks.is_read else "0", "0x0e06": "2020-02-03T04:05:06Z"}
    return PortableItem(mime=mime, item_class="IPM.Note", properties=properties, marks=marks, stamp=stamp)


def test_a_flag_with_its_dates_and_no_categories_any_more(target: ExchangeTarget) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    marked = Marks(is_read=True, categories=("red",))
    made = done(target.create(ADDRESS, inbox_id, [message("aa:bb:01", marked)])[0])
    update = Update(item_id=made.item_id, change_key=made.change_key, stamp="aa:bb:02", marks=FLAGGED)
    done(target.update(ADDRESS, [update])[0])
    (held,) = target.look(ADDRESS, [made.item_id])
    assert isinstance(held, Held)
    assert (held.stamp, held.marks) == ("aa:bb:02", FLAGGED)


def test_a_folder_has_the_class_of_what_it_is_to_hold(target: ExchangeTarget, session: Session) -> None:
    root_id = target.root(ADDRESS, "msgfolderroot")
    for folder_class in ("IPF.Note", "IPF.Appointment", "IPF.Contact", "IPF.Task", "IPF.StickyNote"):
        made = done(target.create_folder(ADDRESS, root_id, f"of {folder_class}", folder_class, hidden=False))
        body = (
            "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape><t:AdditionalProperties>"
            '<t:FieldURI FieldURI="folder:FolderClass"/></t:AdditionalProperties></m:FolderShape>'
            f"<m:FolderIds>{folder_ref(made.item_id)}</m:FolderIds></m:GetFolder>"
        )
        (answer,) = session.call("GetFolder", ADDRESS, body, 1).messages
        assert answer.element.findtext(f"{M}Folders/*/{T}FolderClass") == folder_class


def test_reading_and_deleting_at_the_target_sends_no_receipt(target: ExchangeTarget, server: ExchangeProcess) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    unread = Marks(is_read=False)
    items = [message(f"aa:bb:1{n}", unread, ASKS_FOR_A_RECEIPT) for n in range(2)]
    read, deleted = (done(o) for o in target.create(ADDRESS, inbox_id, items))
    sent = len(target.listed(ADDRESS, target.root(ADDRESS, "sentitems")))
    before = len(server.history())
    update = Update(item_id=read.item_id, change_key=read.change_key, stamp="aa:bb:20", marks=Marks(is_read=True))
    done(target.update(ADDRESS, [update])[0])
    done(target.delete(ADDRESS, [deleted.item_id], hard=False)[0])
    assert len(server.history()) == before + 2
    assert len(target.listed(ADDRESS, target.root(ADDRESS, "sentitems"))) == sent


def test_a_connection_that_breaks_after_sending_leaves_it_open_whether_it_was_done(
    target: ExchangeTarget, server: ExchangeProcess
) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    server.add_fault("CreateItem", "drop_after", count=1)
    with pytest.raises(AnswerUnknown):
        target.create(ADDRESS, inbox_id, [message("aa:bb:31", Marks(is_read=False))])
    assert len(target.find(ADDRESS, [inbox_id], ["aa:bb:31"])) == 1


def test_an_item_the_server_refuses_is_refused_by_its_code_and_the_others_are_made(
    target: ExchangeTarget, server: ExchangeProcess
) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    server.add_fault("CreateItem", "error", code="ErrorItemSave", item=0, count=1)
    items = [message(f"aa:bb:4{n}", Marks(is_read=False)) for n in range(2)]
    refused, made = target.create(ADDRESS, inbox_id, items)
    assert isinstance(refused, Refused)
    assert refused.code == "ErrorItemSave"
    assert [h.item_id for h in target.find(ADDRESS, [inbox_id], ["aa:bb:40", "aa:bb:41"])] == [done(made).item_id]


def test_a_damaged_stream_is_refused_alone(target: ExchangeTarget) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    assert [o.code for o in target.upload(ADDRESS, inbox_id, [b"x", b"y"]) if isinstance(o, Refused)] == [
        "ErrorCorruptData",
        "ErrorCorruptData",
    ]


def test_looking_for_a_child_of_a_folder_that_is_gone_is_refused(target: ExchangeTarget) -> None:
    root_id = target.root(ADDRESS, "msgfolderroot")
    made = done(target.create_folder(ADDRESS, root_id, "short-lived", "IPF.Note", hidden=False))
    done(target.delete_folder(ADDRESS, made.item_id))
    with pytest.raises(CallRefused):
        target.find_child(ADDRESS, made.item_id, "x")
    assert target.find(ADDRESS, [made.item_id], ["aa:bb:51"]) == []


def test_a_listing_shows_our_stamps_and_the_marks_and_nothing_foreign_as_ours(target: ExchangeTarget) -> None:
    folder_id = done(target.create_folder(ADDRESS, target.root(ADDRESS, "inbox"), "Listed", "IPF.Note", hidden=False))
    target.create(ADDRESS, folder_id.item_id, [message("t:i:n", FLAGGED), message("", Marks(is_read=True))])
    page = target.listing(ADDRESS, folder_id.item_id, 0)
    assert (page.next_offset, page.has_flags) == (None, True)
    assert sorted(i.stamp for i in page.items) == ["", "t:i:n"]
    ours = next(i for i in page.items if i.stamp)
    assert ours.row.flag == ("Flagged", "2026-05-05T00:00:00Z", "2026-05-06T00:00:00Z", "")
    assert ours.row.received == "2020-02-03T04:05:06Z"


def test_a_folder_that_is_gone_is_refused_by_a_listing(target: ExchangeTarget) -> None:
    folder = done(target.create_folder(ADDRESS, target.root(ADDRESS, "inbox"), "Gone", "IPF.Note", hidden=False))
    target.delete_folder(ADDRESS, folder.item_id)
    with pytest.raises(CallRefused) as refused:
        target.listing(ADDRESS, folder.item_id, 0)
    assert refused.value.code in {"ErrorFolderNotFound", "ErrorItemNotFound"}


UNREAD = Marks(is_read=False)
WRITES = ("CreateItem", "UpdateItem", "MoveItem", "GetItem")


def stamps_of(target: ExchangeTarget, outcomes: list[Outcome]) -> list[str]:
    looked = target.look(ADDRESS, [done(o).item_id for o in outcomes])
    return [h.stamp for h in looked if isinstance(h, Held)]


def test_answers_in_another_order_name_the_items_that_were_written(
    target: ExchangeTarget, server: ExchangeProcess
) -> None:
    inbox_id, drafts_id = target.root(ADDRESS, "inbox"), target.root(ADDRESS, "drafts")
    stamps = [f"aa:bb:3{n}" for n in range(4)]
    for operation in WRITES:
        server.add_fault(operation, "reorder", count=1_000)
    made = target.create(ADDRESS, inbox_id, [message(s, UNREAD) for s in stamps])
    assert stamps_of(target, made) == stamps
    updates = [
        Update(item_id=done(o).item_id, change_key=done(o).change_key, stamp=s.replace(":3", ":4"))
        for s, o in zip(stamps, made, strict=True)
    ]
    assert [done(o).item_id for o in target.update(ADDRESS, updates)] == [u.item_id for u in updates]
    moved = target.move(ADDRESS, [u.item_id for u in updates], drafts_id)
    assert stamps_of(target, moved) == [u.stamp for u in updates]


def test_a_deletion_answered_for_another_item_is_not_taken_for_done(
    target: ExchangeTarget, server: ExchangeProcess
) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    ids = [
        done(o).item_id for o in target.create(ADDRESS, inbox_id, [message(f"aa:bb:5{n}", UNREAD) for n in range(3)])
    ]
    server.add_fault("DeleteItem", "error", item=0, code="ErrorAccessDenied")
    server.add_fault("DeleteItem", "reorder")
    outcomes = target.delete(ADDRESS, ids, hard=True)
    assert [isinstance(o, Done) for o in outcomes] == [False, True, True]


def test_an_item_that_breaks_the_call_is_refused_alone(target: ExchangeTarget, server: ExchangeProcess) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    made = target.create(ADDRESS, inbox_id, [message(f"aa:bb:6{n}", UNREAD) for n in range(5)])
    ids = [done(o).item_id for o in made]
    server.add_fault("GetItem", "drop_before", names=ids[3], count=1_000)
    assert [isinstance(h, Held) for h in target.look(ADDRESS, ids)] == [True, True, True, False, True]
    assert [isinstance(m, bytes) for m in target.mimes(ADDRESS, ids)] == [True, True, True, False, True]


def test_a_folder_that_can_not_be_looked_at_is_not_taken_for_gone(
    target: ExchangeTarget, server: ExchangeProcess
) -> None:
    inbox_id = target.root(ADDRESS, "inbox")
    server.add_fault("GetFolder", "error", code="ErrorInternalServerError")
    with pytest.raises(CallRefused):
        target.folder(ADDRESS, inbox_id)


def test_a_list_of_folders_without_an_end_is_refused(target: ExchangeTarget, server: ExchangeProcess) -> None:
    server.add_fault("FindFolder", "never_last", count=1_000)
    with pytest.raises(CallRefused, match="endless-answer"):
        target.folder_ids(ADDRESS)
