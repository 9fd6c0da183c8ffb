import json
from typing import Any

import pytest

MIME = b"Subject: x\r\nMessage-ID: <m@example.org>\r\n\r\nbody\r\n"


def lab(exchange: Any, method: str, path: str, values: Any = None) -> tuple[int, Any]:
    body = None if values is None else json.dumps(values).encode()
    status, _, content = exchange.raw(method, f"/lab/{path}", body)
    return status, json.loads(content)


def test_control_needs_the_password_too(exchange: Any) -> None:
    assert exchange.raw("GET", "/lab/calls", password="wrong")[0] == 401


def test_rules_are_listed_with_what_struck_and_what_is_left(exchange: Any) -> None:
    lab(exchange, "POST", "faults", {"operation": "GetItem", "action": "busy_fault", "count": 2})
    ident = exchange.message(MIME)
    exchange.fault(exchange.get_request([ident]))
    (rule,) = lab(exchange, "GET", "faults")[1]["rules"]
    assert (rule["hits"], rule["count"]) == (1, 1)
    assert lab(exchange, "DELETE", "faults")[1] == {"rules": []}
    exchange.get(ident)


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"operation": "x"}, {"operation": "x", "action": "y"}, {"operation": "x", "action": "half", "z": 1}],
)
def test_a_rule_that_cannot_be_is_refused_with_a_reason(exchange: Any, values: Any) -> None:
    status, answer = lab(exchange, "POST", "faults", values)
    assert status == 400
    assert answer["error"]


def test_calls_are_counted_by_operation_with_their_parts_and_bytes(exchange: Any) -> None:
    lab(exchange, "POST", "calls/reset")
    exchange.post(exchange.create_request("<t:Message/>" * 3))
    counted = lab(exchange, "GET", "calls")[1]["operations"]["CreateItem"]
    assert (counted["calls"], counted["items"], counted["in_flight"]) == (1, 3, 0)
    assert counted["bytes_in"] > 300
    assert counted["bytes_out"] > 300
    lab(exchange, "POST", "calls/reset")
    assert lab(exchange, "GET", "calls")[1]["operations"]["CreateItem"]["calls"] == 0


def test_the_history_tells_every_write_of_an_item_in_order(exchange: Any) -> None:
    ident = exchange.message(MIME)
    before = lab(exchange, "GET", "history")[1]["history"]
    assert [(entry["operation"], entry["kind"], entry["item_id"]) for entry in before] == [
        ("CreateItem", "create", ident)
    ]
    assert (before[0]["mailbox"], before[0]["message_id"]) == ("a@example.com", "<m@example.org>")
    exchange.post(
        '<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="junkemail"/></m:ToFolderId>'
        f"<m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:MoveItem>"
    )
    after = lab(exchange, "GET", f"history?after={before[-1]['seq']}")[1]["history"]
    assert [entry["kind"] for entry in after] == ["move"]
    assert after[0]["search_key"] == before[0]["search_key"]
    assert after[0]["folder_id"] == exchange.folder("junkemail")


def test_switches_are_set_at_run_time_and_wrong_ones_refused(exchange: Any) -> None:
    assert lab(exchange, "POST", "switches", {"upload_keeps_search_key": True})[1]["upload_keeps_search_key"] is True
    assert exchange.switches.upload_keeps_search_key
    refused: tuple[Any, ...] = ({"nonsense": 1}, {"move_atomic": "maybe"}, [])
    for values in refused:
        assert lab(exchange, "POST", "switches", values)[0] == 400


def test_mailboxes_are_added_at_run_time_and_never_recreated(exchange: Any) -> None:
    for _ in range(2):
        assert lab(exchange, "POST", "mailboxes", {"address": "New@example.com"})[0] == 200
    listed = [one["address"] for one in lab(exchange, "GET", "mailboxes")[1]["mailboxes"]]
    assert listed == ["a@example.com", "b@example.com", "new@example.com"]
    assert exchange.folder("inbox", "new@example.com")
    assert lab(exchange, "POST", "mailboxes", {"address": 5})[0] == 400
