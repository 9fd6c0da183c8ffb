"""Dead letters as a table: what is parked in the ledgers, joined with the newest letter of each item."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.kafka import KafkaSettings
from deploy.partition.reader import read_to_end
from deploy.pipeline_state import PipelineState
from schemas.change import Change, ItemSaved
from schemas.codec import decode
from schemas.identity import partition_of
from schemas.ports import Incoming
from schemas.state import DeadLetter, ItemRecord
from schemas.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which parked items are meant; empty or 0 means any, times in milliseconds."""

    target: str = ""
    mailbox: str = ""
    item: str = ""
    reason: str = ""
    since: int = 0
    until: int = 0
    is_dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked item with its letter, if that is kept still; `is_at_source`: the feed knows it."""

    target: str
    mailbox: str
    record: ItemRecord
    letter: DeadLetter | None
    is_at_source: bool

    @property
    def at(self) -> int:
        """When it was parked, milliseconds; 0: unknown."""
        return self.letter.at if self.letter else 0


def read_letters(settings: KafkaSettings, topic: str, partitions: set[int]) -> dict[tuple[str, str], DeadLetter]:
    """Return the newest letter of each (mailbox, item) of some partitions."""
    newest: dict[tuple[str, str], DeadLetter] = {}
    for partition in sorted(partitions):
        for incoming in read_to_end(settings, topic, partition, None, lambda: True):
            if isinstance(incoming, Incoming) and incoming.value:
                letter = decode(incoming.value)
                newest[letter.mailbox, letter.item] = letter
    return newest


def parked(settings: KafkaSettings, topics: Topics, state: PipelineState, wanted: Filter) -> Iterator[Parked]:
    """Yield the parked items that are meant, by target, mailbox and item."""
    for target, standings in sorted(state.targets.items()):
        if wanted.target not in ("", target):
            continue
        chosen = {
            mailbox: records
            for mailbox, standing in sorted(standings.items())
            if wanted.mailbox in ("", mailbox)
            and (records := standing.dropped if wanted.is_dropped else standing.parked)
        }
        partitions = {partition_of(mailbox, settings.partition_count) for mailbox in chosen}
        letters = read_letters(settings, topics.dead_letters(target), partitions)
        for mailbox, records in chosen.items():
            source = state.sources.get(mailbox)
            for record in sorted(records, key=lambda r: r.item):
                found = Parked(
                    target=target,
                    mailbox=mailbox,
                    record=record,
                    letter=letters.get((mailbox, record.item)),
                    is_at_source=source is not None and record.item in source.present,
                )
                if _is_meant(found, wanted):
                    yield found


def _is_meant(found: Parked, wanted: Filter) -> bool:
    is_named = found.record.item.startswith(wanted.item) and wanted.reason.lower() in found.record.reason.lower()
    is_in_time = found.at >= wanted.since and (not wanted.until or found.at <= wanted.until)
    return is_named and is_in_time


def row(found: Parked) -> dict[str, Any]:
    """Return what `list` says of a parked item."""
    return {
        "target": found.target,
        "mailbox": found.mailbox,
        "item": found.record.item,
        "reason": found.record.reason,
        "parked_at_ms": found.at,
        "at_source": found.is_at_source,
        "dropped_at_ms": found.record.dropped_at,
    }


def details(found: Parked) -> dict[str, Any]:
    """Return what `show` says of a parked item; no subject, no address, no content."""
    record, letter = found.record, found.letter
    change = decode(letter.change) if letter else None
    operation = change.operation if isinstance(change, Change) else None
    described: dict[str, Any] = row(found) | {
        "detail": letter.detail if letter else "",
        "generation": record.generation,
        "sequence": record.sequence,
        "folder_id": record.folder_id,
        "target_item_id": record.target_id,
        "evidence": "none is kept" if letter is None else type(operation).__name__,
        "offset": letter.offset if letter else -1,
    }
    if isinstance(operation, ItemSaved):
        described["item_class"] = operation.summary.item_class
        described["contents"] = [
            {"form": c.form.value, "size_bytes": c.size_bytes, "sha256": c.sha256, "chunks": c.chunk_count}
            for c in operation.contents
        ]
    return described
