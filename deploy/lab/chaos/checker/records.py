"""What the log says (invariants 2 and 4): dense sequences, no deletion of what lives, the index beside its changes."""

from collections.abc import Iterator, Sequence

from deploy.lab.chaos.checker.case import Case
from deploy.lab.chaos.checker.log import Logged
from deploy.lab.chaos.checker.sightings import is_alive
from deploy.lab.chaos.evidence import Anomaly
from schemas.change import SeedBegin, SeedEnd, Version


def records_are_whole(case: Case) -> Iterator[Anomaly]:
    """Yield every record that is none of the contract."""
    for record in case.log.undecodable:
        detail = f"{record.topic} partition {record.partition} offset {record.offset} cannot be decoded"
        yield Anomaly(rule="undecodable", mailbox="", item="", detail=detail)


def sequences_are_dense(case: Case) -> Iterator[Anomaly]:
    """Yield every gap, repetition and unannounced generation in a mailbox's changes."""
    for mailbox, changes in case.log.changes.items():
        previous: Logged | None = None
        for logged in changes:
            fault = _follows(previous, logged)
            if fault:
                at = f"offset {logged.record.offset} of partition {logged.record.partition}"
                detail = f"{fault} at {at} ({logged.kind})"
                rule = "sequence-twice" if "again" in fault else "sequence-gap"
                yield Anomaly(rule=rule, mailbox=mailbox, item=logged.item, detail=detail)
            previous = logged


def _follows(previous: Logged | None, logged: Logged) -> str:
    """Return what is wrong with the place of a change; nothing if it is the next."""
    version = logged.change.version
    if previous is None:
        return "" if version.sequence == 1 else f"the log begins with sequence {version.sequence}"
    before = previous.change.version
    if logged.record.partition != previous.record.partition:
        return "another partition"
    if version.generation == before.generation:
        if version.sequence == before.sequence + 1:
            return ""
        again = "again " if version.sequence <= before.sequence else ""
        return f"{again}sequence {version.sequence} after {before.sequence}"
    operation = logged.change.operation
    is_announced = isinstance(operation, SeedBegin) and operation.previous in {None, before}
    if version.generation > before.generation and version.sequence == 1 and is_announced:
        return ""
    return f"generation {version.generation} sequence {version.sequence} after {before}"


def deletions_are_true(case: Case) -> Iterator[Anomaly]:
    """Yield every deletion in the log of an item that the source still had when the broker took the record."""
    for pairing in case.pairings:
        for logged in case.log.changes.get(pairing.mailbox, ()):
            if logged.kind != "ItemDeleted":
                continue
            lives = case.twins(pairing, logged.item)
            if len(lives) == 1 and is_alive(lives[0], logged.record.timestamp_ms):
                detail = f"sequence {logged.change.sequence} says deleted while the source has the item"
                yield Anomaly(rule="deleted-alive", mailbox=pairing.mailbox, item=logged.item, detail=detail)


def index_equals_log(case: Case) -> Iterator[Anomaly]:
    """Yield every change without its index entry, and every entry without its change."""
    last: dict[tuple[str, str], Logged] = {}
    gone: set[tuple[str, str]] = set()
    for mailbox, changes in case.log.changes.items():
        newest, unnamed = _told(changes)
        last.update({(mailbox, item): logged for item, logged in newest.items()})
        gone |= {(mailbox, item) for item in unnamed}
    for (mailbox, item), logged in last.items():
        entry, ref = case.log.index.get((mailbox, item)), logged.change.operation.ref  # type: ignore[union-attr] # items only
        is_gone = logged.kind == "ItemDeleted" or (mailbox, item) in gone
        if is_gone and entry is not None:
            yield Anomaly(rule="index-behind", mailbox=mailbox, item=item, detail="indexed although deleted in the log")
        if not is_gone and (entry is None or (entry.item_id, entry.folder_id) != (ref.item_id, ref.folder_id)):
            detail = f"the last change ({logged.kind}, sequence {logged.change.sequence}) has no index entry of its id"
            yield Anomaly(rule="index-behind", mailbox=mailbox, item=item, detail=detail)
    for (mailbox, item), entry in case.log.index.items():
        if entry is not None and entry.owed is None and (mailbox, item) not in last:
            yield Anomaly(rule="change-missing", mailbox=mailbox, item=item, detail="indexed without any change")


def _told(changes: Sequence[Logged]) -> tuple[dict[str, Logged], set[str]]:
    """Return the last change of every item of a mailbox, and the items that a whole seed did not name."""
    last: dict[str, Logged] = {}
    gone: set[str] = set()
    for logged in changes:
        if isinstance(operation := logged.change.operation, SeedEnd):
            begun = Version(generation=logged.change.generation, sequence=operation.begun)
            gone |= {item for item, told in last.items() if told.change.version < begun}
        elif logged.item:
            last[logged.item] = logged
            gone.discard(logged.item)
    return last, gone
