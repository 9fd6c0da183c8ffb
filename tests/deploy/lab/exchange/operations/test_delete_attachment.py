from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def test_the_other_attachments_keep_their_ids(exchange: Any) -> None:
    ident = exchange.message(MIME)
    inner = "".join(
        f"<t:FileAttachment><t:Name>{name}</t:Name><t:Content>AAAA</t:Content></t:FileAttachment>" for name in "abc"
    )
    answer = exchange.post(
        f'<m:CreateAttachment><m:ParentItemId Id="{ident}"/><m:Attachments>{inner}</m:Attachments></m:CreateAttachment>'
    )
    idents = [node.get("Id") for node in answer.iter(f"{T}AttachmentId")]
    gone = f'<t:AttachmentId Id="{idents[1]}"/>'
    request = f"<m:DeleteAttachment><m:AttachmentIds>{gone}</m:AttachmentIds></m:DeleteAttachment>"
    removed = exchange.post(request)
    assert next(removed.iter(f"{M}RootItemId")).get("RootItemChangeKey") == exchange.change_key(ident)
    item = exchange.get(ident, "item:Attachments")
    assert [node.get("Id") for node in item.iter(f"{T}AttachmentId")] == [idents[0], idents[2]]
    assert [node.text for node in item.iter(f"{T}Name")] == ["a", "c"]
    assert exchange.codes(request) == ["ErrorItemNotFound"]
