import base64
from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def attach(exchange: Any, ident: str, inner: str) -> str:
    answer = exchange.post(
        f'<m:CreateAttachment><m:ParentItemId Id="{ident}"/><m:Attachments>{inner}</m:Attachments></m:CreateAttachment>'
    )
    return str(next(answer.iter(f"{T}AttachmentId")).get("Id"))


def get(ident: str, *, mime: bool = False) -> str:
    shape = "<m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:AttachmentShape>" if mime else ""
    return (
        f'<m:GetAttachment>{shape}<m:AttachmentIds><t:AttachmentId Id="{ident}"/></m:AttachmentIds></m:GetAttachment>'
    )


@pytest.mark.parametrize("data", [b"", b"\x00", bytes(range(256)) * 50, b"line\r\nline\nend"])
def test_a_file_comes_back_byte_for_byte(exchange: Any, data: bytes) -> None:
    content = base64.b64encode(data).decode()
    inner = f"<t:FileAttachment><t:Name>n</t:Name><t:Content>{content}</t:Content></t:FileAttachment>"
    answer = exchange.post(get(attach(exchange, exchange.message(MIME), inner)))
    assert base64.b64decode(exchange.text(answer, "Content")) == data


def test_an_attached_item_comes_back_as_item_and_as_mime(exchange: Any) -> None:
    mime = base64.b64encode(MIME).decode()
    inner = (
        "<t:ItemAttachment><t:Name>n</t:Name><t:Message>"
        f"<t:MimeContent>{mime}</t:MimeContent><t:Subject>inner</t:Subject></t:Message></t:ItemAttachment>"
    )
    ident = attach(exchange, exchange.message(MIME), inner)
    assert exchange.text(exchange.post(get(ident)), "Subject") == "inner"
    answer = exchange.post(get(ident, mime=True))
    assert base64.b64decode(exchange.text(answer, "MimeContent")).rstrip() == MIME.rstrip()


def test_an_attachment_of_mime_is_answered_decoded(exchange: Any) -> None:
    mime = (
        b'Subject: s\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n'
        b'Content-Type: application/x; name="f.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n'
    )
    item = exchange.get(exchange.message(mime), "item:Attachments")
    ident = next(item.iter(f"{T}AttachmentId")).get("Id")
    answer = exchange.post(get(ident))
    assert exchange.text(answer, "Name") == "f.bin"
    assert base64.b64decode(exchange.text(answer, "Content")) == b"\x00\x01\x02"


def test_an_attachment_that_is_gone_is_told(exchange: Any) -> None:
    reference = exchange.server.identity.item_reference(exchange.message(MIME))
    ident = exchange.server.identity.attachment(reference.mailbox, reference.number, 9)
    assert exchange.codes(get(ident)) == ["ErrorItemNotFound"]
    assert exchange.codes(get("bad")) == ["ErrorInvalidIdMalformed"]
