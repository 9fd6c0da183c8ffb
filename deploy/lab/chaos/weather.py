"""What a link of the fault proxy does to the bytes that pass, and how a whole EWS request is told in them."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

HEAD_BYTES_MAX = 65_536
REQUEST_BYTES_MAX = 256 << 20
_SIZE_BYTES, _KEY_ENDS_AT = 4, 6
INIT_PRODUCER, ADD_PARTITIONS, END_TRANSACTION = 22, 24, 26
"""Api keys of Kafka's protocol: the fence, the first request of a transaction that writes, and its last."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
_OPERATION = re.compile(rb"<(?:[\w.-]+:)?Body[^>]*>\s*<(?:[\w.-]+:)?(\w+)")


class Direction(StrEnum):
    """Which way bytes go through a link."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request that its sender believes sent, or lost, and that the server hasn't seen: to be delivered late."""

    operation: str
    content: bytes = field(repr=False)

    @property
    def body(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its body, as the server's history names it."""
        return hashlib.sha256(self.content.partition(b"\r\n\r\n")[2]).hexdigest()[:16]


@dataclass(slots=True)
class Hold:
    """Which requests to hold, and how many more."""

    operations: frozenset[str]
    count: int
    on_held: Callable[[HeldRequest], None]


@dataclass(slots=True)
class Watch:
    """What is done when a Kafka request of an api key comes by, which waits for `passes` on its connection."""

    api_key: int
    act: Callable[[], object]
    passes: asyncio.Event


@dataclass(slots=True)
class Weather:
    """The state of a link; touched by the proxy's own thread only.

    A gate that is shut stops a direction: bytes wait, also those of a sender that dies meanwhile. While `closing` is
    not set, neither end is told that the other is gone. After `bytes_left` more bytes a connection is reset. With
    `watch` says what is done right before a Kafka request of one kind is passed on.
    """

    latency_seconds: float = 0.0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    bytes_left: int | None = None
    hold: Hold | None = None
    watch: Watch | None = None
    gates: dict[Direction, asyncio.Event] = field(default_factory=dict)

    def clear(self) -> None:
        """Be fair again."""
        self.latency_seconds, self.bytes_left, self.hold = 0.0, None, None
        if self.watch:
            self.watch.passes.set()
        self.watch = None
        for gate in (self.closing, *self.gates.values()):
            gate.set()

    def spend(self, count: int) -> bool:
        """Count bytes that pass; False once the connection is to break."""
        if self.bytes_left is None:
            return True
        self.bytes_left -= count
        return self.bytes_left > 0

    def takes(self, request: bytes) -> HeldRequest | None:
        """Return the request as a held one if it is to be held; counts it."""
        if self.hold is None or self.hold.count <= 0:
            return None
        operation = operation_of(request)
        if operation not in self.hold.operations:
            return None
        self.hold.count -= 1
        held = HeldRequest(operation, request)
        self.hold.on_held(held)
        return held


def api_keys_of(piece: bytes) -> set[int]:
    """Return the api keys of the Kafka requests in a piece of a client's stream that begins with one of them."""
    keys: set[int] = set()
    at = 0
    while at + _KEY_ENDS_AT <= len(piece):
        keys.add(int.from_bytes(piece[at + _SIZE_BYTES : at + _KEY_ENDS_AT], "big"))
        at += _SIZE_BYTES + int.from_bytes(piece[at : at + _SIZE_BYTES], "big")
    return keys


def operation_of(request: bytes) -> str:
    """Return the EWS operation of a request: the name of the first element in its SOAP body, empty if there is none."""
    found = _OPERATION.search(request)
    return found.group(1).decode("ascii", "replace") if found else ""


def content_length(head: bytes) -> int | None:
    """Return the length of the body that follows an HTTP head, in bytes; None where the head doesn't say."""
    found = _LENGTH.search(head)
    return int(found.group(1)) if found else None
