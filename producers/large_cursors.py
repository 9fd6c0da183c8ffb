"""Cursors that don't fit into their record are kept in pieces beside it, in the same transaction.

A sync state grows with its folder, and Kafka takes records of a megabyte.

State: which cursors are kept so, by folder (the hierarchy's under an empty id), and in how many pieces.
Failure: pieces that are not whole, or not those the record names, are no cursor: that folder is read from the start.
"""

import hashlib
from collections.abc import Iterable, Iterator

from schemas.change import Chunk
from schemas.codec import decode, encode
from schemas.ports import Outgoing
from schemas.topics import cursor_key

INLINE_CHARACTERS_MAX = 200_000
PIECE_SIZE_BYTES = 900_000
HIERARCHY = ""


class LargeCursors:
    """The large cursors of one mailbox."""

    def __init__(self, mailbox: str) -> None:
        self._mailbox = mailbox
        self._pieces: dict[str, dict[int, Chunk]] = {}
        self._kept: dict[str, tuple[str, int]] = {}

    def restore(self, values: Iterable[bytes]) -> None:
        """Take in what the state holds."""
        for value in values:
            piece = decode(value)
            if isinstance(piece, Chunk):
                self._pieces.setdefault(piece.item, {})[piece.index] = piece
        self._kept = {folder_id: ("", max(pieces) + 1) for folder_id, pieces in self._pieces.items()}

    def cursor(self, folder_id: str, digest: str) -> str:
        """Return the restored cursor of a digest; nothing where its pieces are not whole."""
        pieces = self._pieces.pop(folder_id, {})
        body = b"".join(pieces[number].body for number in sorted(pieces))
        if not digest or hashlib.sha256(body).hexdigest() != digest:
            return ""
        self._kept[folder_id] = digest, len(pieces)
        return body.decode()

    def store(self, topic: str, folder_id: str, cursor: str) -> tuple[str, str, list[Outgoing]]:
        """Return what the record holds of a cursor (itself or its digest), and the pieces to write beside it."""
        body = cursor.encode() if len(cursor) > INLINE_CHARACTERS_MAX else b""
        digest = hashlib.sha256(body).hexdigest() if body else ""
        before, count_before = self._kept.get(folder_id, ("", 0))
        if digest and digest == before:
            return "", digest, []
        pieces = list(self._split(folder_id, body, digest))
        records = [
            Outgoing(topic, cursor_key(self._mailbox, folder_id, piece.index), encode(piece)) for piece in pieces
        ]
        records += [
            Outgoing(topic, cursor_key(self._mailbox, folder_id, number), None)
            for number in range(len(pieces), count_before)
        ]
        self._kept.pop(folder_id, None)
        if pieces:
            self._kept[folder_id] = digest, len(pieces)
        return "" if body else cursor, digest, records

    def _split(self, folder_id: str, body: bytes, digest: str) -> Iterator[Chunk]:
        starts = range(0, len(body), PIECE_SIZE_BYTES)
        for number, start in enumerate(starts):
            yield Chunk(
                mailbox=self._mailbox, item=folder_id, sha256=digest, index=number, count=len(starts),
                body=body[start : start + PIECE_SIZE_BYTES],
            )  # fmt: skip
