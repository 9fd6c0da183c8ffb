"""The names the product gives, recomputed from their documented formulas (`schemas/README.md`)."""

import hashlib
from dataclasses import dataclass

PRODUCT_AGENT = "mailshadow"
"""The User-Agent of feed and replay; whoever else writes is a user."""
_STAMP_PARTS = 3


@dataclass(frozen=True, slots=True)
class StampText:
    """The three parts of a stamp: which target, which item, which write."""

    target: str
    item: str
    nonce: str


def mailbox_id(address: str) -> str:
    """Return the id of a mailbox: the first 20 hex digits of SHA-256 of its address at the source."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()[:20]


def item_key(mailbox: str, item_id: str) -> str:
    """Return the key of an item first seen by an id: 32 hex digits over mailbox id, NUL, ItemId."""
    return hashlib.sha256(f"{mailbox}\0{item_id}".encode()).hexdigest()[:32]


def target_id(pipeline: str, target: str) -> str:
    """Return the 8 hex digits by which stamps name a target."""
    return hashlib.sha256(f"{pipeline}\0{target}".encode()).hexdigest()[:8]


def stamp_of(text: str) -> StampText | None:
    """Read a stamp; None for a text that is none."""
    parts = text.lower().split(":")
    return StampText(*parts) if len(parts) == _STAMP_PARTS and all(parts) else None
