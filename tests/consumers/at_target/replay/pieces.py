"""A body that is too large for one record, as a feed writes it."""

import hashlib
from dataclasses import replace
from typing import Any

from schemas.change import Chunk, ItemSaved
from schemas.codec import decode, encode
from schemas.ports import Incoming

LARGE = b"a body in pieces" * 1000


def in_pieces(world: Any) -> None:
    """Say the last save of the log with its body in two chunks before it."""
    change = decode(world.log.pop().value)
    saved = change.operation
    assert isinstance(saved, ItemSaved)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    for index, body in enumerate((LARGE[:700], LARGE[700:])):
        chunk = Chunk(mailbox=change.mailbox, item=saved.ref.item, sha256=sha256, index=index, count=2, body=body)
        world.log.append(Incoming(len(world.log), 0, f"{change.mailbox}/item", encode(chunk)))
    content = replace(saved.contents[0], body=b"", chunk_count=2)
    change = replace(change, operation=replace(saved, contents=(content,)))
    world.log.append(Incoming(len(world.log), 0, f"{change.mailbox}/item", encode(change)))
