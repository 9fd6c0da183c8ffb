"""Messages of the corpus survive creation, export, upload and rendering on every server generation.

The short form takes every fourth, `make corpus` all 6,046.
"""

import base64
import email
import os
import re
import tarfile
from collections import Counter
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MESSAGES = 6046
BATCH = 100
FLAGS = (
    '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/><t:Value>1</t:Value>'
    "</t:ExtendedProperty>"
)
Facts = tuple[Counter[tuple[str, str]], list[tuple[str, bytes, str | None, str | None]]]


def facts(mime: bytes) -> Facts:
    """What must survive: unfolded headers as a multiset, and every part decoded."""
    message = email.message_from_bytes(mime)
    headers = Counter(
        (name, re.sub(r"\r\n|\r|\n", "", str(value)))
        for name, value in message._headers  # type: ignore[attr-defined]
        if not (name.lower() == "content-type" and "boundary" in str(value).lower())
    )
    return headers, _leaves(message)


def _leaves(part: Message) -> list[tuple[str, bytes, str | None, str | None]]:
    if part.is_multipart():
        return [leaf for child in part.get_payload() for leaf in _leaves(child)]  # type: ignore[arg-type]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return [(part.get_content_type(), payload, part.get_filename(), part.get("content-id"))]


@pytest.fixture(scope="module")
def messages(corpus: Path) -> list[bytes]:
    found = []
    with tarfile.open(corpus) as archive:
        for member in archive:
            if not member.isfile():
                continue
            stream = archive.extractfile(member)
            data = stream.read() if stream is not None else b""
            found.append(data.partition(b"\n")[2] if data.startswith(b"From ") else data)
    assert len(found) == MESSAGES
    return found[:: 1 if "MAILSHADOW_CORPUS" in os.environ else 4]


def _create(exchange: Any, batch: list[bytes]) -> list[str]:
    inner = "".join(
        f"<t:Message><t:MimeContent>{base64.b64encode(mime).decode()}</t:MimeContent>{FLAGS}</t:Message>"
        for mime in batch
    )
    return [str(node.get("Id")) for node in exchange.post(exchange.create_request(inner)).iter(f"{T}ItemId")]


def _fetch(exchange: Any, idents: list[str]) -> list[bytes]:
    answer = exchange.post(exchange.get_request(idents, "item:Subject", "message:ToRecipients", "item:Body", mime=True))
    return [base64.b64decode(node.text or "") for node in answer.iter(f"{T}MimeContent")]


def _carry(source: Any, target: Any, idents: list[str]) -> list[str]:
    answer = source.post(f"<m:ExportItems><m:ItemIds>{source.ids(idents)}</m:ItemIds></m:ExportItems>")
    folder = target.folder("inbox")
    inner = "".join(
        f'<t:Item CreateAction="CreateNew"><t:ParentFolderId Id="{folder}"/><t:Data>{data.text}</t:Data></t:Item>'
        for data in answer.iter(f"{M}Data")
    )
    uploaded = target.post(f"<m:UploadItems><m:Items>{inner}</m:Items></m:UploadItems>")
    return [str(node.get("Id")) for node in uploaded.iter(f"{M}ItemId")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("source_version", "target_version"), [("2010_SP1", "2016"), ("2013", "2019")])
def test_every_message_survives(build: Any, messages: list[bytes], source_version: str, target_version: str) -> None:
    source, target = build(source_version), build(target_version)
    differing = 0
    for start in range(0, len(messages), BATCH):
        batch = messages[start : start + BATCH]
        idents = _create(source, batch)
        created, carried = _fetch(source, idents), _fetch(target, _carry(source, target, idents))
        assert len(created) == len(carried) == len(batch)
        for mime, here, there in zip(batch, created, carried, strict=True):
            expected = facts(mime)
            differing += facts(here) != expected
            differing += facts(there) != expected
    assert differing == 0


def test_what_was_altered_is_seen() -> None:
    mime = b"Subject: a\r\nX-A: 1\r\n\r\nbody\r\n"
    for altered in (mime.replace(b"body", b"Body"), mime.replace(b"X-A: 1", b"X-A: 2"), b"X-B: 1\r\n" + mime):
        assert facts(altered) != facts(mime)
