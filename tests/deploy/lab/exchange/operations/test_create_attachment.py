import base64
from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def attach(ident: str, inner: str) -> str:
    return (
        f'<m:CreateAttachment><m:ParentItemId Id="{ident}"/><m:Attachments>{inner}</m:Attachments></m:CreateAttachment>'
    )


def file(name: str, data: bytes, extra: str = "") -> str:
    return (
        f"<t:FileAttachment><t:Name>{name}</t:Name>{extra}<t:Content>{base64.b64encode(data).decode()}</t:Content>"
        "</t:FileAttachment>"
    )


def test_files_are_in_the_list_and_in_the_mime(exchange: Any) -> None:
    ident = exchange.message(MIME)
    before = exchange.change_key(ident)
    answer = exchange.post(attach(ident, file("ü.bin", b"\x00\xff") + file("b.txt", b"text")))
    root = [node.get("RootItemChangeKey") for node in answer.iter(f"{T}AttachmentId")]
    assert root[-1] == exchange.change_key(ident) != before
    item = exchange.get(ident, "item:Attachments", "item:HasAttachments")
    assert [node.text for node in item.iter(f"{T}Name")] == ["ü.bin", "b.txt"]
    assert exchange.text(item, "HasAttachments") == "true"
    assert base64.b64encode(b"\x00\xff") in exchange.mime(ident)


def test_an_inline_image_is_no_attachment_to_the_reader(exchange: Any) -> None:
    ident = exchange.message(MIME)
    extra = "<t:ContentType>image/png</t:ContentType><t:ContentId>cid1</t:ContentId><t:IsInline>true</t:IsInline>"
    exchange.post(attach(ident, file("i.png", b"x", extra)))
    item = exchange.get(ident, "item:Attachments", "item:HasAttachments")
    assert exchange.text(item, "ContentId") == "cid1"
    assert exchange.text(item, "HasAttachments") == "false"


def test_attachments_inside_create_item_are_answered_with_their_ids(exchange: Any) -> None:
    inner = f"<t:Message><t:Subject>s</t:Subject><t:Attachments>{file('a', b'1')}</t:Attachments></t:Message>"
    answer = exchange.post(exchange.create_request(inner))
    assert len(list(answer.iter(f"{T}AttachmentId"))) == 1


def test_the_attachments_of_a_dead_item_are_refused(exchange: Any) -> None:
    ident = exchange.message(MIME)
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:DeleteItem>'
    )
    assert exchange.codes(attach(ident, file("a", b"1"))) == ["ErrorItemNotFound"]
