"""Is a ledger of the mailbox that its address leads to now? A corrected address may lead to another one (design §5).

State: the digest of the address in the mailbox's record; in memory, which addresses were looked at.
Order: an address that is not the recorded one is looked up: the same mailbox has the same distinguished folders. Of
another one everything is forgotten: items, then folders, then the record with the new digest, in which a seed is
awaited. Nothing is deleted at the mailbox it was of.
Failure: dead before the record, it is all done again.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from consumers.ledger import Ledger
from consumers.target import Target
from schemas.roles import is_merging, is_resting
from schemas.state import TargetMailbox

log = logging.getLogger(__name__)

ANOTHER_MAILBOX = "its address leads to another mailbox"


def digest_of(address: str) -> str:
    """Return by what an address is known again, without naming it."""
    return hashlib.sha256(address.lower().encode()).hexdigest()[:16]


class Addresses:
    """Looks at the addresses of one partition's mailboxes at one target; `commit` writes the ledger as it stands."""

    def __init__(self, target: Target, ledger: Ledger, commit: Callable[[], None]) -> None:
        self._target = target
        self._ledger = ledger
        self._commit = commit
        self._seen: dict[str, str] = {}

    def changed(self, addresses: Mapping[str, str]) -> list[str]:
        """Return the mailboxes whose address is not the recorded one and that could go on; others are noted."""
        changed: list[str] = []
        for mailbox, address in addresses.items():
            if self._seen.get(mailbox) == address:
                continue
            record, digest = self._ledger.mailbox(mailbox), digest_of(address)
            is_ours = not is_resting(record) and not is_merging(record)
            if record.address not in ("", digest) and is_ours:
                if not record.behind:
                    changed.append(mailbox)
                continue
            self._seen[mailbox] = address
            if record.generation and record.address != digest and is_ours:
                self._ledger.put_mailbox(replace(record, address=digest))
        return changed

    def is_same_mailbox(self, mailbox: str, address: str) -> bool:
        """Tell whether an address leads to the mailbox the ledger is of; CallFailed if the target can't say."""
        named = next((f for f in self._ledger.folders(mailbox) if f.distinguished and f.target_id), None)
        return named is not None and self._target.root(address, named.distinguished) == named.target_id

    def note(self, mailbox: str, address: str) -> None:
        """Note that an address leads to the mailbox the ledger is of."""
        self._ledger.put_mailbox(replace(self._ledger.mailbox(mailbox), address=digest_of(address)))

    def forget(self, mailbox: str, address: str) -> None:
        """Forget what the ledger holds of another mailbox, which waits for a seed then; the caller orders it."""
        log.error("address leads to another mailbox, its ledger is forgotten", extra={"mailbox": mailbox})
        record = self._ledger.mailbox(mailbox)
        self._ledger.put_mailbox(replace(record, unsettled=()))
        for item in list(self._ledger.items(mailbox)):
            self._ledger.drop_item(mailbox, item.item)
            if self._ledger.is_full:
                self._commit()
        self._commit()
        for folder in list(self._ledger.folders(mailbox)):
            self._ledger.drop_folder(mailbox, folder.folder_id)
            if self._ledger.is_full:
                self._commit()
        self._ledger.put_mailbox(
            TargetMailbox(
                mailbox=mailbox,
                generation=record.generation,
                applied_sequence=record.applied_sequence,
                waiting=ANOTHER_MAILBOX,
                scope=record.scope,
                handed=record.handed,
                reopened=record.reopened,
                ordered_offset=record.ordered_offset,
                ordered_at=record.ordered_at,
                address=digest_of(address),
            )
        )
