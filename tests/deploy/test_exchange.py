"""A call ends in one of three ways, is sent once, and a back-off holds every session of the process."""

from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.exchange import BACK_OFF_SECONDS_DEFAULT, ServerSettings, Session
from deploy.throttle import Throttle
from schemas.ews import distinguished_ref
from schemas.faults import Disposition, disposition_of
from schemas.metrics import SessionMetrics
from schemas.ports import AnswerUnknown, CallFailed, CallRefused

if TYPE_CHECKING:
    from deploy.lab.exchange.process import ExchangeProcess

MAILBOX = "anna@source.test"
SHAPE = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"


def folders(*names: str) -> str:
    ids = "".join(map(distinguished_ref, names))
    return f"<m:GetFolder>{SHAPE}<m:FolderIds>{ids}</m:FolderIds></m:GetFolder>"


def settings_of(server: ExchangeProcess) -> ServerSettings:
    found = server.connection
    return ServerSettings(name="mail", url=found.url, user=found.user, password=found.password, version="2019")


def session_of(settings: ServerSettings, throttle: Throttle | None = None) -> Session:
    return Session(settings, throttle or Throttle(), SessionMetrics(CollectorRegistry()))


def call_count(server: ExchangeProcess) -> int:
    operations: dict[str, Any] = server.calls()["operations"]
    return int(operations.get("GetFolder", {}).get("calls", 0))


def test_a_password_is_in_no_text_of_the_settings() -> None:
    assert "hidden" not in repr(ServerSettings(name="n", url="u", user="u", password="hidden"))


@pytest.mark.parametrize("auth", ["basic", "ntlm", "digest"])
@pytest.mark.parametrize("user", ["user@example.com", "EXAMPLE\\user"])
def test_every_password_authentication_can_be_built(auth: str, user: str) -> None:
    session_of(ServerSettings(name="n", url="http://127.0.0.1:9", user=user, password="p", auth=auth)).close()


def test_a_server_that_is_not_there_refuses(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/EWS"
    session = session_of(ServerSettings(name="n", url=url, user="u", password="p"))
    with pytest.raises(CallRefused, match="can't be reached") as raised:
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert raised.value.code == "connection-refused"


@pytest.mark.slow
def test_a_call_answers_with_version_time_and_one_message_an_input(faulty: ExchangeProcess) -> None:
    session = session_of(settings_of(faulty))
    answers = session.call("GetFolder", MAILBOX, folders("inbox", "drafts"), 2)
    assert [m.is_done for m in answers.messages] == [True, True]
    assert answers.server_time_seconds > 1_700_000_000
    assert session.server_version.startswith("15.2.")
    assert call_count(faulty) == 1


UNKNOWN = ["drop_before", "drop_after", "cut_answer", "busy_503"]
REFUSED = ["busy_fault", "busy_inner", "busy_item"]


@pytest.mark.slow
@pytest.mark.parametrize("action", UNKNOWN)
def test_whatever_may_have_been_done_is_unknown_and_not_sent_again(faulty: ExchangeProcess, action: str) -> None:
    faulty.add_fault("GetFolder", action)
    session = session_of(settings_of(faulty))
    with pytest.raises(AnswerUnknown):
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert call_count(faulty) <= 1
    assert [rule["hits"] for rule in faulty.faults()] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("action", REFUSED)
def test_a_busy_server_refuses_for_as_long_as_it_says_and_holds_every_session(
    faulty: ExchangeProcess, action: str
) -> None:
    faulty.add_fault("GetFolder", action, back_off_milliseconds=60_000)
    throttle = Throttle()
    one, two = (session_of(settings_of(faulty), throttle) for _ in range(2))
    with pytest.raises(CallRefused) as raised:
        one.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert disposition_of(raised.value.code) is Disposition.THROTTLE
    assert raised.value.back_off_seconds == 60.0
    calls = call_count(faulty)
    with pytest.raises(CallRefused) as held:
        two.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert 0.0 < held.value.back_off_seconds <= 60.0
    with pytest.raises(CallRefused):
        two.open_stream(MAILBOX, folders("inbox"), 1.0)
    assert call_count(faulty) == calls == 1


@pytest.mark.slow
def test_a_batch_of_which_one_part_met_a_busy_server_is_unknown(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "busy_item", item=1, back_off_milliseconds=1)
    with pytest.raises(AnswerUnknown):
        session_of(settings_of(faulty)).call("GetFolder", MAILBOX, folders("inbox", "drafts"), 2)


@pytest.mark.slow
def test_fewer_answers_than_inputs_are_unknown(faulty: ExchangeProcess) -> None:
    with pytest.raises(AnswerUnknown) as raised:
        session_of(settings_of(faulty)).call("GetFolder", MAILBOX, folders("inbox"), 2)
    assert raised.value.code == "short-answer"


@pytest.mark.slow
def test_no_answer_in_time_is_unknown(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "delay_before", seconds=2.0)
    session = session_of(replace(settings_of(faulty), timeout_seconds=0.2))
    with pytest.raises(AnswerUnknown) as raised:
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert raised.value.code == "timed-out"


@pytest.mark.slow
def test_after_a_time_out_the_late_answer_is_not_taken_for_that_of_the_next_call(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "delay_before", seconds=1.0)
    session = session_of(replace(settings_of(faulty), timeout_seconds=0.5))
    with pytest.raises(AnswerUnknown):
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert len(session.call("GetFolder", MAILBOX, folders("inbox", "drafts"), 2).messages) == 2


@pytest.mark.slow
def test_a_wrong_password_is_refused_once(faulty: ExchangeProcess) -> None:
    session = session_of(replace(settings_of(faulty), password="wrong"))
    with pytest.raises(CallRefused) as raised:
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert raised.value.code == "http-unauthorized"
    assert "wrong" not in str(raised.value)


@pytest.mark.slow
def test_a_fault_of_the_whole_request_is_refused_by_its_code(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "error_fault", code="ErrorInternalServerTransientError")
    with pytest.raises(CallFailed) as raised:
        session_of(settings_of(faulty)).call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert raised.value.code == "ErrorInternalServerTransientError"


@pytest.mark.slow
def test_an_error_of_one_input_is_an_answer(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "error", item=1, code="ErrorAccessDenied")
    answers = session_of(settings_of(faulty)).call("GetFolder", MAILBOX, folders("inbox", "drafts"), 2)
    assert [m.code for m in answers.messages] == ["NoError", "ErrorAccessDenied"]


@pytest.mark.slow
def test_calls_are_counted_by_how_they_ended(faulty: ExchangeProcess) -> None:
    registry = CollectorRegistry()
    session = Session(settings_of(faulty), Throttle(), SessionMetrics(registry))
    session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    faulty.add_fault("GetFolder", "drop_after")
    with pytest.raises(AnswerUnknown):
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    for outcome in ("answered", "unknown"):
        labels = {"server": "mail", "operation": "GetFolder", "outcome": outcome}
        assert registry.get_sample_value("mailshadow_server_calls_total", labels) == 1.0


@pytest.mark.slow
def test_a_raw_control_byte_makes_no_answer_unreadable(faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "control_byte")
    answers = session_of(settings_of(faulty)).call("GetFolder", MAILBOX, folders("inbox", "drafts"), 2)
    assert [m.is_done for m in answers.messages] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 440])
def test_an_odd_status_is_refused_with_the_operation_and_the_next_call_goes_on(
    faulty: ExchangeProcess, status: int
) -> None:
    faulty.add_fault("GetFolder", "http_status", status=status)
    session = session_of(settings_of(faulty))
    with pytest.raises(CallRefused) as raised:
        session.call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert disposition_of(raised.value.code) is Disposition.HALT
    assert (raised.value.operation, raised.value.mailbox) == ("GetFolder", MAILBOX)
    session.call("GetFolder", MAILBOX, folders("inbox"), 1)


@pytest.mark.slow
def test_any_answer_forgets_the_refusals_before_it(faulty: ExchangeProcess) -> None:
    throttle = Throttle()
    for number in range(10):
        throttle.refusals.must_halt(number * 60_000, "ab"[number % 2])
    session_of(settings_of(faulty), throttle).call("GetFolder", MAILBOX, folders("inbox"), 1)
    assert not throttle.refusals.must_halt(10 * 60_000, "a")


class OddServer(BaseHTTPRequestHandler):
    """Answers 503 with a Retry-After of raw bytes."""

    retry_after = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        head = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nDate: Wed, 21 Oct 2015 07:27:30 GMT\r\nRetry-After: "
        self.wfile.write(head + self.retry_after + b"\r\nConnection: close\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Keep quiet."""


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        *((b"7", 7.0), (b"\xb2", BACK_OFF_SECONDS_DEFAULT), (b"-1", BACK_OFF_SECONDS_DEFAULT)),
        *((b"9" * 400, BACK_OFF_SECONDS_DEFAULT), (b"99999999", 600.0), (b"", BACK_OFF_SECONDS_DEFAULT)),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", 30.0),
    ],
    ids=["seconds", "superscript two", "negative", "endless", "too long", "empty", "date"],
)
def test_a_retry_after_nobody_can_read_is_the_default(retry_after: bytes, seconds: float) -> None:
    handler = type("Handler", (OddServer,), {"retry_after": retry_after})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/EWS"
        session = session_of(ServerSettings(name="n", url=url, user="u", password="p"))
        with pytest.raises(AnswerUnknown) as raised:
            session.call("GetFolder", MAILBOX, folders("inbox"), 1)
        session.close()
        server.shutdown()
    assert raised.value.back_off_seconds == seconds
