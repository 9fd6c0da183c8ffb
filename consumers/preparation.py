"""The first half of a run: plan every change, stage what needs it, put intents and plain records into the ledger.

Nothing visible is written here. Dead before the commit that follows, it is all done again; what lies in staging then
is named by nobody and goes when idle.
"""

from collections.abc import Callable
from dataclasses import replace

from consumers import intents
from consumers.likeness import has_elements_alone
from consumers.patience import FellBehind
from consumers.plan import ADOPTED, WRITES, Action, Do, plan
from consumers.run import Run, Tools
from consumers.scope import LEFT_OUT_AGE, LEFT_OUT_FOLDER
from consumers.staging import ToStage
from consumers.step import Step
from consumers.target import Done, Refused
from schemas.change import ItemMarked, ItemMoved, ItemOperation, ItemSaved, SeedEnd
from schemas.faults import Disposition, ReplicationFault, disposition_of
from schemas.identity import key_mark, mark_in
from schemas.ports import CallRefused, Clock
from schemas.state import ItemRecord, ItemState

ITEM_RETRY_SECONDS_MAX = 600
ALONE_SECONDS_MIN = 120


class Preparation:
    """Prepares runs at one target; `mint` makes nonces nobody has used."""

    def __init__(self, tools: Tools, mint: Callable[[], str], clock: Clock) -> None:
        self._ledger = tools.ledger
        self._folders = tools.folders
        self._staging = tools.staging
        self._dead_letters = tools.dead_letters
        self._gate = tools.gate
        self._want = tools.want
        self._merging = tools.merging
        self._likeness = tools.likeness
        self._scope = tools.scope
        self._mint = mint
        self._clock = clock
        self._refusals: dict[tuple[str, str], int] = {}

    def prepare(self, run: Run, target: str) -> None:
        """Plan every step, stage what needs it, and put intents and plain records into the ledger."""
        for step in run.steps:
            step.record = self._known(run.mailbox, step.operation.ref.item)
            step.action = self._action(run, step, target)
        self._merge(run, target)
        self._spare(run, target)
        self._stage(run)
        self._weigh_parked(run)
        for step in run.steps:
            self._put_prepared(run, step)

    def _merge(self, run: Run, target: str) -> None:
        """Where users work at the target, let what became of an item say what its change comes to."""
        found = self._merging.look(run.address, run.mailbox, [s.record for s in run.steps if s.record])
        for step in run.steps:
            if finding := found.get(step.operation.ref.item):
                settled = self._merging.settle(step.received.change, step.operation, step.action, finding)
                step.operation, step.action = settled.operation, settled.action
                if settled.is_copy:
                    step.record = self._known(run.mailbox, step.operation.ref.item)
                    step.action = self._action(run, step, target)

    def _spare(self, run: Run, target: str) -> None:
        """Leave alone what says already what its save says, and change in place what no copy can stand for."""
        alike = self._likeness.alike(run.address, run.steps)
        for step in run.steps:
            key, is_alike = step.operation.ref.change_key, step.operation.ref.item in alike and not run.is_redrive
            if is_alike and step.record and isinstance(step.operation, ItemSaved):
                said = replace(step.operation, targets=())
                step.action = plan(step.received.change, said, replace(step.record, source_change_key=key), target)
            if step.action.do is Do.PLACE:
                step.action = self._likeness.in_place(step)

    def _known(self, mailbox: str, item: str) -> ItemRecord | None:
        """Return an item's record; one that was adopted names its folder by the target's id until it is mapped."""
        record = self._ledger.item(mailbox, item)
        if record is None or not record.folder_id.startswith(ADOPTED):
            return record
        target_id = record.folder_id.removeprefix(ADOPTED)
        mapped = next((f.folder_id for f in self._ledger.folders(mailbox) if f.target_id == target_id), "")
        return replace(record, folder_id=mapped or record.folder_id)

    def _nonce(self, step: Step) -> str:
        """Mint a nonce that ends in the mark of the content it stands for: a mark on older content keeps its mark."""
        keeps_content = step.action.do is Do.MARK and step.record and step.record.state is not ItemState.PRESENT
        mark = mark_in(step.record.nonce) if keeps_content and step.record else key_mark(step.operation.ref.change_key)
        return self._mint() + mark

    def _left_out(self, run: Run, step: Step) -> str:
        """Return why a change puts its item out of the target's scope, or nothing."""
        if self._folders.is_left_out(run.mailbox, step.operation.ref.folder_id):
            return LEFT_OUT_FOLDER
        if not isinstance(step.operation, ItemSaved):
            return ""
        reason = self._scope.leaves_out_item(step.operation, step.received.change.captured_at)
        # what was taken in grows old at the target, however often it is said again
        return "" if reason == LEFT_OUT_AGE and step.record and step.record.target_id else reason

    def _action(self, run: Run, step: Step, target: str) -> Action:
        if run.is_redrive:
            is_parked = step.record is not None and step.record.state is ItemState.PARKED
            return Action(Do.PLACE, step.record.target_id) if step.record and is_parked else Action(Do.SKIP)
        if _is_adopted_and_unnamed(step):
            return Action(Do.ORPHAN)
        planned = plan(step.received.change, step.operation, step.record, target, self._left_out(run, step))
        is_unsure = planned.do in {Do.PLACE, Do.DISCARD} and intents.is_ambiguous(step.record)
        if is_unsure and target not in _asked_by(step.operation):
            step.reason = ReplicationFault.AMBIGUOUS_STAMP
            return Action(Do.PARK)
        action = self._gate.decide(step.received, planned)
        if action.do is Do.PARK and planned.do is not Do.PARK:
            step.reason = ReplicationFault.SKIPPED
        return action

    def _weigh_parked(self, run: Run) -> None:
        """Raise FellBehind, before anything is recorded, if so much would be parked that it is not the items' fault."""
        writes = WRITES | {Do.PARK}
        weighed = [
            s for s in run.steps if s.action.do in writes and not s.reason and not self._gate.is_released(s.received)
        ]
        counted = (
            "" if run.is_redrive else self._dead_letters.weigh(run.mailbox, [s.action.do is Do.PARK for s in weighed])
        )
        if counted:
            self._gate.trip(run.mailbox, ReplicationFault.DEAD_LETTER_LIMIT, counted)
            self._dead_letters.require_few_held(self._ledger.mailboxes())
            raise FellBehind(ReplicationFault.DEAD_LETTER_LIMIT)

    def _stage(self, run: Run) -> None:
        steps = [s for s in run.steps if s.action.do is Do.PLACE]
        to_stage = []
        for step in steps:
            step.nonce = self._nonce(step)
            if isinstance(step.operation, ItemSaved):
                to_stage.append(ToStage(step.operation, step.received.bodies, step.nonce))
        if not to_stage:
            return
        for step, outcome in zip(steps, self._staging.stage(run.address, run.mailbox, to_stage), strict=True):
            step.staged = outcome
            if isinstance(outcome, Refused):
                self._weigh(run, step, outcome)
                step.action = Action(Do.PARK)

    def _weigh(self, run: Run, step: Step, refused: Refused) -> None:
        """Raise a refusal that is to be waited for or is wider than the item; the others park it."""
        disposition = disposition_of(refused.code)
        key = (run.mailbox, step.operation.ref.item)
        # a network that cuts large requests for a while looks like a server that refuses one item; and a code that
        # refuses us, or that nobody knows, may be meant for all or for this item
        is_doubtful = refused.code == ReplicationFault.REFUSED_ALONE or disposition is Disposition.HALT
        if disposition is Disposition.RETRY or is_doubtful:
            first_at = self._refusals.setdefault(key, self._clock())
            patience_seconds = ALONE_SECONDS_MIN if is_doubtful else ITEM_RETRY_SECONDS_MAX
            if self._clock() - first_at < patience_seconds * 1000:
                raise CallRefused(refused.code, refused.text)
        elif disposition is not Disposition.PARK:
            raise CallRefused(refused.code, refused.text)
        self._refusals.pop(key, None)

    def _put_prepared(self, run: Run, step: Step) -> None:
        change, operation, record = step.received.change, step.operation, step.record
        item = operation.ref.item
        match step.action.do:
            case Do.SKIP:
                return
            case Do.DISCARD:
                self._ledger.drop_item(run.mailbox, item)
            case Do.RECORD:
                self._ledger.put_item(run.mailbox, self._recorded(step))
            case Do.ORPHAN if record:
                self._gate.orphan(step.received, record)
            case Do.PARK:
                refused = step.staged.code if isinstance(step.staged, Refused) else getattr(operation, "reason", "")
                self.park(run, step, step.reason or refused)
            case Do.WANT:
                self._want(run.mailbox, item)
                self._ledger.put_item(run.mailbox, intents.wanted(record, change, operation))
            case Do.LEAVE_OUT:
                left_out = intents.left_out(record, change, operation, step.action.left_out)
                self._ledger.put_item(run.mailbox, left_out)
            case Do.PLACE | Do.MARK | Do.EDIT | Do.MOVE | Do.DELETE | Do.WITHDRAW:
                step.nonce = step.nonce or self._nonce(step)
                staged = step.staged if isinstance(step.staged, Done) else None
                intended = intents.intended(record, change, operation, step.action, step.nonce, staged)
                self._ledger.put_item(run.mailbox, intended)

    def _recorded(self, step: Step) -> ItemRecord:
        recorded = intents.recorded(step.record, step.received.change, step.operation)
        key = step.operation.ref.change_key
        # a mark or a move leaves the content as it is, so what is current stays so under the new ChangeKey
        keeps_content = isinstance(step.operation, ItemMarked | ItemMoved) and recorded.state is ItemState.PRESENT
        if key and (keeps_content or isinstance(step.operation, ItemSaved)):
            return replace(recorded, source_change_key=key)
        return recorded

    def park(self, run: Run, step: Step, reason: str) -> None:
        """Keep the evidence of a change that can't be applied, then the record that its content is behind."""
        change, operation = step.received.change, step.operation
        if not run.is_redrive:
            detail = step.staged.text if isinstance(step.staged, Refused) else ""
            self._dead_letters.add(step.received, operation.ref.item, reason, detail)
        parked = intents.parked(step.record, change, operation, reason)
        if step.record and step.record.target_id and has_elements_alone(step):
            # they are set where the item is, also by a redrive: the record says where that is
            parked = replace(parked, folder_id=step.record.folder_id)
        self._ledger.put_item(run.mailbox, parked)


def _asked_by(operation: ItemOperation) -> tuple[str, ...]:
    """Return the targets that asked for what an operation says."""
    return operation.targets if isinstance(operation, ItemSaved) else ()


def _is_adopted_and_unnamed(step: Step) -> bool:
    """Tell whether only a stamp says that an item is ours, and its seed did not name it: it may be anybody's copy."""
    is_end = isinstance(step.received.change.operation, SeedEnd)
    return is_end and step.record is not None and step.record.generation == 0
