"""Streaming notifications against the simulated server, and documents cut at any byte."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.mail import INBOX, UNDATED, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.throttle import Throttle
from producers import exchange_notifier as module
from producers.exchange_notifier import ExchangeNotifier, _documents
from schemas.metrics import SessionMetrics
from schemas.ports import AnswerUnknown, CallFailed, CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.doorbell import Notification

ADDRESS = "anna@source.test"
WAIT_SECONDS = 30.0
DOCUMENT = b'<Envelope xmlns="s"><Header/><Body><a t="Envelope&gt;">%d</a></Body></Envelope>'
PREFIXED = b'<s:Envelope xmlns:s="s"><s:Body><a>%d</a></s:Body></s:Envelope>\r\n'


class Raw:
    """A connection that hands out given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def stream(self, _size_bytes: int, *, decode_content: bool) -> Iterator[bytes]:
        assert decode_content
        yield from self._pieces


@given(st.lists(st.integers(1, 400), max_size=8), st.sampled_from([DOCUMENT, PREFIXED]))
def test_documents_are_found_wherever_the_stream_is_cut(cuts: list[int], form: bytes) -> None:
    whole = b"".join(form % n for n in range(3))
    places = sorted({min(c, len(whole)) for c in cuts} | {0, len(whole)})
    pieces = [whole[a:b] for a, b in pairwise(places)]
    found = ["".join(d.itertext()).strip() for d in _documents(Raw(pieces))]
    assert found == ["0", "1", "2"]


def test_a_document_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOCUMENT_SIZE_BYTES_MAX", 100)
    with pytest.raises(AnswerUnknown, match="no end"):
        list(_documents(Raw([b"<Envelope>" + b"x" * 200])))


def test_a_document_with_a_raw_control_byte_is_read_and_one_that_is_none_ends_the_stream() -> None:
    (document,) = _documents(Raw([b"<Envelope><a>one\x0btwo</a></Envelope>"]))
    assert document.findtext("a") == "one\N{REPLACEMENT CHARACTER}two"
    with pytest.raises(AnswerUnknown, match="not whole XML"):
        list(_documents(Raw([b"<Envelope><a></Envelope>"])))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("notifier"), version="2013", mailboxes=[ADDRESS]) as process:
        yield process


@pytest.fixture
def notifier(server: ExchangeProcess) -> ExchangeNotifier:
    server.clear_faults()
    found = server.connection
    settings = ServerSettings(name="mail", url=found.url, user=found.user, password=found.password, version="2013")
    return ExchangeNotifier(Session(settings, Throttle(), SessionMetrics(CollectorRegistry())))


@pytest.fixture
def user(server: ExchangeProcess) -> UserMailbox:
    found = server.connection
    where = ServerAddress(url=found.url, user=found.user, password=found.password, version="2013")
    return UserMailbox(UserSession(where), ADDRESS)


def add(user: UserMailbox) -> None:
    mail = NewMail(owner=0, folder=INBOX, mime=b"Subject: x\r\n\r\nx", received=UNDATED)
    user.create_mail(user.folder(INBOX), [mail])


@pytest.mark.slow
def test_a_change_is_heard_with_the_subscription_and_the_folders_it_touched(
    notifier: ExchangeNotifier, user: UserMailbox
) -> None:
    other = user.folder(("Other",))
    subscription = notifier.subscribe(ADDRESS)
    stream = notifier.listen(ADDRESS, [subscription])
    next(stream)
    add(user)
    heard = [n for n in _until(stream, user.folder(INBOX)) if n]
    assert {n.subscription for n in heard} == {subscription}
    assert all(other not in n.folder_ids for n in heard)
    notifier.close()


def _until(stream: Iterator[list[Notification]], folder_id: str) -> list[Notification]:
    heard: list[Notification] = []
    for notifications in stream:
        heard += notifications
        if any(folder_id in n.folder_ids for n in heard):
            return heard
    pytest.fail("the stream ended before the change was heard")


@pytest.mark.slow
def test_a_new_folder_is_a_change_of_the_tree(notifier: ExchangeNotifier, user: UserMailbox) -> None:
    stream = notifier.listen(ADDRESS, [notifier.subscribe(ADDRESS)])
    next(stream)
    made = user.create_folder(user.folder(INBOX), "Made")
    heard = _until(stream, made)
    assert any(n.is_hierarchy for n in heard if made in n.folder_ids)
    notifier.close()


@pytest.mark.slow
def test_another_thread_can_break_a_hanging_connection(notifier: ExchangeNotifier) -> None:
    subscription = notifier.subscribe(ADDRESS)
    ended = threading.Event()
    listening = threading.Event()

    def listen() -> None:
        try:
            for _ in notifier.listen(ADDRESS, [subscription]):
                listening.set()
        except CallFailed:
            pass
        ended.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(WAIT_SECONDS)
    notifier.close()
    assert ended.wait(WAIT_SECONDS)


@pytest.mark.slow
def test_closing_what_is_not_open_does_nothing(notifier: ExchangeNotifier) -> None:
    notifier.close()


@pytest.mark.slow
def test_a_subscription_that_is_refused_or_unknown_is_refused_by_its_code(
    notifier: ExchangeNotifier, server: ExchangeProcess
) -> None:
    with pytest.raises(CallFailed):
        list(notifier.listen(ADDRESS, ["nothing"]))
    server.add_fault("Subscribe", "error", code="ErrorSubscriptionAccessDenied")
    with pytest.raises(CallRefused, match="ErrorSubscriptionAccessDenied"):
        notifier.subscribe(ADDRESS)


@pytest.mark.slow
def test_a_server_that_dies_ends_the_stream_with_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ExchangeProcess(tmp_path_factory.mktemp("dying"), version="2013", mailboxes=[ADDRESS]) as process:
        found = process.connection
        settings = ServerSettings(name="mail", url=found.url, user=found.user, password=found.password, version="2013")
        notifier = ExchangeNotifier(Session(settings, Throttle(), SessionMetrics(CollectorRegistry())))
        stream = notifier.listen(ADDRESS, [notifier.subscribe(ADDRESS)])
        next(stream)
        process.kill()
        with pytest.raises(CallFailed):
            list(stream)
