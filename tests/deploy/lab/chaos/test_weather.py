"""How requests are told in a stream of bytes."""

import pytest

from deploy.lab.chaos.weather import HeldRequest, Hold, Weather, api_keys_of, content_length, operation_of

MOVE = b'POST /EWS HTTP/1.1\r\n\r\n<s:Envelope><s:Header/><s:Body><m:MoveItem a="1"><x/></m:MoveItem></s:Body>'


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (MOVE, "MoveItem"),
        (b"<soap:Body id='b'>\r\n  <GetItem/>", "GetItem"),
        (b"GET /lab/faults HTTP/1.1\r\n\r\n", ""),
    ],
    ids=["prefixed", "plain after white space", "no SOAP"],
)
def test_a_requests_operation_is_the_first_element_of_its_body(request_bytes: bytes, expected: str) -> None:
    assert operation_of(request_bytes) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [(b"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n", 12), (b"GET / HTTP/1.1\r\ncontent-length:0\r\n\r\n", 0)],
)
def test_the_length_of_a_body_stands_in_its_head_in_any_case(head: bytes, expected: int) -> None:
    assert content_length(head) == expected


def test_a_head_without_a_length_has_none() -> None:
    assert content_length(b"GET / HTTP/1.1\r\nHost: x-content-length: 4\r\n\r\n") is None


def test_only_the_wanted_operations_are_held_and_only_so_many() -> None:
    held: list[HeldRequest] = []
    weather = Weather(hold=Hold(frozenset({"MoveItem"}), 1, held.append))
    assert weather.takes(b"<Body><GetItem/>") is None
    assert weather.takes(MOVE) == HeldRequest("MoveItem", MOVE)
    assert weather.takes(MOVE) is None
    assert len(held) == 1


def test_a_link_that_breaks_after_bytes_breaks_once_they_are_spent() -> None:
    weather = Weather(bytes_left=10)
    assert [weather.spend(4), weather.spend(4), weather.spend(4)] == [True, True, False]
    assert Weather().spend(1_000_000)


def test_kafka_requests_are_told_by_the_keys_after_their_sizes() -> None:
    one = (4).to_bytes(4, "big") + (26).to_bytes(2, "big") + bytes(2)
    other = (9).to_bytes(4, "big") + (22).to_bytes(2, "big") + bytes(7)
    assert api_keys_of(one + other) == {26, 22}
    assert api_keys_of(other[:8]) == {22}
    assert api_keys_of(b"") == set()
