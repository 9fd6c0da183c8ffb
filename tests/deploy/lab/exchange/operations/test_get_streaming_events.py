import base64
import http.client
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def subscribe(exchange: Any) -> str:
    kinds = "".join(
        f"<t:EventType>{kind}</t:EventType>"
        for kind in ("CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "CopiedEvent", "NewMailEvent")
    )
    answer = exchange.post(
        '<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">'
        f"<t:EventTypes>{kinds}</t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>"
    )
    return str(exchange.text(answer, "SubscriptionId"))


def in_the_words_of_the_schema(response: Any) -> Any:
    """Real servers answer these two in the namespace of messages; the published schema puts them into types."""
    text = etree.tostring(response).decode()
    text = text.replace("m:Notification>", "t:Notification>")
    text = re.sub(
        r"(?<=<m:ErrorSubscriptionIds>).*(?=</m:ErrorSubscriptionIds>)", lambda m: m[0].replace("m:", "t:"), text
    )
    return etree.fromstring(text)


def documents(exchange: Any, *idents: str) -> Iterator[Any]:
    """The documents of one connection, each validated, as they arrive."""
    inner = "".join(f"<t:SubscriptionId>{ident}</t:SubscriptionId>" for ident in idents)
    body = exchange.envelope(
        f"<m:GetStreamingEvents><m:SubscriptionIds>{inner}</m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=20)
    token = base64.b64encode(b"service:secret").decode()
    connection.request("POST", "/EWS/Exchange.asmx", body, {"Authorization": f"Basic {token}"})
    answer = connection.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    held = b""
    try:
        while True:
            while b"</Envelope>" not in held:
                more = answer.read1(65536)
                if not more:
                    assert held == b""
                    return
                held += more
            document, held = held.split(b"</Envelope>", 1)
            assert re.match(rb"<Envelope xmlns=", document)
            root = etree.fromstring(document + b"</Envelope>")
            response = root[1][0]
            if exchange.schema is not None:
                exchange.schema.assertValid(in_the_words_of_the_schema(response))
            yield response
    finally:
        connection.close()


def test_events_arrive_on_the_open_connection_as_they_happen(exchange: Any) -> None:
    stream = documents(exchange, subscribe(exchange))
    assert exchange.text(next(stream), "ConnectionStatus") == "OK"
    ident = exchange.message(MIME)
    document = next(stream)
    assert next(document.iter(f"{T}CreatedEvent")).find(f"{T}ItemId").get("Id") == ident
    assert next(document.iter(f"{T}ModifiedEvent")).findtext(f"{T}UnreadCount") == "0"
    stream.close()  # type: ignore[attr-defined]


def test_a_document_carries_at_most_fifty_events(exchange: Any) -> None:
    stream = documents(exchange, subscribe(exchange))
    next(stream)
    inner = "<t:Message><t:Subject>x</t:Subject></t:Message>" * 60
    exchange.post(exchange.create_request(inner))
    counts: list[int] = []
    while sum(counts) < 120:
        document = next(stream)
        counts.append(sum(1 for node in document.iter() if str(node.tag).endswith(("CreatedEvent", "ModifiedEvent"))))
    assert counts == [50, 50, 20]
    stream.close()  # type: ignore[attr-defined]


def test_unsubscribing_ends_the_connection(exchange: Any) -> None:
    ident = subscribe(exchange)
    stream = documents(exchange, ident)
    next(stream)
    exchange.post(f"<m:Unsubscribe><m:SubscriptionId>{ident}</m:SubscriptionId></m:Unsubscribe>")
    assert [exchange.text(document, "ConnectionStatus") for document in stream] == ["Closed"]


def test_one_unknown_subscription_fails_the_call_and_is_named(exchange: Any) -> None:
    found = list(documents(exchange, subscribe(exchange), "unknown"))
    assert exchange.text(found[0], "ResponseCode") == "ErrorSubscriptionNotFound"
    assert next(found[0].iter(f"{M}ErrorSubscriptionIds")).findtext(f"{M}SubscriptionId") == "unknown"


def test_streaming_is_counted_apart_from_calls_in_flight(exchange: Any) -> None:
    stream = documents(exchange, subscribe(exchange))
    next(stream)
    state = exchange.front.calls.state()
    assert (state["in_flight"], state["streaming"]) == (0, 1)
    stream.close()  # type: ignore[attr-defined]
