"""Ids of items, folders, attachments and states: opaque, case-sensitive base64, checked when they return."""

import binascii
import struct
from dataclasses import dataclass
from typing import Final

from deploy.lab.exchange.soap import EwsError

_TAIL: Final = struct.Struct(">BIQIx")
_CHECK: Final = struct.Struct(">I")
_CHANGE: Final = struct.Struct(">4sQI")
_CHANGE_HEAD: Final = b"\x09\x00\x00\x00"
_HEAD_SIZE_BYTES: Final = 63
_ITEM, _FOLDER, _ATTACHMENT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Reference:
    """What an id names: a mailbox, an item or folder number in it, an attachment's number in its item."""

    mailbox: int
    number: int
    attachment: int = 0


class Identity:
    """The id scheme of one server; ids of another server never decode here."""

    __slots__ = ("_prefix", "_seed", "server")

    def __init__(self, server: bytes) -> None:
        """`server` is the server's own 16 random bytes, kept with its data."""
        self.server = server
        # "AAMk" is how ids of real servers begin; some clients print them.
        head = b"\x00\x03\x24" + server.hex().encode() + server + b"\x00\x01\x46\x00\x00\x00\x00\x03\x13\x9a\x2c\x01"
        self._prefix = binascii.b2a_base64(head[:_HEAD_SIZE_BYTES], newline=False).decode()
        self._seed = binascii.crc32(server)

    def _encode(self, kind: int, mailbox: int, number: int, attachment: int = 0) -> str:
        tail = _TAIL.pack(kind, mailbox, number, attachment)
        check = _CHECK.pack(binascii.crc32(tail, self._seed))
        return self._prefix + binascii.b2a_base64(tail + check + b"\x00\x10", newline=False).decode()

    def item(self, mailbox: int, number: int) -> str:
        """Return the ItemId of an item."""
        return self._encode(_ITEM, mailbox, number)

    def folder(self, mailbox: int, number: int) -> str:
        """Return the FolderId of a folder."""
        return self._encode(_FOLDER, mailbox, number)

    def attachment(self, mailbox: int, number: int, attachment: int) -> str:
        """Return the AttachmentId of an attachment, numbered from 1 in its item."""
        return self._encode(_ATTACHMENT, mailbox, number, attachment)

    def _decode(self, text: str, kind: int, wrong_kind: str) -> Reference:
        prefix = self._prefix
        if not text:
            raise EwsError("ErrorInvalidIdEmpty", "The id is empty.")
        if not text.startswith(prefix):
            raise EwsError("ErrorInvalidIdMalformed", "The id is malformed or belongs to another server.")
        try:
            raw = binascii.a2b_base64(text[len(prefix) :].encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise EwsError("ErrorInvalidIdMalformed", "The id is malformed.") from error
        tail, check = raw[: _TAIL.size], raw[_TAIL.size : _TAIL.size + 4]
        if len(raw) != _TAIL.size + 6 or check != _CHECK.pack(binascii.crc32(tail, self._seed)):
            raise EwsError("ErrorInvalidIdMalformed", "The id is malformed.")
        found, mailbox, number, attachment = _TAIL.unpack(tail)
        if found != kind:
            raise EwsError(wrong_kind, "The id names another kind of object.")
        return Reference(mailbox, number, attachment)

    def item_reference(self, text: str) -> Reference:
        """Decode an ItemId; raises `EwsError` for a malformed id or one of a folder."""
        return self._decode(text, _ITEM, "ErrorCannotUseFolderIdForItemId")

    def folder_reference(self, text: str) -> Reference:
        """Decode a FolderId; raises `EwsError` for a malformed id or one of an item."""
        return self._decode(text, _FOLDER, "ErrorCannotUseItemIdForFolderId")

    def attachment_reference(self, text: str) -> Reference:
        """Decode an AttachmentId; raises `EwsError` for a malformed id."""
        return self._decode(text, _ATTACHMENT, "ErrorInvalidAttachmentId")


def change_key(change: int) -> str:
    """Return the ChangeKey of one write."""
    packed = _CHANGE.pack(_CHANGE_HEAD, change, (change * 2654435761) & 0xFFFFFFFF)
    return binascii.b2a_base64(packed, newline=False).decode()


def change_of(key: str) -> int:
    """Return the write that a ChangeKey names; raises `EwsError` where it is malformed."""
    try:
        head, change, check = _CHANGE.unpack(binascii.a2b_base64(key.encode("ascii"), strict_mode=True))
    except (binascii.Error, struct.error, UnicodeEncodeError) as error:
        raise EwsError("ErrorInvalidChangeKey", "The change key is malformed.") from error
    if head != _CHANGE_HEAD or check != (change * 2654435761) & 0xFFFFFFFF:
        raise EwsError("ErrorInvalidChangeKey", "The change key is malformed.")
    return int(change)
