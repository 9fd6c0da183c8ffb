from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def test_a_sent_draft_becomes_a_new_item_and_reaches_its_recipient(exchange: Any) -> None:
    inner = (
        "<t:Message><t:Subject>hi</t:Subject><t:ToRecipients><t:Mailbox>"
        "<t:EmailAddress>b@example.com</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>"
    )
    draft = exchange.create(inner, "drafts")
    answer = exchange.post(
        '<m:SendItem SaveItemToFolder="true"><m:ItemIds>'
        f'<t:ItemId Id="{draft}" ChangeKey="{exchange.change_key(draft)}"/>'
        "</m:ItemIds></m:SendItem>"
    )
    assert exchange.text(answer, "ResponseCode") == "NoError"
    assert exchange.changes("drafts")[0] == []
    sent = exchange.changes("sentitems")[0]
    assert len(sent) == 1
    assert sent[0][1] != draft
    assert exchange.text(exchange.get(sent[0][1], "item:IsDraft"), "IsDraft") == "false"
    assert len(exchange.changes(exchange.folder("inbox", "b@example.com"))[0]) == 1


def test_what_is_no_draft_is_not_sent(exchange: Any) -> None:
    ident = exchange.message(MIME)
    request = f'<m:SendItem SaveItemToFolder="true"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:SendItem>'
    assert exchange.codes(request) == ["ErrorInvalidOperation"]
