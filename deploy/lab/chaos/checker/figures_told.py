"""What the product says of itself, against the log (invariant 9): positions and counts of the last status."""

from collections.abc import Iterator
from typing import Any

from deploy.lab.chaos.checker.case import Case, Pairing, anomaly
from deploy.lab.chaos.evidence import Anomaly
from schemas.state import ItemState


def positions_equal_the_log(case: Case) -> Iterator[Anomaly]:
    """Yield every mailbox whose ledger does not stand at the last change of the log."""
    for pairing in case.at_rest:
        changes = case.log.changes.get(pairing.mailbox, ())
        record = pairing.ledger.mailboxes.get(pairing.mailbox)
        if changes and (record is None or record.applied != changes[-1].change.version):
            said = record.applied if record else None
            yield anomaly("behind", pairing, "", f"applied {said}, the log ends at {changes[-1].change.version}")


def status_equals_the_log(case: Case) -> Iterator[Anomaly]:
    """Yield every figure of the last status that the topics contradict."""
    rows = {row["mailbox"]: row for row in case.run.last_status}
    for pairing in case.at_rest:
        row = rows.get(pairing.mailbox)
        if row is None and case.run.last_status:
            yield anomaly("status-untrue", pairing, "", "the status does not name the mailbox")
        elif row is not None:
            wanted = _counted(case, pairing)
            said = _said(row, pairing.target)
            for name in wanted:
                if said.get(name) != wanted[name]:
                    detail = f"the status says {name} {said.get(name)}, the topics {wanted[name]}"
                    yield anomaly("status-untrue", pairing, "", detail)


def _said(row: Any, target: str) -> dict[str, int]:
    source, held = row["source"], row["targets"].get(target, {})
    return {
        "last sequence": source["next_sequence"] - 1,
        "items at the source": source["items"],
        "applied sequence": held.get("applied_sequence", 0),
        "items at the target": held.get("items", 0),
        "parked": held.get("parked", 0),
        "wanted": held.get("wanted", 0),
    }


def _counted(case: Case, pairing: Pairing) -> dict[str, int]:
    changes = case.log.changes.get(pairing.mailbox, ())
    last = changes[-1].change.sequence if changes else 0
    records = [pairing.ledger.last(m, item) for m, item in list(pairing.ledger.items) if m == pairing.mailbox]
    held = [record for record in records if record is not None]
    states = [record.state for record in held]
    return {
        "last sequence": last,
        "items at the source": sum(e is not None for (m, _), e in case.log.index.items() if m == pairing.mailbox),
        "applied sequence": last,
        "items at the target": sum(bool(record.target_id) for record in held),
        "parked": states.count(ItemState.PARKED),
        "wanted": states.count(ItemState.WANTED),
    }
