"""What an item holds beside its light properties: headers, bodies and attachments as a tree of decoded parts.

Packed form: 4 bytes length of the JSON tree (big endian), the tree, then the bytes of all leaves one after another.
"""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.lab.exchange.soap import EwsError

_LENGTH: Final = struct.Struct(">I")
_NAMED: Final = re.compile(r";\s*name\*?\d*\*?=")
_TEXT_TYPES: Final = frozenset({"text/plain", "text/html"})

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Part:
    """One MIME part as properties.

    `headers` are (name, unfolded value) with raw bytes as surrogate escapes; `encoding` is "base64" or
    "quoted-printable" where `data` is decoded and must be encoded again, "" where `data` stands as it came;
    `children` is None for a leaf.
    """

    headers: Headers
    media_type: str
    encoding: str = ""
    data: bytes = b""
    children: "list[Part] | None" = None

    def header(self, name: str) -> str:
        """Return the first header of a (lower-case) name, or an empty text."""
        for found, value in self.headers:
            if found.lower() == name:
                return value
        return ""

    def leaves(self) -> Iterator["Part"]:
        """All leaves, in order."""
        if self.children is None:
            yield self
        else:
            for child in self.children:
                yield from child.leaves()


@dataclass(slots=True)
class Content:
    """The content of one item."""

    root: Part = field(default_factory=lambda: Part([], "text/plain"))

    def pack(self) -> bytes:
        """Return the bytes that the store and export streams hold."""
        blobs: list[bytes] = []
        tree = json.dumps(_tree(self.root, blobs), separators=(",", ":")).encode()
        return b"".join((_LENGTH.pack(len(tree)), tree, *blobs))

    @property
    def leaves(self) -> list[Part]:
        """All leaves, in order."""
        return list(self.root.leaves())


def _tree(part: Part, blobs: list[bytes]) -> list[Any]:
    if part.children is not None:
        return [part.headers, part.media_type, [_tree(child, blobs) for child in part.children]]
    blobs.append(part.data)
    return [part.headers, part.media_type, part.encoding, len(part.data)]


def unpack(packed: bytes) -> Content:
    """Read what `Content.pack` wrote; raises `EwsError` (ErrorItemCorrupt) for anything else."""
    if not packed:
        return Content()
    try:
        (length,) = _LENGTH.unpack_from(packed)
        tree = json.loads(packed[4 : 4 + length])
        root, end = _untree(tree, packed, 4 + length)
    except (struct.error, ValueError, TypeError, IndexError) as error:
        raise EwsError("ErrorItemCorrupt", "The content of the item cannot be read.") from error
    if end != len(packed):
        raise EwsError("ErrorItemCorrupt", "The content of the item is not complete.")
    return Content(root)


def _untree(tree: list[Any], packed: bytes, at: int) -> tuple[Part, int]:
    headers = [(name, value) for name, value in tree[0]]
    if len(tree) == 3:  # noqa: PLR2004 - a node has three members, a leaf four
        children = []
        for branch in tree[2]:
            child, at = _untree(branch, packed, at)
            children.append(child)
        return Part(headers, tree[1], children=children), at
    end = at + tree[3]
    return Part(headers, tree[1], tree[2], packed[at:end]), end


def is_body(part: Part) -> bool:
    """Whether a leaf is a body rather than an attachment: inline text without a file name."""
    if part.media_type not in _TEXT_TYPES:
        return False
    disposition = part.header("content-disposition").lower()
    if disposition.lstrip().startswith("attachment") or "filename" in disposition:
        return False
    return _NAMED.search(part.header("content-type").lower()) is None
