"""Did the content change? Same-server digests that may err only towards "changed" (design §4).

`cheap` is made of small properties and believed only when the item had rested before it was read: EWS tells
times in whole seconds, so two edits within one second could look alike. `digest` hashes decoded content.
"""

import email
import email.message
import hashlib
import json
import re

from schemas.change import Summary

REST_SECONDS = 3
"""How long an item or folder must have been at rest on the server's own clock before equality is believed."""

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

    Rendering (boundaries, folding, header order, a draft's Date) does not count; everything else does.
    """
    message = email.message_from_bytes(mime)
    found = hashlib.sha256()
    rendered = _RENDERED | {"date"} if is_draft else _RENDERED
    for part in message.walk():
        headers = sorted(
            (name.lower(), _FOLD.sub(" ", str(value)).strip())
            for name, value in part.items()
            if part is not message or name.lower() not in rendered
        )
        found.update(repr([h for h in headers if h[0] != "content-type"]).encode("utf-8", "surrogateescape"))
        kind = f"{part.get_content_type()} {part.get_content_charset()} {part.get_filename()}"
        found.update(kind.encode("utf-8", "surrogateescape"))
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            found.update(hashlib.sha256(payload if isinstance(payload, bytes) else b"").digest())
    found.update(json.dumps(sorted(_without_marks(properties).items())).encode())
    return found.hexdigest()[:32]


def _without_marks(properties: dict[str, str]) -> dict[str, str]:
    """Leave out of the message flags what reading an item changes; a draft stays told from a sent one."""
    flags = properties.get(MESSAGE_FLAGS_TAG, "")
    if not flags.isdigit():
        return properties
    return properties | {MESSAGE_FLAGS_TAG: str(int(flags) & LASTING_FLAGS)}
