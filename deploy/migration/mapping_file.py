"""The mapping file of a migration: a CSV of `source,target,wave,priority,archive,notes`, checked as a whole. Pure.

Every row is read before anything is said, so that all errors come at once, each with its line.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deploy.mapping import MappingRule, addresses_of

COLUMNS = ("source", "target", "wave", "priority", "archive", "notes")
NEEDED = ("source", "wave")
ROWS_MAX = 100_000
NOTES_CHARACTERS_MAX = 200
PRIORITY_MAX = 9_999
PRIORITY_DEFAULT = 100
ARCHIVES = {"": "", "no": "", "leave": "leave"}
WAVE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"[^@\s,;<>\x00-\x1f]{1,64}@[^@\s,;<>\x00-\x1f]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mailbox of the file, and the line it stands in."""

    line: int
    source: str
    target: str
    wave: str
    priority: int = PRIORITY_DEFAULT
    archive: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class MappingFile:
    """What a file says: its rows that are right, and what is wrong with it, as `line N: …` in the order of lines."""

    rows: tuple[Row, ...]
    errors: tuple[str, ...]


def read(text: str, rule: MappingRule) -> MappingFile:
    """Return what a file says; an empty `target` is filled by the target's own rule (pattern and domain)."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    errors: list[tuple[int, str]] = []
    rows: list[Row] = []
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        if wrong := _wrong_header(header):
            return MappingFile((), tuple(f"line 1: {error}" for error in wrong))
        for fields in reader:
            if len(rows) + len(errors) >= ROWS_MAX:
                errors.append((reader.line_num, f"more than {ROWS_MAX} rows; split the file"))
                break
            if any(field.strip() for field in fields):
                row, wrong = _row(reader.line_num, header, fields, rule)
                rows.append(row)
                errors += [(row.line, error) for error in wrong]
    except csv.Error as error:
        errors.append((reader.line_num, f"not CSV: {error}"))
    errors += [*_duplicates(rows), *_cycles(rows)]
    return MappingFile(tuple(rows), tuple(f"line {line}: {error}" for line, error in sorted(errors)))


def _wrong_header(header: list[str]) -> list[str]:
    wrong = [f"unknown column {name!r}; there are {', '.join(COLUMNS)}" for name in header if name not in COLUMNS]
    wrong += [f"column {name!r} stands twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    wrong += [f"column {name!r} is missing" for name in NEEDED if name not in header]
    return wrong


def _row(line: int, header: list[str], fields: list[str], rule: MappingRule) -> tuple[Row, list[str]]:
    values = dict.fromkeys(COLUMNS, "") | dict(zip(header, map(str.strip, fields), strict=False))
    wrong = [] if len(fields) == len(header) else [f"{len(fields)} fields where the header has {len(header)}"]
    row = Row(line=line, source=values["source"], target=values["target"], wave=values["wave"], notes=values["notes"])
    if _ADDRESS.fullmatch(row.source) is None:
        wrong.append(f"source {row.source!r}: not an address")
    elif not row.target:
        row = replace(row, target=addresses_of(row.source, {}, {"": rule}).get("", ""))
    if not row.target:
        wrong.append("target is blank, and no rule of the target maps this address")
    elif _ADDRESS.fullmatch(row.target) is None:
        wrong.append(f"target {row.target!r}: not an address")
    if not row.wave:
        wrong.append("wave is blank")
    elif WAVE_NAME.fullmatch(row.wave) is None:
        wrong.append(f"wave {row.wave!r}: up to 64 letters, digits, dots, dashes and underscores")
    row, more = _with_details(row, values)
    return row, wrong + more


def _with_details(row: Row, values: Mapping[str, str]) -> tuple[Row, list[str]]:
    wrong = []
    priority, archive = values["priority"] or str(PRIORITY_DEFAULT), values["archive"].casefold()
    if priority.isascii() and priority.isdigit() and len(priority) <= len(str(PRIORITY_MAX)):
        row = replace(row, priority=int(priority))
    else:
        wrong.append(f"priority {priority!r}: a whole number from 0 (goes first) to {PRIORITY_MAX}")
    if archive in ARCHIVES:
        row = replace(row, archive=ARCHIVES[archive])
    elif archive == "yes":
        wrong.append("archive 'yes': archives are not mirrored; write 'leave' to leave it at the source, a listed loss")
    else:
        wrong.append(f"archive {archive!r}: 'no', or 'leave' where it has one that stays at the source")
    if len(row.notes) > NOTES_CHARACTERS_MAX or not row.notes.isprintable():
        wrong.append(f"notes: at most {NOTES_CHARACTERS_MAX} printable characters")
    return row, wrong


def _duplicates(rows: list[Row]) -> Iterator[tuple[int, str]]:
    for name in ("source", "target"):
        first: dict[str, int] = {}
        for row in rows:
            address = getattr(row, name).casefold()
            if address and first.setdefault(address, row.line) != row.line:
                yield row.line, f"{name} {address} stands in line {first[address]} already"


def _cycles(rows: list[Row]) -> Iterator[tuple[int, str]]:
    """Yield each ring of two or more: its mailboxes would be filled with one another's mail."""
    leads = {r.source.casefold(): r for r in rows if r.source}
    done: set[str] = set()
    for start in leads:
        path: dict[str, Row] = {}
        at = start
        while at in leads and at not in done and at not in path:
            path[at] = leads[at]
            at = leads[at].target.casefold()
        if at in path:
            ring = list(path)[list(path).index(at) :]
            if len(ring) > 1:
                lines = ", ".join(str(path[a].line) for a in ring[1:])
                yield path[ring[0]].line, f"a cycle: {' → '.join([*ring, ring[0]])} (with line {lines})"
        done.update(path)
