"""What the feed reads over EWS, against the simulated server on a real port."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.mail import INBOX, UNDATED, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.throttle import Throttle
from producers.exchange_source import ExchangeSource
from producers.source import CursorLostError, Described, Failed, Portable
from producers.splitting_source import SplittingSource
from schemas.element_values import unpacked
from schemas.faults import ReplicationFault
from schemas.metrics import SessionMetrics
from schemas.ports import AnswerUnknown, CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.listing import ListedItem

pytestmark = pytest.mark.slow
MIME = b"From: a@x.test\r\nTo: b@x.test\r\nSubject: a letter\r\nMessage-ID: <1@x.test>\r\n\r\nbody\r\n"
VERSIONS = ("2010_SP1", "2013", "2019")


class Side:
    """A server with one mailbox, its user, and the source under test."""

    def __init__(self, process: ExchangeProcess) -> None:
        found = process.start()
        self.process = process
        self.address = process.mailboxes[0]
        where = ServerAddress(url=found.url, user=found.user, password=found.password, version=process.version)
        self.user = UserMailbox(UserSession(where), self.address)
        settings = ServerSettings(
            name="mail", url=found.url, user=found.user, password=found.password, version=process.version
        )
        self.source = ExchangeSource(Session(settings, Throttle(), SessionMetrics(CollectorRegistry())))
        self.inbox = self.user.folder(INBOX)

    def add(self) -> str:
        mail = NewMail(owner=0, folder=INBOX, mime=MIME, received=UNDATED, is_read=False)
        return self.user.create_mail(self.inbox, [mail])[0]

    def described(self, item_id: str) -> Described:
        (found,) = self.source.describe(self.address, [item_id])
        assert isinstance(found, Described)
        return found

    def read(self, cursor: str = "") -> tuple[set[str], set[str], dict[str, bool], str]:
        """Read the inbox to its end: saved, gone, read flags, cursor."""
        saved, gone, flags, is_last = set[str](), set[str](), dict[str, bool](), False
        while not is_last:
            page = self.source.items(self.address, self.inbox, cursor)
            saved, gone, flags = saved | set(page.saved), gone | set(page.gone), flags | dict(page.read_flags)
            cursor, is_last = page.cursor, page.is_last
        return saved, gone, flags, cursor


@pytest.fixture(scope="module", params=VERSIONS)
def side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    directory = tmp_path_factory.mktemp("source")
    with ExchangeProcess(directory, version=request.param, mailboxes=["anna@source.test"]) as process:
        yield Side(process)


@pytest.fixture(autouse=True)
def no_faults(side: Side) -> None:
    side.process.clear_faults()


def test_the_hierarchy_names_distinguished_folders_and_roots_without_a_parent(side: Side) -> None:
    page = side.source.hierarchy(side.address, "")
    (inbox,) = (f for f in page.seen if f.folder_id == side.inbox)
    assert (inbox.distinguished, inbox.parent_id) == ("inbox", "")
    assert {f.distinguished for f in page.seen} >= {"inbox", "drafts", "sentitems", "deleteditems"}
    assert page.is_last


def test_the_hierarchy_tells_what_is_new_and_what_is_gone_since_a_cursor(side: Side) -> None:
    cursor = side.source.hierarchy(side.address, "").cursor
    made = side.user.create_folder(side.inbox, "New")
    page = side.source.hierarchy(side.address, cursor)
    assert [(f.folder_id, f.parent_id, f.name) for f in page.seen] == [(made, side.inbox, "New")]
    side.user.delete_folder(made, how="HardDelete")
    assert side.source.hierarchy(side.address, page.cursor).gone == (made,)


def test_items_tell_new_read_and_gone_ones_since_a_cursor(side: Side) -> None:
    item_id = side.add()
    saved, _, _, cursor = side.read()
    assert item_id in saved
    assert side.read(cursor)[:3] == (set(), set(), {})
    side.user.update(item_id, "message:IsRead", "<t:Message><t:IsRead>true</t:IsRead></t:Message>")
    saved, gone, flags, cursor = side.read(cursor)
    assert flags.get(item_id) or item_id in saved
    side.user.delete(item_id, how="HardDelete")
    saved, gone, flags, _ = side.read(cursor)
    assert (saved, gone) == (set(), {item_id})


@pytest.mark.parametrize("cursor", ["no cursor", base64.b64encode(b"no cursor").decode()])
def test_a_cursor_the_server_does_not_take_is_lost(side: Side, cursor: str) -> None:
    with pytest.raises(CursorLostError):
        side.source.items(side.address, side.inbox, cursor)
    with pytest.raises(CursorLostError):
        side.source.hierarchy(side.address, cursor)


def test_a_folder_that_is_gone_is_refused_by_its_code(side: Side) -> None:
    made = side.user.create_folder(side.inbox, "Gone")
    side.user.delete_folder(made, how="HardDelete")
    with pytest.raises(CallRefused, match="NotFound"):
        side.source.items(side.address, made, "")


def test_an_item_is_described_by_small_properties_and_a_gone_one_fails_alone(side: Side) -> None:
    item_id = side.add()
    gone_id = side.add()
    side.user.delete(gone_id, how="HardDelete")
    found, failed = side.source.describe(side.address, [item_id, gone_id])
    assert isinstance(found, Described)
    assert failed == Failed("ErrorItemNotFound")
    assert (found.item_id, found.folder_id, found.summary.subject) == (item_id, side.inbox, "a letter")
    assert found.summary.message_id == "<1@x.test>"
    assert found.change_key
    assert found.summary.size_bytes > 0
    assert not found.marks.is_read
    assert found.fingerprint == "", "it was just written: nothing may be believed yet"


def test_a_move_keeps_the_search_key_and_a_copy_has_it_too(side: Side) -> None:
    folder = side.user.folder(("Moved",))
    item_id = side.add()
    key = side.described(item_id).search_key
    copy_id = side.user.copy(item_id, folder)
    moved_id = side.user.move(item_id, folder)
    assert key
    assert side.described(moved_id).search_key == side.described(copy_id).search_key == key


def test_a_stream_is_whole_and_one_cut_short_without_an_error_is_failed(side: Side) -> None:
    item_id = side.add()
    (stream,) = side.source.export(side.address, [item_id])
    assert isinstance(stream, bytes)
    assert stream
    side.process.add_fault("ExportItems", "truncate_export")
    assert side.source.export(side.address, [item_id]) == [Failed(ReplicationFault.TRUNCATED_STREAM)]


def test_the_elements_of_an_item_are_those_that_a_client_can_set(side: Side) -> None:
    element = (
        "<t:Contact><t:Subject>Berta</t:Subject><t:FileAs>Berta</t:FileAs><t:PhoneNumbers>"
        '<t:Entry Key="HomePhone">1</t:Entry></t:PhoneNumbers></t:Contact>'
    )
    (contact_id,) = side.user.create_entries(side.user.folder(("/contacts",)), [element])
    mail_id = side.add()
    contact, mail, gone = side.source.elements(side.address, [contact_id, mail_id, f"{mail_id}x"])
    assert isinstance(contact, bytes)
    shown = unpacked(contact)
    assert shown.kind == "Contact"
    assert {f.index or f.uri: v.same for f, v in shown.values.items()} == {
        "item:Subject": "Berta", "item:Sensitivity": "Normal", "item:Body": "", "item:ReminderIsSet": "false",
        "contacts:FileAs": "Berta", "HomePhone": "1",
    }  # fmt: skip
    assert isinstance(mail, bytes)
    assert unpacked(mail).kind == "Message"
    assert isinstance(gone, Failed)
    assert side.source.elements(side.address, []) == []


def test_the_portable_form_is_the_mime_with_what_it_does_not_hold(side: Side) -> None:
    (found,) = side.source.portable(side.address, [side.add()])
    assert isinstance(found, Portable)
    assert b"a letter" in found.mime
    assert found.properties.keys() <= {"0x0e07", "0x0e06", "0x0039", "0x1080", "0x1081", "0x1082"}
    assert "0x0e07" in found.properties


def test_a_probe_differs_after_every_change_and_a_folder_that_is_gone_has_none(side: Side) -> None:
    other = side.user.create_folder(side.inbox, "Probed")
    before = side.source.probe(side.address, [side.inbox])[side.inbox]
    item_id = side.add()
    between = side.source.probe(side.address, [side.inbox])[side.inbox]
    side.user.delete(item_id, how="HardDelete")
    after = side.source.probe(side.address, [side.inbox])[side.inbox]
    assert len({before, between, after}) == 3
    side.user.delete_folder(other, how="HardDelete")
    assert set(side.source.probe(side.address, [side.inbox, other])) == {side.inbox}


def test_asking_for_nothing_makes_no_call(side: Side) -> None:
    side.process.reset_calls()
    assert side.source.describe(side.address, []) == []
    assert side.source.export(side.address, []) == []
    assert side.source.portable(side.address, []) == []
    assert side.source.probe(side.address, []) == {}
    assert not any(o["calls"] for o in side.process.calls()["operations"].values())


def test_an_answer_that_breaks_off_is_unknown_and_nothing_is_asked_twice(side: Side) -> None:
    item_id = side.add()
    side.process.add_fault("GetItem", "cut_answer")
    side.process.reset_calls()
    with pytest.raises(AnswerUnknown):
        side.source.describe(side.address, [item_id])
    assert side.process.calls()["operations"]["GetItem"]["calls"] == 1


def test_the_version_is_the_one_the_server_says(side: Side) -> None:
    side.source.hierarchy(side.address, "")
    expected = {"2010_SP1": "14.1.", "2013": "15.0.", "2019": "15.2."}
    assert side.source.version.startswith(expected[side.process.version])


def test_a_folder_is_listed_to_its_end_whatever_a_page_may_hold(side: Side) -> None:
    ids = {side.add() for _ in range(5)}
    side.process.set_switch("find_count_limit", 2)
    try:
        found: dict[str, ListedItem] = {}
        offset: int | None = 0
        while offset is not None:
            page = side.source.listing(side.address, side.inbox, offset)
            assert len(page.items) <= 2
            found |= {i.item_id: i for i in page.items}
            offset = page.next_offset
    finally:
        side.process.set_switch("find_count_limit", 1000)
    assert ids <= found.keys()
    assert found.keys() == side.read()[0]
    row = found[ids.pop()].row
    assert (row.item_class, row.subject, row.message_id) == ("IPM.NOTE", "a letter", "<1@x.test>")
    assert (row.is_read, row.is_draft) == (False, False)


def test_flags_are_listed_where_the_server_knows_them_and_unknown_elsewhere(side: Side) -> None:
    side.add()
    page = side.source.listing(side.address, side.inbox, 0)
    is_old = side.process.version == "2010_SP1"
    assert page.has_flags is not is_old
    assert page.items[0].row.flag == (("", "", "", "") if is_old else ("NotFlagged", "", "", ""))


def test_a_folder_that_is_not_there_can_not_be_listed(side: Side) -> None:
    with pytest.raises(CallRefused):
        side.source.listing(side.address, side.inbox[:-8] + "AAAAAAA=", 0)


def letters(side: Side, count: int = 5) -> dict[str, bytes]:
    """Put letters into the inbox; return what each holds that no other does."""
    mails = [
        NewMail(
            owner=0, folder=INBOX, received=UNDATED, is_read=False,
            mime=b"From: a@x.test\r\nSubject: letter %d\r\nMessage-ID: <letter-%d@x.test>\r\n\r\nbody\r\n" % (n, n),
        )
        for n in range(count)
    ]  # fmt: skip
    return dict(zip(side.user.create_mail(side.inbox, mails), (b"letter-%d@" % n for n in range(count)), strict=True))


def test_answers_in_another_order_are_about_the_items_asked_for(side: Side) -> None:
    held = letters(side)
    ids = list(held)
    for operation in ("GetItem", "ExportItems", "GetFolder"):
        side.process.add_fault(operation, "reorder", count=100)
    described = side.source.describe(side.address, ids)
    assert [d.item_id for d in described if isinstance(d, Described)] == ids
    keys = side.source.change_keys(side.address, ids)
    assert keys == [d.change_key for d in described if isinstance(d, Described)]
    for item_id, stream in zip(ids, side.source.export(side.address, ids), strict=True):
        assert isinstance(stream, bytes)
        assert held[item_id] in stream
    for item_id, portable in zip(ids, side.source.portable(side.address, ids), strict=True):
        assert isinstance(portable, Portable)
        assert held[item_id] in portable.mime
    other = side.user.create_folder(side.inbox, "Empty")
    probes = side.source.probe(side.address, [side.inbox, other])
    assert probes[other].endswith("/0") or probes[other].endswith("/0?")
    assert not probes[side.inbox].rstrip("?").endswith("/0")


def test_the_inbox_is_the_inbox_whatever_the_order_of_the_answer(side: Side) -> None:
    if side.process.version != "2010_SP1":  # which does not say which distinguished folder it answers
        side.process.add_fault("GetFolder", "reorder", count=100)
    fresh = ExchangeSource(side.source._session)
    (inbox,) = (f for f in fresh.hierarchy(side.address, "").seen if f.distinguished == "inbox")
    assert inbox.folder_id == side.inbox


def test_one_odd_answer_takes_no_distinguished_folder_away(side: Side) -> None:
    fresh = ExchangeSource(side.source._session)
    side.process.add_fault("GetFolder", "error", item=1, code="ErrorFolderNotFound")
    assert "inbox" in {f.distinguished for f in fresh.hierarchy(side.address, "").seen}


def test_a_poisoned_item_is_told_from_the_others_of_its_call(side: Side) -> None:
    ids = list(letters(side))
    source = SplittingSource(side.source)
    source.know_folder(side.address, side.inbox)
    for operation, ask in (("GetItem", source.describe), ("ExportItems", source.export)):
        side.process.add_fault(operation, "error_fault", names=ids[2], count=1_000)
        answers = ask(side.address, ids)
        assert [isinstance(a, Failed) for a in answers] == [False, False, True, False, False]
        assert answers[2] == Failed("ErrorInternalServerError")
