"""Sync states: where a client stands in the writes of one folder or one hierarchy; opaque, checked when they return.

A pass covers the writes after `low` up to `high`. It is paged newest first: creations from `place` down, then changes,
then deletions; when it is through, the next pass starts with `low = high`.
"""

import base64
import binascii
import struct
from dataclasses import dataclass, replace
from typing import Final

from deploy.lab.exchange.answer_faults import PADDING
from deploy.lab.exchange.soap import EwsError

_LAYOUT: Final = struct.Struct(">4sBQIQQQBQ")
_CHECK: Final = struct.Struct(">I")
_MAGIC: Final = b"SYN1"
ITEMS, HIERARCHY = 1, 2
CREATIONS, CHANGES, DELETIONS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SyncState:
    """A place in the writes of one folder (`scope` = its number) or of one hierarchy (`scope` = its root's number)."""

    kind: int
    scope: int
    epoch: int
    low: int
    high: int
    server: int
    phase: int = CREATIONS
    place: int = 0

    @property
    def resting(self) -> bool:
        """Whether no pass is under way."""
        return self.low == self.high

    def begin(self, sequence: int) -> "SyncState":
        """Return the state with a pass up to the newest write, unless one is under way."""
        if not self.resting:
            return self
        return replace(self, high=sequence, phase=CREATIONS, place=sequence)

    def end(self) -> "SyncState":
        """Return the state after a completed pass."""
        return replace(self, low=self.high, phase=CREATIONS, place=self.high)

    def text(self) -> str:
        """Return the opaque text."""
        raw = _LAYOUT.pack(
            _MAGIC,
            self.kind,
            self.scope,
            self.epoch,
            self.low,
            self.high,
            self.server,
            self.phase,
            self.place,
        )
        return base64.b64encode(raw + _CHECK.pack(binascii.crc32(raw))).decode("ascii")


def server_mark(identity: bytes) -> int:
    """Return what binds a state to its server."""
    return int.from_bytes(identity[:8], "big")


def read_state(text: str | None, kind: int, scope: int, epoch: int, server: int) -> SyncState:
    """Read a state, an empty one being the beginning; raises `EwsError` (ErrorInvalidSyncStateData) for any other's."""
    text = (text or "").partition(PADDING)[0]
    if not text:
        return SyncState(kind, scope, epoch, 0, 0, server)
    try:
        raw = base64.b64decode(text, validate=True)
        body, check = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
        magic, *values = _LAYOUT.unpack(body)
    except (ValueError, struct.error, binascii.Error) as error:
        raise EwsError("ErrorInvalidSyncStateData", "The synchronization state is corrupt.") from error
    state = SyncState(*values)
    if check != _CHECK.pack(binascii.crc32(body)):
        raise EwsError("ErrorInvalidSyncStateData", "The synchronization state is corrupt.")
    if magic != _MAGIC or (state.kind, state.scope, state.epoch, state.server) != (
        kind,
        scope,
        epoch,
        server,
    ):
        raise EwsError(
            "ErrorInvalidSyncStateData", "The synchronization state belongs elsewhere or is no longer valid."
        )
    return state
