"""What stands before a record's body: the single-object header, or Confluent's wire format with a registry's id.

Confluent's is a zero byte and the id of the schema in four bytes, big-endian; single-object records begin with C3, so
both can be told apart and are read at any time. Which one is written is decided once a process, before anything is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

ZERO = b"\x00"
CONFLUENT_HEADER_SIZE_BYTES = 5


class UnknownIdError(Exception):
    """A registry's id that nobody can say the schema of; the text names it and what to do."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The ids of our schemas in a registry by record name, and the schema of any id as JSON."""

    ids: Mapping[str, int]
    schema_of: Callable[[int], str]


class _Choice:
    """What this process writes; None: single-object encoding."""

    registered: Registered | None = None


def use_registry(registered: Registered | None) -> None:
    """Write the ids of a registry from now on, or none; called at the start of a process."""
    _Choice.registered = registered


def confluent_header(record_name: str) -> bytes | None:
    """Return the header to write before a record; None where no registry is used."""
    if _Choice.registered is None:
        return None
    return ZERO + _Choice.registered.ids[record_name].to_bytes(4, "big")


def schema_id(data: bytes) -> int | None:
    """Return the id before a record in Confluent's wire format; None for any other."""
    if data[:1] != ZERO or len(data) < CONFLUENT_HEADER_SIZE_BYTES:
        return None
    return int.from_bytes(data[1:CONFLUENT_HEADER_SIZE_BYTES], "big")


def schema_of(number: int) -> str:
    """Return the schema of an id as JSON; UnknownIdError where there is no registry, or it does not say."""
    if _Choice.registered is None:
        raise UnknownIdError(f"written with schema {number} of a schema registry: set kafka.schema_registry.url")
    return _Choice.registered.schema_of(number)
