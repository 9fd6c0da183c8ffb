from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"


def test_blind_recipients_get_a_copy_and_nobody_sees_them(exchange: Any) -> None:
    inner = (
        "<t:Message><t:Subject>s</t:Subject><t:ToRecipients><t:Mailbox><t:EmailAddress>x@example.org</t:EmailAddress>"
        "</t:Mailbox></t:ToRecipients><t:BccRecipients><t:Mailbox><t:EmailAddress>b@example.com</t:EmailAddress>"
        "</t:Mailbox></t:BccRecipients></t:Message>"
    )
    exchange.post(exchange.create_request(inner, "sentitems", "SendOnly"))
    assert exchange.changes("sentitems")[0] == []
    (arrived,) = exchange.changes(exchange.folder("inbox", "b@example.com"))[0]
    assert exchange.get(arrived[1], "message:BccRecipients").find(f"{T}BccRecipients") is None
    mime = exchange.mime(arrived[1])
    assert b"Bcc" not in mime
    assert mime.count(b"Message-ID: <") == 1
    assert b"Received: from example.com" in mime


def test_new_mail_is_told(exchange: Any) -> None:
    server = exchange.server
    found = server.subscriptions.add(2, None, frozenset({"NewMailEvent"}), streaming=True)
    inner = (
        "<t:Message><t:ToRecipients><t:Mailbox><t:EmailAddress>B@example.com</t:EmailAddress></t:Mailbox>"
        "</t:ToRecipients></t:Message>"
    )
    exchange.post(exchange.create_request(inner, "sentitems", "SendAndSaveCopy"))
    assert [event.kind for _, event, _ in found.waiting] == ["NewMailEvent"]
