import base64
import http.client
import json
import time
from typing import Any

import pytest

from deploy.lab.exchange.faults import read_rule
from deploy.lab.exchange.server import PATH, Account

GET = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"Subject: x\r\n\r\nbody\r\n"


def rule(exchange: Any, **values: Any) -> None:
    exchange.front.faults.add(read_rule(values))


def test_a_get_without_credentials_is_challenged_and_with_them_welcome(exchange: Any) -> None:
    status, headers, _ = exchange.raw("GET", PATH, password=None)
    assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert exchange.raw("GET", PATH, password="wrong")[0] == 401
    status, headers, _ = exchange.raw("GET", PATH)
    assert status == 200
    assert "Date" in headers


def test_only_the_exact_password_is_admitted() -> None:
    account = Account("user", "päss:word", "")
    good = base64.b64encode("User:päss:word".encode()).decode()
    assert account.admits(f"Basic {good}")
    for header in ("", "Basic", "Basic !!", f"Bearer {good}", "Basic " + base64.b64encode(b"user:pass").decode()):
        assert not account.admits(header)


def test_what_is_no_soap_is_a_fault(exchange: Any) -> None:
    for body in (
        b"",
        b"<a",
        b"<a/>",
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
    ):
        status, _, answer = exchange.raw("POST", PATH, body)
        assert status == 500
        assert b"ErrorSchemaValidation" in answer


def test_an_operation_that_is_not_simulated_is_a_fault(exchange: Any) -> None:
    assert exchange.fault("<m:GetInboxRules/>") == "ErrorInvalidOperation"


@pytest.mark.parametrize(
    ("server", "asked", "fault"),
    [
        ("2010_SP1", "Exchange2010_SP1", None),
        ("2010_SP1", "Exchange2013", "ErrorInvalidServerVersion"),
        ("2013", "Exchange2013_SP1", None),
        ("2013", "Exchange2016", "ErrorInvalidServerVersion"),
        ("2016", "Exchange2016", None),
        ("2019", "Exchange2007", None),
        ("2019", "Nonsense", "ErrorInvalidServerVersion"),
    ],
)
def test_a_version_newer_than_the_server_is_refused(build: Any, server: str, asked: str, fault: str | None) -> None:
    exchange = build(server)
    if fault is None:
        assert exchange.codes(GET, version=asked) == ["NoError"]
    else:
        assert exchange.fault(GET, version=asked) == fault


@pytest.mark.parametrize(
    ("version", "numbers"), [("2010_SP1", (14, 1)), ("2013", (15, 0)), ("2016", (15, 1)), ("2019", (15, 2))]
)
def test_every_answer_says_which_server_it_is(build: Any, version: str, numbers: tuple[int, int]) -> None:
    _, headers, body = build(version).raw("POST", PATH, build(version).envelope(GET))
    assert f'MajorVersion="{numbers[0]}" MinorVersion="{numbers[1]}"'.encode() in body
    assert headers["Content-Type"] == "text/xml; charset=utf-8"


def test_an_older_request_version_refuses_newer_properties_on_a_newer_server(exchange: Any) -> None:
    request = exchange.get_request([exchange.message(MIME)], "item:Flag")
    assert exchange.codes(request, version="Exchange2013") == ["NoError"]
    assert exchange.fault(request, version="Exchange2010_SP1") == "ErrorSchemaValidation"


def test_impersonation_works_in_the_named_mailbox_only(exchange: Any) -> None:
    assert exchange.folder("inbox", "b@example.com") != exchange.folder("inbox", "a@example.com")
    assert exchange.folder("inbox", "B@Example.com") == exchange.folder("inbox", "b@example.com")
    assert exchange.folder("inbox") == exchange.folder("inbox", "a@example.com")
    assert exchange.fault(GET, "nobody@example.com") == "ErrorNonExistentMailbox"


def test_a_request_that_is_too_large_is_refused(build: Any) -> None:
    exchange = build(request_size_bytes_max=10_000)
    assert exchange.raw("POST", PATH, b"x" * 10_001)[0] == 413
    assert exchange.codes(GET) == ["NoError"]


@pytest.mark.parametrize("action", ["busy_fault", "busy_503"])
def test_a_busy_server_does_nothing(exchange: Any, action: str) -> None:
    rule(exchange, operation="CreateItem", action=action, back_off_milliseconds=123)
    status, _, body = exchange.raw("POST", PATH, exchange.envelope(exchange.create_request("<t:Message/>")))
    assert status == (503 if action == "busy_503" else 500)
    if action == "busy_fault":
        assert b"ErrorServerBusy" in body
        assert b'<t:Value Name="BackOffMilliseconds">123</t:Value>' in body
    assert exchange.changes("inbox")[0] == []
    assert exchange.codes(exchange.create_request("<t:Message/>")) == ["NoError"]


def test_a_busy_answer_may_wrap_the_reason_inside_every_item(exchange: Any) -> None:
    rule(exchange, operation="CreateItem", action="busy_inner", back_off_milliseconds=7)
    answer = exchange.post(exchange.create_request("<t:Message/>" * 2))
    assert [node.text for node in answer.iter(f"{M}ResponseCode")] == ["ErrorInternalServerError"] * 2
    values = {node.get("Name"): node.text for node in answer.iter(f"{T}Value")}
    assert (values["InnerErrorResponseCode"], values["BackOffMilliseconds"]) == ("ErrorServerBusy", "7")
    assert exchange.changes("inbox")[0] == []


def test_one_item_of_a_batch_may_be_busy(exchange: Any) -> None:
    rule(exchange, operation="CreateItem", action="busy_item", item=1)
    codes = exchange.codes(exchange.create_request("<t:Message/>" * 3))
    assert codes == ["NoError", "ErrorServerBusy", "NoError"]
    assert len(exchange.changes("inbox")[0]) == 2


def test_any_response_code_can_be_made(exchange: Any) -> None:
    rule(exchange, operation="CreateItem", action="error", code="ErrorQuotaExceeded")
    rule(exchange, operation="GetFolder", action="error_fault", code="ErrorMailboxMoveInProgress")
    assert exchange.codes(exchange.create_request("<t:Message/>")) == ["ErrorQuotaExceeded"]
    assert exchange.fault(GET) == "ErrorMailboxMoveInProgress"


@pytest.mark.parametrize(("action", "done"), [("drop_before", 0), ("drop_after", 4), ("half", 2), ("cut_answer", 4)])
def test_a_lost_connection_leaves_nothing_everything_or_half_done(exchange: Any, action: str, done: int) -> None:
    rule(exchange, operation="CreateItem", action=action)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        exchange.raw("POST", PATH, exchange.envelope(exchange.create_request("<t:Message/>" * 4)))
    assert len(exchange.changes("inbox")[0]) == done


def test_a_truncated_export_says_so_and_only_by_its_end(exchange: Any) -> None:
    rule(exchange, operation="ExportItems", action="truncate_export")
    request = f"<m:ExportItems><m:ItemIds>{exchange.ids([exchange.message(MIME)])}</m:ItemIds></m:ExportItems>"
    answer = exchange.post(request)
    assert exchange.text(answer, "ResponseCode") == "NoError"
    assert base64.b64decode(exchange.text(answer, "Data")).endswith(b"=== Truncated Data ===")
    assert not base64.b64decode(exchange.text(exchange.post(request), "Data")).endswith(b"=== Truncated Data ===")


def test_a_delayed_call_is_seen_in_flight_with_the_port_of_its_client(exchange: Any) -> None:
    rule(exchange, operation="CreateItem", action="delay_before", seconds=30)
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=60)
    token = base64.b64encode(b"service:secret").decode()
    body = exchange.envelope(exchange.create_request("<t:Message/>"))
    connection.request("POST", PATH, body, {"Authorization": f"Basic {token}"})
    port = connection.sock.getsockname()[1]
    deadline = time.monotonic() + 20
    flying: list[tuple[str, int]] = []
    while not flying and time.monotonic() < deadline:
        clients = json.loads(exchange.raw("GET", "/lab/clients")[2])["clients"]
        flying = [(one["operation"], one["peer_port"]) for one in clients if one["operation"] == "CreateItem"]
    assert flying == [("CreateItem", port)]
    state = json.loads(exchange.raw("GET", "/lab/calls")[2])
    assert (state["in_flight"], state["writing"]) == (1, True)
    connection.close()
