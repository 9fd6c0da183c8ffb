"""What a seed did not name: items and folders of the ledger that are gone at the source. Pure."""

from consumers.ledger import Ledger
from consumers.plan import Action, Do
from consumers.step import Step
from consumers.subscription import Received
from schemas.change import Change, FolderDeleted, ItemDeleted, ItemRef, SeedEnd, Version
from schemas.state import ItemRecord


def stale_records(ledger: Ledger, change: Change, end: SeedEnd) -> list[ItemRecord]:
    """Return every item record the seed did not name."""
    begun = Version(generation=change.generation, sequence=end.begun)
    return [record for record in ledger.items(change.mailbox) if record.version < begun]


def stale_items(ledger: Ledger, received: Received, end: SeedEnd, count_max: int) -> list[Step]:
    """Return deletion steps for some of the items the seed did not name; none when all are done."""
    begun = Version(generation=received.change.generation, sequence=end.begun)
    steps: list[Step] = []
    for record in ledger.items(received.change.mailbox):
        if record.version < begun:
            steps.append(Step(received, _deleted(record), Action(Do.DELETE), record))
        if len(steps) == count_max:
            break
    return steps


def _deleted(record: ItemRecord) -> ItemDeleted:
    ref = ItemRef(
        item=record.item, item_id="", folder_id=record.folder_id, change_key="", search_key="", fingerprint=""
    )
    return ItemDeleted(ref=ref)


def stale_folders(ledger: Ledger, change: Change, end: SeedEnd) -> list[FolderDeleted]:
    """Return the mapped folders the seed did not name, children first."""
    begun = Version(generation=change.generation, sequence=end.begun)
    stale = {f.folder_id: f for f in ledger.folders(change.mailbox) if f.version < begun}

    def depth(folder_id: str) -> int:
        steps = 0
        while (folder := stale.get(folder_id)) and steps <= len(stale):
            folder_id, steps = folder.parent_id, steps + 1
        return steps

    return [FolderDeleted(folder_id=f) for f in sorted(stale, key=depth, reverse=True)]
