"""The whole story of one item on one timeline: source, log, ledgers, targets, and the faults around it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from deploy.lab.chaos.checker.case import Case, Pairing, item_of
from deploy.lab.chaos.checker.shore import Moment
from schemas.state import ItemRecord

_LINES_MAX: Final = 200
_AROUND_MS: Final = 2_000
_TAIL: Final = 10
"""How many last characters tell ids of one server apart."""

Line = tuple[int, str, str]


def story_of(case: Case, mailbox: str, item: str) -> list[str]:
    """Return one line an event, oldest first; at most the first two hundred."""
    lines: list[Line] = []
    for pairing in case.pairings:
        if pairing.mailbox == mailbox:
            lines += _told_by_source(case, pairing, item)
            lines += _told_by_target(pairing, item)
    lines += _told_by_log(case, mailbox, item)
    unique = sorted(set(lines))
    if unique:
        first, last = unique[0][0] - _AROUND_MS, unique[-1][0] + _AROUND_MS
        unique = sorted({*unique, *_told_by_faults(case, first, last)})
    return [f"{_clock(at)}  {who:<16} {what}" for at, who, what in unique[:_LINES_MAX]]


def _told_by_source(case: Case, pairing: Pairing, item: str) -> Iterator[Line]:
    for life in case.source_lives(pairing, item):
        for moment in life.moments:
            yield moment.write.time_ms, "source", _written(moment)


def _told_by_target(pairing: Pairing, item: str) -> Iterator[Line]:
    for life in pairing.shore.lives:
        if any(item_of(pairing, moment) == item for moment in life.moments):
            for moment in life.moments:
                yield moment.write.time_ms, pairing.target, _written(moment)
    for held in pairing.ledger.items.get((pairing.mailbox, item), ()):
        yield held.timestamp_ms, f"ledger {pairing.target}", _recorded(held.value)


def _told_by_log(case: Case, mailbox: str, item: str) -> Iterator[Line]:
    for logged in case.log.changes_of(mailbox, item):
        ref = logged.change.operation.ref  # type: ignore[union-attr] # item changes only
        what = f"{logged.kind} ({logged.change.generation}, {logged.change.sequence}) of …{ref.item_id[-_TAIL:]}"
        yield logged.record.timestamp_ms, "log", f"{what} in …{ref.folder_id[-_TAIL:]}, offset {logged.record.offset}"
    for letters in case.log.letters.values():
        for letter in letters:
            if (letter.mailbox, letter.item) == (mailbox, item):
                yield letter.at, "dead letter", letter.reason


def _told_by_faults(case: Case, first_ms: int, last_ms: int) -> Iterator[Line]:
    for line in case.evidence.faults:
        if first_ms <= line.time_ms <= last_ms:
            yield line.time_ms, "fault", f"{line.phase} {line.kind} of {line.subject} {_plain(line.detail)}"


def _plain(detail: Any) -> str:
    return ", ".join(f"{name} {str(value)[:60]}" for name, value in detail.items())


def _written(moment: Moment) -> str:
    write = moment.write
    place = "visible" if moment.is_visible else "hidden"
    was = f" (was …{write.previous_id[-_TAIL:]})" if write.previous_id else ""
    marks = f"read {write.is_read} {'/'.join(write.categories)}"
    return (
        f"{write.operation} {write.kind}{' ' + write.deletion if write.deletion else ''} …{write.id[-_TAIL:]}{was} in "
        f"…{write.folder_id[-_TAIL:]} {place}: {write.subject!r} {marks} stamp {write.stamp or '-'}; "
        f"{write.agent} request {write.request}"
    )


def _recorded(record: ItemRecord | None) -> str:
    if record is None:
        return "forgotten"
    intent = record.intent
    held = f"…{record.target_id[-_TAIL:]} nonce {record.nonce}"
    said = f"{record.state.value} ({record.generation}, {record.sequence}) {held}"
    if intent is None:
        return said + (f" {record.reason}" if record.reason else "")
    replaced = f" for …{intent.replaced_id[-_TAIL:]}" if intent.replaced_id else ""
    intended = f"intent {intent.kind.value} ({intent.sequence}) of …{intent.target_id[-_TAIL:]}{replaced}"
    return f"{said}; {intended} nonce {intent.nonce}"


def _clock(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
