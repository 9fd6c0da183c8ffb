"""What loops need of the outside, as types: an owned partition, a server's session, a clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Element = Any
"""An lxml element; lxml's classes are not subscriptable types at run time."""

Clock = Callable[[], int]
"""Milliseconds since 1970 (UTC)."""


class PartitionLost(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """The partition is not ours any more, or may not be: drop everything, commit nothing, acquire again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write in a transaction; `value` None is a tombstone."""

    topic: str
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record that was read, with its offset and the log's append time in milliseconds."""

    offset: int
    appended_at: int
    key: str
    value: bytes | None


class LogReader(Protocol):
    """Reads one topic of the partition in order, from the offset committed for it."""

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:
        """Return the next records, perhaps none."""
        ...

    @property
    def position(self) -> int:
        """Offset of the next record: what to commit when everything returned so far is done."""
        ...

    def seek(self, offset: int) -> None:
        """Go on reading at another offset."""
        ...

    def end(self) -> int:
        """Return the offset after the newest record, asked now."""
        ...

    def lag_records(self) -> int:
        """Return how many records of the partition are not read yet."""
        ...


class OwnedPartition(Protocol):
    """A partition whose owner we are: restored state, and transactions that fence every earlier owner."""

    number: int

    def get(self, topic: str, key: str) -> bytes | None:
        """Return the restored value of a state topic's key."""
        ...

    def scan(self, topic: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield key and value of every key that starts with `prefix`, in the order of keys."""
        ...

    def transact(self, records: Sequence[Outgoing], positions: Mapping[str, int]) -> None:
        """Write the records and the positions (topic to next offset) as one; PartitionLost if unclear."""
        ...

    def history(self, topic: str) -> Iterable[Incoming]:
        """Read a topic of the partition from its start to its present end."""
        ...

    def still_owned(self) -> bool:
        """Tell whether the partition is ours and nobody asked to stop."""
        ...


class CallFailed(Exception):  # noqa: N818 - named by what is known of the call
    """A call to a server that gave no answers; `code` is a key of the fault table.

    A session adds which operation failed and for which mailbox's address.
    """

    def __init__(self, code: str, detail: str, back_off_seconds: float = 0.0) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.back_off_seconds = back_off_seconds
        self.operation = ""
        self.mailbox = ""


class CallRefused(CallFailed):
    """The server did nothing of it: not reached, not let in, throttled, or refused as a whole."""


class AnswerUnknown(CallFailed):
    """It was sent and may have been done, in part or whole: look before sending anything again."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One response message: its code (`NoError` if done), the element, the text without content."""

    code: str
    element: Element
    text: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the server did it."""
        return self.code == "NoError"


@dataclass(frozen=True, slots=True)
class Answers:
    """Response messages in the order of the request, and the server's clock in seconds since 1970."""

    messages: tuple[ServerAnswer, ...]
    server_time_seconds: int


class EwsSession(Protocol):
    """One connection to a server on behalf of mailboxes; never re-sends, never sleeps."""

    @property
    def server_version(self) -> str:
        """The version the server says it is."""
        ...

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        """POST one operation for the mailbox address; `expected` answers or AnswerUnknown.

        Raises CallRefused when nothing was done, AnswerUnknown when that is not known.
        """
        ...
