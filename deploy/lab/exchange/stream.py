"""Export streams: one item whole, in a binary form of this server alone, volatile and bound to a server generation.

Layout: 8 bytes magic, 2 bytes generation (major, minor), 16 random bytes, 4 bytes length of the properties, 4 bytes
CRC-32 of all that follows the header, the properties as JSON, the content.
"""

import base64
import json
import secrets
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

from deploy.lab.exchange.items import Item
from deploy.lab.exchange.soap import EwsError

_MAGIC: Final = b"\x02\x01\x00\x00LABX"
_HEAD: Final = struct.Struct(">8sBB16sII")


@dataclass(slots=True)
class Exported:
    """What a stream holds of an item."""

    item_class: str
    is_read: int
    associated: bool
    received: str
    created: str
    modified: str
    search_key: bytes
    fields: dict[str, Any]
    extended: dict[str, Any]
    content: bytes


def write_stream(item: Item, content: bytes, generation: tuple[int, int], *, named_properties: bool) -> bytes:
    """Return the stream of an item as a server of this generation writes it."""
    extended = item.extended
    if not named_properties:
        extended = {key: value for key, value in extended.items() if not key.startswith("{")}
    properties = json.dumps(
        [
            item.item_class, item.is_read, item.associated, item.received, item.created, item.modified,
            base64.b64encode(item.search_key).decode(), item.fields, extended,
        ]
    ).encode()  # fmt: skip
    check = zlib.crc32(content, zlib.crc32(properties))
    head = _HEAD.pack(_MAGIC, *generation, secrets.token_bytes(16), len(properties), check)
    return b"".join((head, properties, content))


def read_stream(stream: bytes, generation: tuple[int, int]) -> Exported:
    """Read a stream; raises `EwsError` (ErrorCorruptData) for a damaged one and for one of a newer generation."""
    if len(stream) < _HEAD.size:
        raise EwsError("ErrorCorruptData", "The data is too short to be an item.")
    magic, major, minor, _, length, check = _HEAD.unpack_from(stream)
    if magic != _MAGIC:
        raise EwsError("ErrorCorruptData", "The data is not an exported item.")
    if (major, minor) > generation:
        raise EwsError("ErrorCorruptData", "The data was exported by a newer server version.")
    rest = memoryview(stream)[_HEAD.size :]
    if zlib.crc32(rest) != check or len(rest) < length:
        raise EwsError("ErrorCorruptData", "The data is damaged or truncated.")
    values = json.loads(bytes(rest[:length]))
    return Exported(
        values[0], values[1], bool(values[2]), values[3], values[4], values[5], base64.b64decode(values[6]),
        values[7], values[8], bytes(rest[length:]),
    )  # fmt: skip
