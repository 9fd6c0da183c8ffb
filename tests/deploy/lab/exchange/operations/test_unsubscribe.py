from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def test_a_closed_subscription_is_no_longer_known(exchange: Any) -> None:
    answer = exchange.post(
        '<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes>'
        "<t:EventType>CreatedEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>"
    )
    ident = exchange.text(answer, "SubscriptionId")
    request = f"<m:Unsubscribe><m:SubscriptionId>{ident}</m:SubscriptionId></m:Unsubscribe>"
    assert [exchange.codes(request) for _ in range(2)] == [["NoError"], ["ErrorSubscriptionNotFound"]]
