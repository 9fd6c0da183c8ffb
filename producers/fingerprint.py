"""Did the content change? Same-server digests that may err only towards "changed" (design §4).

`cheap` is made of small properties and believed only when the item had rested before it was read: EWS tells
times in whole seconds, so two edits within one second could look alike. `digest` hashes decoded content.
"""

import hashlib
import json
import re
from email.message import Message

from schemas import message_parsing as parsing
from schemas import wire_values
from schemas.change import Summary

MESSAGE_FLAGS_TAG = "0x0e07"
LASTING_FLAGS = 0x2C
"""Submitted, unsent, from me (MS-OXCMSG PidTagMessageFlags)."""

_FOLD = re.compile(r"\r?\n[ \t]")
_RENDERED = {"content-type", "content-transfer-encoding", "mime-version"}


def cheap(summary: Summary, modified: str, *, is_at_rest: bool) -> str:
    """Return a hash of small properties, or nothing where a later edit could leave them equal."""
    if not is_at_rest or not modified:
        return ""
    facts = [
        summary.item_class,
        summary.subject,
        summary.sender,
        summary.message_id,
        summary.sent_at,
        summary.received_at,
        summary.size_bytes,
        summary.is_draft,
        modified,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def digest(mime: bytes, properties: dict[str, str], *, is_draft: bool) -> str:
    """Return a hash of what a message says: headers as a multiset, decoded parts in order, properties.

    Rendering (boundaries, folding, header order, a draft's Date) does not count; everything else does. A message that
    nests too deep to be read counts by its bytes: rendered anew it is taken for changed.
    """
    message = parsing.parse(mime)
    content = hashlib.sha256()
    if message is None:
        content.update(mime)
    else:
        for part in message.walk():
            _add_part(content, part, is_top=part is message, is_draft=is_draft)
    content.update(json.dumps(sorted(_without_marks(properties).items())).encode())
    return content.hexdigest()[:32]


def _add_part(content: "hashlib._Hash", part: Message, *, is_top: bool, is_draft: bool) -> None:
    rendered = _RENDERED | {"date"} if is_draft else _RENDERED
    headers = sorted(
        (name.lower(), _FOLD.sub(" ", str(value)).strip())
        for name, value in part.raw_items()
        if not is_top or name.lower() not in rendered
    )
    content.update(_bytes(repr([h for h in headers if h[0] != "content-type"])))
    kind = f"{parsing.media_type(part)} {parsing.charset(part) or None} {parsing.file_name(part) or None}"
    content.update(_bytes(kind))
    if not part.is_multipart():
        content.update(hashlib.sha256(parsing.decoded(part)).digest())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _without_marks(properties: dict[str, str]) -> dict[str, str]:
    """Leave out of the message flags what reading an item changes; a draft stays told from a sent one."""
    flags = wire_values.whole_number(properties.get(MESSAGE_FLAGS_TAG, ""), default=-1)
    return properties if flags < 0 else properties | {MESSAGE_FLAGS_TAG: str(flags & LASTING_FLAGS)}
