"""What a target holds once the barrier is applied: every folder found equal anew, before its users are let in.

A proof of before the barrier says nothing of what somebody deleted or edited at the target since. "Nothing lost" is
said of folders alone that were looked at after everything was applied.

State: in the mailbox's record `confirmed`, how many folders were found equal since the barrier (-1: not all were looked
at yet); here which folders are still to be looked at.
Order: barrier applied → `confirmed` is -1, in the same commit → one probe of all folders; those unchanged since they
were found equal are confirmed by it, the others are listed → `confirmed` is written once all were looked at.
What is missing or edited then is no work of the users who are let in afterwards: the ledger takes it over as it is, so
that the way back does not carry it to the old source. It is counted and told.
Failure: a new owner finds -1 at a mailbox that rests at its barrier, and looks at all its folders again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from consumers.ledger import Ledger
from schemas.faults import ReplicationFault
from schemas.listing import ListedItem
from schemas.state import ItemRecord, ItemState, TargetRole

log = logging.getLogger(__name__)

NOT_LOOKED_AT = -1


@dataclass(slots=True)
class _Open:
    """A mailbox whose folders are being looked at: those left, how many were equal, and whether it was probed."""

    left: set[str]
    equal: int = 0
    is_probed: bool = False
    probes: dict[str, str] = field(default_factory=dict)


class Confirmation:
    """Keeps the account of the mailboxes that rest at their barrier."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open: dict[str, _Open] = {}
        for record in list(ledger.mailboxes()):
            if record.role == TargetRole.DRAINED and record.confirmed == NOT_LOOKED_AT:
                self.begin(record.mailbox)

    def begin(self, mailbox: str) -> None:
        """Look at all folders of a mailbox that came to its barrier."""
        mapped = (f for f in self._ledger.folders(mailbox) if f.target_id and not f.left_out)
        self._open[mailbox] = _Open({folder.folder_id for folder in mapped})

    def end(self, mailbox: str) -> None:
        """Look at them no more: the mailbox was opened as it stood, or is applied to again."""
        self._open.pop(mailbox, None)

    def unprobed(self) -> list[str]:
        """Return the mailboxes whose folders are to be probed."""
        return [mailbox for mailbox, state in self._open.items() if not state.is_probed]

    def take_probes(self, mailbox: str, probes: Mapping[str, str]) -> None:
        """Keep the probe values of a mailbox's folders, by source FolderId: read before any of them is listed."""
        state = self._open[mailbox]
        state.is_probed, state.probes = True, dict(probes)
        self._write_if_done(mailbox)

    def awaits(self, mailbox: str, folder_id: str) -> bool:
        """Tell whether a folder is still to be looked at; none is once its mailbox rests no more."""
        is_resting = self._ledger.mailbox(mailbox).role == TargetRole.DRAINED
        return is_resting and mailbox in self._open and folder_id in self._open[mailbox].left

    def probe_of(self, mailbox: str, folder_id: str) -> str:
        """Return the probe value that a folder had when all were probed; empty where it was not."""
        return self._open[mailbox].probes.get(folder_id, "") if mailbox in self._open else ""

    def judged(self, mailbox: str, folder_id: str, *, is_equal: bool) -> None:
        """Note how a folder was found."""
        if not self.awaits(mailbox, folder_id):
            return
        state = self._open[mailbox]
        state.left.discard(folder_id)
        state.equal += is_equal
        self._write_if_done(mailbox)

    def keep_out(
        self, mailbox: str, missing: Sequence[ItemRecord], edited: Sequence[tuple[ItemRecord, ListedItem]]
    ) -> None:
        """Park what is missing, and take over the ChangeKeys of what was edited, before users come."""
        for record in missing:
            gone = replace(record, state=ItemState.PARKED, target_id="", reason=ReplicationFault.GONE_AT_TARGET)
            self._ledger.put_item(mailbox, gone)
        for record, listed in edited:
            self._ledger.put_item(mailbox, replace(record, target_change_key=listed.change_key))
        if missing or edited:
            counts = {"missing": len(missing), "edited": len(edited)}
            log.error("target was altered before it was opened", extra={"mailbox": mailbox, **counts})

    def _write_if_done(self, mailbox: str) -> None:
        state = self._open[mailbox]
        if state.left or not state.is_probed:
            return
        del self._open[mailbox]
        self._ledger.put_mailbox(replace(self._ledger.mailbox(mailbox), confirmed=state.equal))
        log.info("folders confirmed", extra={"mailbox": mailbox, "equal": state.equal})
