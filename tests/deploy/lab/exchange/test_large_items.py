"""One request may hold a 40 MB item, on the way in, as a stream and as MIME."""

import base64
import random
from typing import Any

import pytest

pytestmark = pytest.mark.slow
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
SIZE_BYTES = 29 * 1024 * 1024


def test_a_message_of_40_mb_passes_as_mime_and_as_stream(build: Any) -> None:
    source, target = build("2013"), build("2019")
    payload = random.Random(1).randbytes(SIZE_BYTES)
    encoded = base64.encodebytes(payload)
    mime = b"\r\n".join(
        [
            b"From: a@example.org",
            b"Subject: large",
            b'Content-Type: multipart/mixed; boundary="b"',
            b"",
            b"--b",
            b"",
            b"text",
            b"--b",
            b'Content-Type: application/octet-stream; name="large.bin"',
            b"Content-Transfer-Encoding: base64",
            b"",
            encoded,
            b"--b--",
            b"",
        ]
    )
    assert len(mime) > 40_000_000
    ident = source.message(mime)
    answer = source.post(f"<m:ExportItems><m:ItemIds>{source.ids([ident])}</m:ItemIds></m:ExportItems>")
    data = next(answer.iter(f"{M}Data")).text
    uploaded = target.post(
        f'<m:UploadItems><m:Items><t:Item CreateAction="CreateNew"><t:ParentFolderId Id="{target.folder("inbox")}"/>'
        f"<t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>"
    )
    item = target.get(str(next(uploaded.iter(f"{M}ItemId")).get("Id")), "item:Attachments")
    attachment = next(item.iter(f"{T}AttachmentId")).get("Id")
    got = target.post(
        f'<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="{attachment}"/></m:AttachmentIds></m:GetAttachment>'
    )
    assert base64.b64decode(target.text(got, "Content")) == payload
