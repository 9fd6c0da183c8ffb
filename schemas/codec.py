"""Records to bytes and back: Avro single-object encoding (`C3 01`, CRC-64-AVRO fingerprint, body).

Where a schema registry is used (`schemas.framing`), its id stands before the body instead; both are always read.
What an earlier release wrote (`avro/earlier/`, or the registry's text) is read by Avro's rules of schema resolution.
A dataclass maps to the Avro record of its name; converters are compiled once a type from its annotations.
"""

import dataclasses
import enum
import io
import json
import types
import typing
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, Union, get_args, get_origin

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import fingerprint, load_schema, parse_schema, to_parsing_canonical_form

from schemas import change, framing, state

MARKER = b"\xc3\x01"
HEADER_SIZE_BYTES = 10
NAMESPACE = "mailshadow."
TOP_LEVEL: tuple[type, ...] = (
    change.Change,
    change.Chunk,
    state.MailboxRecord,
    state.SourceFolder,
    state.IndexEntry,
    state.TargetMailbox,
    state.TargetFolder,
    state.ItemRecord,
    state.Orphan,
    state.Conflict,
    state.Order,
    state.Position,
    state.DeadLetter,
    state.Registration,
    state.Promotion,
    state.Wave,
)
Convert = Callable[[Any], Any]


class CodecError(ValueError):
    """Bytes that are no record of ours, or a record its schema does not allow."""


def _same(value: Any) -> Any:
    return value


@cache
def _record_types() -> dict[str, type]:
    modules = (change, state)
    found = [v for m in modules for v in vars(m).values() if dataclasses.is_dataclass(v) and isinstance(v, type)]
    return {NAMESPACE + t.__name__: t for t in found}


@cache
def _writer(annotation: Any) -> Convert:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        records = [a for a in args if isinstance(a, type) and dataclasses.is_dataclass(a)]
        if len(records) > 1:
            writers = {a: (NAMESPACE + a.__name__, _writer(a)) for a in records}
            return lambda v: (writers[type(v)][0], writers[type(v)][1](v))
        inner = _writer(next(a for a in args if a is not type(None)))
        return lambda v: None if v is None else inner(v)
    if origin is tuple:
        inner = _writer(args[0])
        return _same if inner is _same else lambda v: [inner(x) for x in v]
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        fields = [(f.name, _writer(hints[f.name])) for f in dataclasses.fields(annotation)]
        return lambda v: {name: convert(getattr(v, name)) for name, convert in fields}
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return lambda v: v.value
    return _same


@cache
def _reader(annotation: Any) -> Convert:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        records = [a for a in args if isinstance(a, type) and dataclasses.is_dataclass(a)]
        if len(records) > 1:
            readers = {NAMESPACE + a.__name__: _reader(a) for a in records}
            return lambda v: readers[v[0]](v[1])
        inner = _reader(next(a for a in args if a is not type(None)))
        return lambda v: None if v is None else inner(v)
    if origin is tuple:
        inner = _reader(args[0])
        return tuple if inner is _same else lambda v: tuple(inner(x) for x in v)
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        fields = [(f.name, _reader(hints[f.name])) for f in dataclasses.fields(annotation)]
        build: Callable[..., Any] = typing.cast("Callable[..., Any]", annotation)
        return lambda v: build(**{name: convert(v[name]) for name, convert in fields})
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return annotation
    return _same


@dataclasses.dataclass(frozen=True, slots=True)
class _Schema:
    """A schema that records are written with, and the present one where that is another."""

    record: type
    parsed: Any
    header: bytes
    present: Any = None


@cache
def _schemas() -> tuple[dict[type, _Schema], dict[bytes, _Schema]]:
    by_type: dict[type, _Schema] = {}
    with resources.as_file(resources.files("schemas") / "avro") as folder:
        for record in TOP_LEVEL:
            parsed = load_schema(str(folder / f"{NAMESPACE}{record.__name__}.avsc"))
            by_type[record] = _Schema(record, parsed, _header(parsed))
        kept = [_earlier(path.read_text(encoding="utf-8"), by_type) for path in (folder / "earlier").glob("*.avsc")]
    return by_type, {s.header: s for s in (*filter(None, kept), *by_type.values())}


def _header(parsed: Any) -> bytes:
    # fastavro gives the bytes in little-endian order, as the header wants them
    return MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))


def _name_of(parsed: Any) -> str:
    return str(parsed.get("name", "")) if isinstance(parsed, dict) else ""


def _earlier(written: str, by_type: dict[type, _Schema]) -> _Schema | None:
    """Return the schema that a JSON text is, to be read as the present one of its name; None if there is none."""
    read: Any = json.loads(written)
    parsed: Any = parse_schema(read)
    present = next((s for s in by_type.values() if NAMESPACE + s.record.__name__ == _name_of(parsed)), None)
    return _Schema(present.record, parsed, _header(parsed), present.parsed) if present else None


def encode(record: Any) -> bytes:
    """Return the single-object encoding of a top-level record; CodecError if it does not fit its schema."""
    by_type, _ = _schemas()
    schema = by_type[type(record)]
    out = io.BytesIO()
    out.write(framing.confluent_header(schema.record.__name__) or schema.header)
    try:
        fastavro.schemaless_writer(out, schema.parsed, _writer(schema.record)(record))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        # the cause quotes the record's values, which may be private: only its kind is told
        raise CodecError(f"a {schema.record.__name__} does not fit its schema ({type(error).__name__})") from None
    return out.getvalue()


def decode(data: bytes) -> Any:
    """Return the record that `data` encodes; CodecError if it is unknown or damaged."""
    schema, start = _framed(data)
    if schema is None:
        raise CodecError(
            f"no schema for a record that begins with {data[:HEADER_SIZE_BYTES].hex() or 'nothing'}: "
            "written by a newer version? Upgrade the readers first"
        )
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        raw = fastavro.schemaless_reader(
            stream, schema.parsed, schema.present, return_record_name=True, return_record_name_override=True
        )
        return _reader(schema.record)(raw)
    except (EOFError, ValueError, TypeError, KeyError, IndexError, SchemaResolutionError) as error:
        raise CodecError(f"a damaged {schema.record.__name__} record ({type(error).__name__})") from None


def _framed(data: bytes) -> tuple[_Schema | None, int]:
    """Return the schema a record was written with, if it is one of ours, and where its body begins."""
    _, by_header = _schemas()
    number = framing.schema_id(data)
    if number is None:
        return by_header.get(data[:HEADER_SIZE_BYTES]), HEADER_SIZE_BYTES
    try:
        written = framing.schema_of(number)
    except framing.UnknownIdError as error:
        raise CodecError(str(error)) from error
    return _registered(written), framing.CONFLUENT_HEADER_SIZE_BYTES


@cache
def _registered(written: str) -> _Schema | None:
    """Return the schema a registry's text is: ours, or what another release wrote."""
    by_type, by_header = _schemas()
    found = _earlier(written, by_type)
    return by_header.get(found.header, found) if found else None


def schema_texts() -> dict[str, str]:
    """Return the schema of every top-level record as JSON that stands alone, by record name."""
    by_type, _ = _schemas()
    return {t.__name__: json.dumps(_plain(s.parsed)) for t, s in by_type.items()}


def _plain(parsed: Any) -> Any:
    """Return a schema without what fastavro keeps in it for itself."""
    if isinstance(parsed, dict):
        return {k: _plain(v) for k, v in parsed.items() if not k.startswith("__")}
    return [_plain(v) for v in parsed] if isinstance(parsed, list) else parsed


def fingerprints() -> dict[str, str]:
    """Return the schema fingerprint of every top-level record, in hex as it stands in the header."""
    by_type, _ = _schemas()
    return {t.__name__: s.header[2:].hex() for t, s in by_type.items()}
