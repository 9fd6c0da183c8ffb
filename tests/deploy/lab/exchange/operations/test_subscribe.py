from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def subscribe(inner: str, kind: str = "Streaming", *, everything: bool = True) -> str:
    flag = ' SubscribeToAllFolders="true"' if everything else ""
    return f"<m:Subscribe><m:{kind}SubscriptionRequest{flag}>{inner}</m:{kind}SubscriptionRequest></m:Subscribe>"


ALL = "<t:EventTypes><t:EventType>CreatedEvent</t:EventType></t:EventTypes>"


def test_pull_subscriptions_get_a_watermark_and_streaming_ones_none(exchange: Any) -> None:
    pull = exchange.post(subscribe(ALL + "<t:Timeout>10</t:Timeout>", "Pull"))
    streaming = exchange.post(subscribe(ALL))
    assert exchange.text(pull, "Watermark")
    assert exchange.text(streaming, "Watermark") is None
    assert exchange.text(pull, "SubscriptionId") != exchange.text(streaming, "SubscriptionId")


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("<t:EventTypes/>", "ErrorInvalidSubscriptionRequest"),
        ("<t:EventTypes><t:EventType>Strange</t:EventType></t:EventTypes>", "ErrorInvalidSubscriptionRequest"),
    ],
)
def test_no_or_unknown_events_are_refused(exchange: Any, inner: str, code: str) -> None:
    assert exchange.codes(subscribe(inner)) == [code]


def test_the_number_of_subscriptions_is_limited(build: Any) -> None:
    exchange = build(subscriptions_max=1)
    assert [exchange.codes(subscribe(ALL)) for _ in range(2)] == [["NoError"], ["ErrorExceededSubscriptionCount"]]
