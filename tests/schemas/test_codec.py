"""Single-object encoding (Avro 1.11 specification): every record comes back as it was, damage is said."""

from __future__ import annotations

import dataclasses
import enum
import os
import subprocess
import sys
import types
import typing
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.lab.next_release import make_next_release
from schemas.change import Change, Chunk, FolderDeleted
from schemas.codec import HEADER_SIZE_BYTES, MARKER, TOP_LEVEL, CodecError, decode, encode, fingerprints
from schemas.state import MailboxRecord, Order

if TYPE_CHECKING:
    from pathlib import Path

INT_FINGERPRINT = 0x7275D51A3F395C8F
"""CRC-64-AVRO of the schema `"int"`, known from the specification's own algorithm."""
NUMBERS = st.integers(-(2**31), 2**31 - 1)
"""What every number of a record can hold; times and sequences hold 64 bits."""
CHUNK = Chunk(mailbox="m", item="i", sha256="s", index=0, count=1, body=b"body")


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for whatever a field's annotation allows."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, args))
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        build = typing.cast("typing.Callable[..., Any]", hint)
        return st.builds(build, **{f.name: values_of(hints[f.name]) for f in dataclasses.fields(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        int: NUMBERS,
        bool: st.booleans(),
        bytes: st.binary(max_size=20),
        types.NoneType: st.none(),
    }
    return plain[hint]


@pytest.mark.parametrize("record_type", TOP_LEVEL, ids=lambda t: t.__name__)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_every_record_comes_back_as_it_was(record_type: type, data: st.DataObject) -> None:
    record = data.draw(values_of(record_type))
    encoded = encode(record)
    assert decode(encoded) == record
    assert type(decode(encoded)) is record_type
    assert encoded.startswith(MARKER)


def test_the_header_is_the_marker_and_the_schemas_fingerprint_in_little_endian_order() -> None:
    encoded = fingerprint(to_parsing_canonical_form("int"), "CRC-64-AVRO")
    assert int.from_bytes(bytes.fromhex(encoded), "little") == INT_FINGERPRINT
    header = encode(CHUNK)[:HEADER_SIZE_BYTES]
    assert header == b"\xc3\x01" + bytes.fromhex(fingerprints()["Chunk"])


def test_every_schema_has_a_fingerprint_of_its_own() -> None:
    assert len(set(fingerprints().values())) == len(TOP_LEVEL)


@pytest.mark.parametrize("data", [b"", b"\xc3", b"{}", MARKER + bytes(8) + b"x"], ids=["", "1", "json", "new"])
def test_what_no_known_schema_wrote_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(CodecError, match="Upgrade the readers first"):
        decode(data)


@given(cut=st.integers(HEADER_SIZE_BYTES, len(encode(CHUNK)) - 1))
def test_a_record_cut_short_is_damaged(cut: int) -> None:
    with pytest.raises(CodecError, match="damaged Chunk"):
        decode(encode(CHUNK)[:cut])


@given(st.sampled_from(TOP_LEVEL), st.binary(max_size=60))
def test_whatever_follows_a_known_header_is_a_record_or_damaged(record_type: type, body: bytes) -> None:
    header = MARKER + bytes.fromhex(fingerprints()[record_type.__name__])
    try:
        assert type(decode(header + body)) is record_type
    except CodecError as error:
        assert record_type.__name__ in str(error)  # noqa: PT017 - either outcome is good


@pytest.mark.parametrize(
    "record",
    [
        dataclasses.replace(CHUNK, index="one"),  # type: ignore[arg-type]
        dataclasses.replace(CHUNK, body=None),  # type: ignore[arg-type]
        MailboxRecord(mailbox="m", next_sequence=2**63),
        Order(mailbox="m", kind="WANT", items=(), target="", reason=None, issued_at=0),  # type: ignore[arg-type]
    ],
    ids=["text for a number", "none for bytes", "too large", "none for text"],
)
def test_a_record_its_schema_does_not_allow_is_refused_by_name(record: Any) -> None:
    with pytest.raises(CodecError, match=type(record).__name__):
        encode(record)


def test_the_next_release_reads_what_this_one_writes_and_this_one_refuses_what_that_one_writes(tmp_path: Path) -> None:
    program = (
        "from schemas.codec import decode, encode;"
        "record = decode(bytes.fromhex(input())); print(repr(record)); print(encode(record).hex())"
    )
    environment = {**os.environ, **make_next_release(tmp_path)}
    for record in (CHUNK, MailboxRecord(mailbox="m", next_sequence=7)):
        command = [sys.executable, "-c", program]
        done = subprocess.run(  # noqa: S603 - our own program
            command, input=encode(record).hex(), env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        read, written = done.stdout.splitlines()
        assert read == repr(decode(encode(record)))
        with pytest.raises(CodecError, match="Upgrade the readers first"):
            decode(bytes.fromhex(written))


def test_an_operation_is_not_a_record_of_its_own() -> None:
    change = Change(
        mailbox="m", generation=1, sequence=1, captured_at=0, source_version="", operation=FolderDeleted(folder_id="f")
    )
    assert decode(encode(change)).operation == FolderDeleted(folder_id="f")
    assert FolderDeleted not in TOP_LEVEL


def test_sequences_and_times_hold_64_bits() -> None:
    record = MailboxRecord(mailbox="m", next_sequence=2**63 - 1, certain_up_to=-(2**63))
    assert decode(encode(record)) == record
