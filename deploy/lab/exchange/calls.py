"""What a server was asked: calls, parts and bytes by operation, and what is under way now."""

from dataclasses import asdict, dataclass
from typing import Any, Final

WRITES: Final = frozenset(
    {
        "CreateItem", "UpdateItem", "DeleteItem", "MoveItem", "CopyItem", "CreateFolder", "UpdateFolder", "MoveFolder",
        "DeleteFolder", "EmptyFolder", "CreateAttachment", "DeleteAttachment", "UploadItems", "SendItem",
    }
)  # fmt: skip
STREAMING: Final = "GetStreamingEvents"
_READING: Final = "(reading)"


@dataclass(slots=True)
class Count:
    """The sums of one operation; `items` counts the parts of batches and the items of lists."""

    calls: int = 0
    items: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Flight:
    """One call under way; `operation` is "(reading)" until its body has arrived."""

    peer_port: int
    since: float
    operation: str = _READING


class Calls:
    """The counters of one server."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        self._flights: dict[int, Flight] = {}
        self._next = 0

    def begin(self, peer_port: int, now: float) -> tuple[int, Flight]:
        """Return a call arrived; answers its number and its record."""
        self._next += 1
        flight = self._flights[self._next] = Flight(peer_port, now)
        return self._next, flight

    def named(self, flight: Flight, operation: str, bytes_in: int) -> None:
        """Return the body of a call has arrived."""
        flight.operation = operation
        count = self._counts.setdefault(operation, Count())
        count.calls += 1
        count.bytes_in += bytes_in
        count.in_flight += 1

    def answered(self, operation: str, items: int, bytes_out: int) -> None:
        """Return the answer of a call is made."""
        count = self._counts.setdefault(operation, Count())
        count.items += items
        count.bytes_out += bytes_out

    def end(self, number: int) -> None:
        """Return a call is over, answered or not."""
        flight = self._flights.pop(number)
        if flight.operation != _READING:
            self._counts[flight.operation].in_flight -= 1

    def reset(self) -> None:
        """Start counting anew; what is under way stays under way."""
        for operation, count in self._counts.items():
            self._counts[operation] = Count(in_flight=count.in_flight)

    def state(self) -> dict[str, Any]:
        """Return sums by operation, and how much is under way (streaming counted apart)."""
        flying = [flight.operation for flight in self._flights.values()]
        return {
            "operations": {name: asdict(count) for name, count in sorted(self._counts.items())},
            "in_flight": sum(1 for name in flying if name != STREAMING),
            "streaming": flying.count(STREAMING),
            "writing": any(name in WRITES for name in flying),
        }

    def clients(self) -> list[dict[str, Any]]:
        """Every call under way with the TCP port of its client."""
        return [asdict(flight) for flight in self._flights.values()]
