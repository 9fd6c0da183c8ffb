"""How a feed takes a mailbox over whose content it never read: its index is the other direction's ledger (design §8).

State: the mailbox's record, written last: `handed` names the promotion that was taken over.
Order: what the index held of an earlier life is forgotten, folders and entries are written in bounded transactions,
then the record with the Handover that begins the generation. Cursors are empty and the index is not: one listing.
Failure: dead before the record, it is all done again; until then the mailbox is behind its barrier and nothing of it
is captured.
"""

import logging
from collections.abc import Callable, Sequence

from producers.index import MailboxIndex
from schemas.ports import Outgoing
from schemas.state import Order
from schemas.topics import Topics
from schemas.turning import Known, index_entries, index_folders

log = logging.getLogger(__name__)

COMMIT_ENTRIES_MAX = 2_000
Opposite = Callable[[Order], Known | None]
"""What the other direction left of the order's mailbox; None where it did not end its role by that promotion."""


def no_opposite(_order: Order) -> Known | None:
    """Return nothing: there is no other direction."""
    return None


Write = Callable[[Sequence[Outgoing]], None]


def take_over(index: MailboxIndex, known: Known, order: Order, topics: Topics, write: Write, now: int) -> MailboxIndex:
    """Return the index as the other direction's ledger has it; everything but the mailbox's record is written."""
    folders = {f.folder_id: f for f in index_folders(known)}
    entries = {e.item: e for e in index_entries(known, order.target, now)}

    def bound() -> None:
        if index.touched >= COMMIT_ENTRIES_MAX:
            write(index.drain(topics))

    for folder_id in index.folders.keys() - folders.keys():
        index.remove_folder(folder_id)
        bound()
    for item in index.entries.keys() - entries.keys():
        index.remove(item)
        bound()
    for folder in folders.values():
        index.put_folder(folder)
        bound()
    for entry in entries.values():
        index.put(entry)
        bound()
    log.info("mailbox taken over", extra={"mailbox": order.mailbox, "items": len(entries), "owed": len(index.owed)})
    return index
