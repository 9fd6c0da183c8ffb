"""Everything a chaos run leaves to be judged, as values, and how it lies in the run's directory.

`run.json`, `truth.jsonl`, `faults.jsonl`, `topics.jsonl` and `history.<server>.jsonl`; a kept directory can be judged
again at any time, without any process.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from deploy.lab.exchange.history import Write


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMailbox:
    """A mirrored mailbox: its address at the source and at each target."""

    source: str
    targets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run was; times in milliseconds since 1970, `level_ms` None where it never came to rest."""

    seed: int
    minutes: float
    command: str
    pipeline: str
    source: str
    targets: tuple[str, ...]
    mailboxes: tuple[RunMailbox, ...]
    partition_count: int
    began_ms: int
    healed_ms: int
    level_ms: int | None
    ended_ms: int
    recovery_seconds_max: float = 120.0
    last_status: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One committed record of a topic, by its place; `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of the workload's truth; `phase` is intended, acknowledged, unknown or refused."""

    n: int
    phase: str
    time_ms: int
    server: str
    mailbox: str
    action: str
    label: str = ""
    version: int = 0
    item_id: str = ""
    new_item_id: str = ""
    folder_id: str = ""
    how: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultLine:
    """One line of the fault journal; `phase` is begin, heal, note, skipped or failed."""

    fault: int
    phase: str
    time_ms: int
    kind: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What `check` judges: the servers' own histories, the log, what users did, what was broken when."""

    run: Run
    source: tuple[Write, ...]
    targets: Mapping[str, tuple[Write, ...]]
    log: tuple[LogRecord, ...]
    truth: tuple[Act, ...] = ()
    faults: tuple[FaultLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One thing that must not be: the rule it breaks, where, what, and the item's story, a line an event."""

    rule: str
    mailbox: str
    item: str
    detail: str
    story: tuple[str, ...] = ()


def history_file(directory: Path, server: str) -> Path:
    """Return where the history of a server (`source` or a target's name) lies."""
    return directory / f"history.{server}.jsonl"


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write dataclass values or dicts, one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for value in values:
            plain = value if isinstance(value, dict) else asdict(value)
            file.write(json.dumps(plain, separators=(",", ":"), default=_bytes) + "\n")


def load(directory: Path) -> Evidence:
    """Read a run's directory; OSError or ValueError where it is not whole."""
    run = _run(json.loads((directory / "run.json").read_text(encoding="utf-8")))
    return Evidence(
        run=run,
        source=tuple(_writes(history_file(directory, "source"))),
        targets={name: tuple(_writes(history_file(directory, name))) for name in run.targets},
        log=tuple(_log_record(line) for line in _lines(directory / "topics.jsonl")),
        truth=tuple(_known(Act, line) for line in _lines(directory / "truth.jsonl")),
        faults=tuple(_known(FaultLine, line) for line in _lines(directory / "faults.jsonl")),
    )


def _run(values: dict[str, Any]) -> Run:
    mailboxes = tuple(RunMailbox(source=m["source"], targets=m["targets"]) for m in values["mailboxes"])
    tuples = {"targets": tuple(values["targets"]), "last_status": tuple(values.get("last_status", ()))}
    run: Run = _known(Run, values | {"mailboxes": mailboxes} | tuples)
    return run


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _writes(path: Path) -> Iterator[Write]:
    for line in _lines(path):
        yield Write(**(line | {"categories": tuple(line["categories"])}))


def _log_record(line: dict[str, Any]) -> LogRecord:
    key, value = base64.b64decode(line.pop("key") or ""), line.pop("value")
    values = line | {"key": key.decode(), "value": None if value is None else base64.b64decode(value)}
    record: LogRecord = _known(LogRecord, values)
    return record


def _known(kind: Any, values: dict[str, Any]) -> Any:
    """Build a value from the keys it knows; more may stand in a line."""
    return kind(**{f.name: values[f.name] for f in fields(kind) if f.name in values})


def _bytes(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
