"""Staging: where our items are completed and stamped before users can see them (design §6).

One permanent hidden folder a mailbox and item kind, outside the visible tree. Nothing here needs an intent:
any doubt so far means forget it and make another; what nobody names is deleted when idle.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from consumers.answer_ties import by_content
from consumers.folder_map import FolderMap
from consumers.item_writes import properties_of
from consumers.ledger import Ledger
from consumers.target import Done, Held, Outcome, PortableItem, Refused, Target, Update
from schemas.change import Form, ItemSaved
from schemas.faults import GONE, Disposition, ReplicationFault, disposition_of
from schemas.halving import may_be_refused_alone
from schemas.identity import Stamp
from schemas.ports import CallFailed, CallRefused

log = logging.getLogger(__name__)

CALL_ITEMS_MAX = 100
CALL_SIZE_BYTES_MAX = 8_000_000
ABOVE_ROOT = "root"
_KINDS = (
    ("IPM.APPOINTMENT", "IPF.Appointment"),
    ("IPM.CONTACT", "IPF.Contact"),
    ("IPM.DISTLIST", "IPF.Contact"),
    ("IPM.TASK", "IPF.Task"),
    ("IPM.STICKYNOTE", "IPF.StickyNote"),
    ("IPM.ACTIVITY", "IPF.Journal"),
)
STREAM_REFUSALS = frozenset(
    {"ErrorCorruptData", "ErrorInvalidItemForOperationUploadItems", "ErrorUnsupportedMimeConversion"}
)
ALONE_ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class ToStage:
    """One item to stage: what the log says of it, its bodies by form, and the nonce it will carry."""

    saved: ItemSaved
    bodies: dict[Form, bytes]
    nonce: str


def kind_of(item_class: str) -> str:
    """Return the folder class an item of this class may be created in."""
    upper = item_class.upper()
    return next((kind for prefix, kind in _KINDS if upper.startswith(prefix)), "IPF.Note")


class Staging:
    """Stages items of one target."""

    def __init__(
        self, target: Target, ledger: Ledger, folders: FolderMap, target_name: str, *, portable_only: bool
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._folders = folders
        self._target_name = target_name
        self._portable_only = portable_only

    def stage(self, address: str, mailbox: str, items: Sequence[ToStage]) -> list[Outcome]:
        """Create, complete and stamp items in staging; one outcome an item, in order."""
        outcomes: list[Outcome | None] = [None] * len(items)
        groups: defaultdict[tuple[str, Form], list[int]] = defaultdict(list)
        for number, item in enumerate(items):
            form = self._form(item)
            if form is None:
                outcomes[number] = _unusable(item)
            else:
                groups[kind_of(item.saved.summary.item_class), form].append(number)
        for (kind, form), numbers in groups.items():
            for batch in _batches(numbers, lambda n, form=form: len(items[n].bodies[form])):  # type: ignore[misc]
                found = self._stage_in_folder(address, mailbox, kind, form, [items[n] for n in batch])
                for number, outcome in zip(batch, found, strict=True):
                    outcomes[number] = outcome
        return [o if o is not None else Refused(ReplicationFault.NO_USABLE_FORM) for o in outcomes]

    def folder(self, address: str, mailbox: str, kind: str) -> str:
        """Return the staging folder for a kind, made and remembered on first use."""
        record = self._ledger.mailbox(mailbox)
        if kind in record.staging:
            return record.staging[kind]
        parent_id = self._folders.root(address, ABOVE_ROOT)
        name = f"mailshadow-staging-{self._target_name}-{kind.removeprefix('IPF.').lower()}"
        held = self._target.find_child(address, parent_id, name)
        if held:
            folder_id = held.folder_id
        else:
            outcome = self._target.create_folder(address, parent_id, name, kind, hidden=True)
            if isinstance(outcome, Refused):
                raise CallRefused(outcome.code, f"mailbox {mailbox}: no staging folder: {outcome.text}")
            folder_id = outcome.item_id
        self._ledger.put_mailbox(replace(record, staging=record.staging | {kind: folder_id}))
        return folder_id

    def _stage_in_folder(
        self, address: str, mailbox: str, kind: str, form: Form, items: list[ToStage]
    ) -> list[Outcome]:
        """Stage a batch in the folder of its kind; where somebody deleted that, it is made anew, once."""
        folder_id = self.folder(address, mailbox, kind)
        try:
            outcomes = self._stage_within_limits(address, folder_id, form, items)
        except CallRefused as refused:
            if not self._is_gone(address, folder_id, refused.code):
                raise
        else:
            if not any(isinstance(o, Refused) and self._is_gone(address, folder_id, o.code) for o in outcomes):
                return outcomes
        self._forget(mailbox, kind)
        return self._stage_within_limits(address, self.folder(address, mailbox, kind), form, items)

    def _is_gone(self, address: str, folder_id: str, code: str) -> bool:
        """Tell whether a refusal means that the staging folder is not there any more."""
        return code in GONE and self._target.folder(address, folder_id) is None

    def _forget(self, mailbox: str, kind: str) -> None:
        log.warning("staging folder is gone, made anew", extra={"mailbox": mailbox, "kind": kind})
        record = self._ledger.mailbox(mailbox)
        kept = {k: folder_id for k, folder_id in record.staging.items() if k != kind}
        self._ledger.put_mailbox(replace(record, staging=kept))

    def leftovers(self, address: str, mailbox: str) -> list[Held]:
        """Return what is in staging while no intent is open: nobody names it."""
        left: list[Held] = []
        for kind, folder_id in self._ledger.mailbox(mailbox).staging.items():
            try:
                left += self._target.listed(address, folder_id)
            except CallRefused as refused:
                if not self._is_gone(address, folder_id, refused.code):
                    raise
                self._forget(mailbox, kind)
        return left

    def remove(self, address: str, held: list[Held]) -> None:
        """Delete staged items for good."""
        for start in range(0, len(held), CALL_ITEMS_MAX):
            self._target.delete(address, [h.item_id for h in held[start : start + CALL_ITEMS_MAX]], hard=True)

    def _form(self, item: ToStage) -> Form | None:
        usable = (Form.PORTABLE,) if self._portable_only else (Form.STREAM, Form.PORTABLE)
        return next((f for f in usable if f in item.bodies), None)

    def _stage_within_limits(self, address: str, folder_id: str, form: Form, items: list[ToStage]) -> list[Outcome]:
        """Stage a batch; one that fails is halved until the item at fault stands alone."""
        try:
            return self._stage_batch(address, folder_id, form, items)
        except CallFailed as failure:
            is_parked = disposition_of(failure.code) is Disposition.PARK and isinstance(failure, CallRefused)
            if not may_be_refused_alone(failure):
                raise
            if len(items) == 1:
                return [self._alone(address, folder_id, form, items[0], failure, is_parked=is_parked)]
        middle = len(items) // 2
        halves = (items[:middle], items[middle:])
        return [o for half in halves for o in self._stage_within_limits(address, folder_id, form, half)]

    def _alone(
        self, address: str, folder_id: str, form: Form, item: ToStage, failure: CallFailed, *, is_parked: bool
    ) -> Outcome:
        """Return what becomes of an item whose request alone failed; the failure is raised if it is the server's.

        A server that goes on answering everything else, and fails each time it gets this item, refuses the item, with
        whatever words: request filtering answers 404, some proxies cut the connection.
        """
        for _ in range(ALONE_ATTEMPTS_MAX - 1):
            if is_parked:
                break
            if self._target.folder(address, folder_id) is None:
                raise failure
            try:
                return self._stage_batch(address, folder_id, form, [item])[0]
            except CallFailed as again:
                if not may_be_refused_alone(again):
                    raise
                failure = again
        if form is Form.STREAM and Form.PORTABLE in item.bodies:
            return self._stage_within_limits(address, folder_id, Form.PORTABLE, [item])[0]
        if is_parked:
            return Refused(failure.code, failure.detail)
        return Refused(ReplicationFault.REFUSED_ALONE, f"{failure.code}: {failure.detail}")

    def _stage_batch(self, address: str, folder_id: str, form: Form, items: list[ToStage]) -> list[Outcome]:
        if form is Form.PORTABLE:
            return self._target.create(address, folder_id, [self._portable(i) for i in items])
        answered = self._target.upload(address, folder_id, [i.bodies[Form.STREAM] for i in items])
        uploaded = by_content([i.saved for i in items], answered, lambda ids: self._target.look(address, ids))
        outcomes = list(uploaded)
        fallback = [
            n for n, o in enumerate(uploaded)
            if isinstance(o, Refused) and o.code in STREAM_REFUSALS and Form.PORTABLE in items[n].bodies
        ]  # fmt: skip
        if fallback:
            made = self._target.create(address, folder_id, [self._portable(items[n]) for n in fallback])
            for number, outcome in zip(fallback, made, strict=True):
                outcomes[number] = outcome
        to_stamp = [(n, o) for n, o in enumerate(uploaded) if isinstance(o, Done)]
        if to_stamp:
            updates = [
                Update(
                    item_id=done.item_id,
                    change_key=done.change_key,
                    stamp=self._stamp(items[n]),
                    marks=items[n].saved.marks,
                )
                for n, done in to_stamp
            ]
            for (number, _), outcome in zip(to_stamp, self._target.update(address, updates), strict=True):
                outcomes[number] = outcome
        return outcomes

    def _portable(self, item: ToStage) -> PortableItem:
        return PortableItem(
            mime=item.bodies[Form.PORTABLE],
            item_class=item.saved.summary.item_class,
            properties=properties_of(item.saved),
            marks=item.saved.marks,
            stamp=self._stamp(item),
            subject=item.saved.summary.subject,
        )

    def _stamp(self, item: ToStage) -> str:
        return str(Stamp(self._target_name, item.saved.ref.item, item.nonce))


def _unusable(item: ToStage) -> Refused:
    if item.bodies.keys() == {Form.ELEMENTS}:
        return Refused(
            ReplicationFault.NO_PORTABLE_FORM, "the log holds its elements, and a copy made of them loses the rest"
        )
    return Refused(ReplicationFault.NO_USABLE_FORM, "the log holds no form this target takes")


def _batches(numbers: list[int], size_bytes_of: Callable[[int], int]) -> list[list[int]]:
    """Split by count and bytes; one body larger than the bound goes alone."""
    batches: list[list[int]] = []
    size_bytes = 0
    for number in numbers:
        own = size_bytes_of(number)
        if not batches or len(batches[-1]) == CALL_ITEMS_MAX or size_bytes + own > CALL_SIZE_BYTES_MAX:
            batches.append([])
            size_bytes = 0
        batches[-1].append(number)
        size_bytes += own
    return batches
