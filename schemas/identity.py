"""Names that outlive servers: mailbox id, item key, stamp, and the partition a mailbox belongs to."""

import hashlib
from dataclasses import dataclass

MAILBOX_ID_HEX_DIGITS = 20
ITEM_KEY_HEX_DIGITS = 32
TARGET_ID_HEX_DIGITS = 8
KEY_MARK_HEX_DIGITS = 12
STAMP_PARTS = 3


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def mailbox_id(source_address: str) -> str:
    """Return the id of a mailbox: 20 hex digits of its address in lower case; it may stand in logs."""
    return _hex(source_address.strip().lower(), MAILBOX_ID_HEX_DIGITS)


def item_key(mailbox: str, first_item_id: str) -> str:
    """Return the key of an item, from the ItemId it was first seen by: capturing again gives the same."""
    return _hex(f"{mailbox}\0{first_item_id}", ITEM_KEY_HEX_DIGITS)


def partition_of(mailbox: str, partition_count: int) -> int:
    """Return the partition of a mailbox in every topic: the first 8 bytes of SHA-256 of its id, modulo."""
    return int.from_bytes(hashlib.sha256(mailbox.encode()).digest()[:8]) % partition_count


def key_mark(change_key: str) -> str:
    """Return 12 hex digits that tell one source ChangeKey from another; the end of every nonce."""
    return _hex(change_key, KEY_MARK_HEX_DIGITS)


def mark_in(nonce: str) -> str:
    """Return the mark of the ChangeKey a nonce was minted for."""
    return nonce[-KEY_MARK_HEX_DIGITS:]


@dataclass(frozen=True, slots=True)
class Stamp:
    """How our items are known at a target: `target:item:nonce`, all hex because servers fold case."""

    target: str
    item: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.target}:{self.item}:{self.nonce}"

    @classmethod
    def parse(cls, text: str) -> "Stamp | None":
        """Return the stamp a property holds, or None if it is not one."""
        parts = text.lower().split(":")
        return cls(*parts) if len(parts) == STAMP_PARTS and all(parts) else None


def target_id(pipeline: str, target: str) -> str:
    """Return the 8 hex digits by which stamps name a target of a pipeline."""
    return _hex(f"{pipeline}\0{target}", TARGET_ID_HEX_DIGITS)
