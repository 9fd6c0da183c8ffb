"""One run of one mailbox: a few changes of distinct items, from plan to result.

Order: plan → stage → (the replayer commits intents) → perform → results in the ledger, not committed yet.
Failure: before the commit nothing visible was done, and the run is planned again; after it every input ends as
done, refused or unknown, and what is not done is settled by looking before anything else of the mailbox.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from consumers import intents
from consumers.dead_letters import DeadLetters
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.ledger import Ledger
from consumers.patience import FellBehind
from consumers.plan import ADOPTED, Action, Do, plan
from consumers.recovery import Finding, Recovery, Settled
from consumers.scope import LEFT_OUT_FOLDER, Scope
from consumers.staging import Staging, ToStage
from consumers.subscription import Received
from consumers.target import Done, Outcome, Refused, Target, Update
from schemas.change import ItemDeleted, ItemMarked, ItemMoved, ItemOperation, ItemSaved
from schemas.faults import Disposition, ReplicationFault, disposition_of
from schemas.identity import Stamp, key_mark
from schemas.metrics import ReplayMetrics
from schemas.ports import AnswerUnknown, CallRefused, Clock
from schemas.state import Intent, IntentKind, ItemRecord, ItemState

log = logging.getLogger(__name__)

ITEM_RETRY_SECONDS_MAX = 600
STAGED_AGAIN_MAX = 5


@dataclass(slots=True)
class Step:
    """One item change of a run and what becomes of it."""

    received: Received
    operation: ItemOperation
    action: Action
    record: ItemRecord | None
    staged: Outcome | None = None
    nonce: str = ""
    reason: str = ""


@dataclass(slots=True)
class Run:
    """The steps of a mailbox that share a transaction.

    `again` has to be staged anew, `open_items` are settled once `is_sent`; `last` is the change that is complete with
    this run, where the run is only the rest of a larger one; `first_offset` is where the whole of it begins. A redrive
    says parked content once more and completes no position.
    """

    mailbox: str
    address: str
    steps: list[Step] = field(default_factory=list)
    again: list[Received] = field(default_factory=list)
    open_items: list[str] = field(default_factory=list)
    is_sent: bool = False
    first_offset: int = -1
    last: Received | None = None
    is_redrive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a run works with, all of one target and one partition; `want` orders an item's content of the feed."""

    target: Target
    ledger: Ledger
    folders: FolderMap
    staging: Staging
    recovery: Recovery
    dead_letters: DeadLetters
    gate: Gate
    want: Callable[[str, str], None]
    scope: Scope = field(default_factory=Scope)


class MailboxWorker:
    """Carries out runs at one target."""

    def __init__(
        self, tools: "Tools", target_name: str, mint: Callable[[], str], clock: Clock, metrics: ReplayMetrics
    ) -> None:
        self._target = tools.target
        self._ledger = tools.ledger
        self._folders = tools.folders
        self._staging = tools.staging
        self._recovery = tools.recovery
        self._dead_letters = tools.dead_letters
        self._gate = tools.gate
        self._target_name = target_name
        self._mint = mint
        self._clock = clock
        self._want = tools.want
        self._scope = tools.scope
        self._staged_again: Counter[tuple[str, str]] = Counter()
        self._metrics = metrics
        self._refusals: dict[tuple[str, str], int] = {}

    # -- before the commit ---------------------------------------------------------------------------------

    def prepare(self, run: Run, target: str) -> None:
        """Plan every step, stage what needs it, and put intents and plain records into the ledger."""
        for step in run.steps:
            step.record = self._known(run.mailbox, step.operation.ref.item)
            step.action = self._action(run, step, target)
        self._stage(run)
        self._weigh_parked(run)
        for step in run.steps:
            self._put_prepared(run, step)

    def _known(self, mailbox: str, item: str) -> ItemRecord | None:
        """Return an item's record; one that was adopted names its folder by the target's id until it is mapped."""
        record = self._ledger.item(mailbox, item)
        if record is None or not record.folder_id.startswith(ADOPTED):
            return record
        target_id = record.folder_id.removeprefix(ADOPTED)
        mapped = next((f.folder_id for f in self._ledger.folders(mailbox) if f.target_id == target_id), "")
        return replace(record, folder_id=mapped or record.folder_id)

    def _nonce(self, step: Step) -> str:
        return self._mint() + key_mark(step.operation.ref.change_key)

    def _left_out(self, run: Run, step: Step) -> str:
        """Return why a change puts its item out of the target's scope, or nothing."""
        if self._folders.is_left_out(run.mailbox, step.operation.ref.folder_id):
            return LEFT_OUT_FOLDER
        if isinstance(step.operation, ItemSaved):
            return self._scope.leaves_out_item(step.operation, step.received.change.captured_at)
        return ""

    def _action(self, run: Run, step: Step, target: str) -> Action:
        if run.is_redrive:
            is_parked = step.record is not None and step.record.state is ItemState.PARKED
            return Action(Do.PLACE, step.record.target_id) if step.record and is_parked else Action(Do.SKIP)
        planned = plan(step.received.change, step.operation, step.record, target, self._left_out(run, step))
        action = self._gate.decide(step.received, planned)
        if action.do is Do.PARK and planned.do is not Do.PARK:
            step.reason = ReplicationFault.SKIPPED
        return action

    def _weigh_parked(self, run: Run) -> None:
        """Raise FellBehind, before anything is recorded, if so much would be parked that it is not the items' fault."""
        writes = {Do.PARK, Do.PLACE, Do.MARK, Do.MOVE, Do.DELETE, Do.WITHDRAW}
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
        if disposition is Disposition.RETRY:
            first_at = self._refusals.setdefault(key, self._clock())
            if self._clock() - first_at < ITEM_RETRY_SECONDS_MAX * 1000:
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
                self._park(run, step, step.reason or refused)
            case Do.WANT:
                self._want(run.mailbox, item)
                self._ledger.put_item(run.mailbox, intents.wanted(record, change, operation))
            case Do.LEAVE_OUT:
                left_out = intents.left_out(record, change, operation, step.action.left_out)
                self._ledger.put_item(run.mailbox, left_out)
            case Do.PLACE | Do.MARK | Do.MOVE | Do.DELETE | Do.WITHDRAW:
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

    def _park(self, run: Run, step: Step, reason: str) -> None:
        change, operation = step.received.change, step.operation
        if not run.is_redrive:
            detail = step.staged.text if isinstance(step.staged, Refused) else ""
            self._dead_letters.add(step.received, operation.ref.item, reason, detail)
        self._ledger.put_item(run.mailbox, intents.parked(step.record, change, operation, reason))

    # -- after the commit ----------------------------------------------------------------------------------

    def open_items(self, run: Run) -> tuple[str, ...]:
        """Note and return the items of a run whose intent is open, to be committed with it."""
        records = (self._ledger.item(run.mailbox, s.operation.ref.item) for s in run.steps)
        run.open_items = [r.item for r in records if r and r.intent]
        return tuple(run.open_items)

    def perform(self, run: Run) -> None:
        """Send the visible writes once, then settle what is not clearly done."""
        run.is_sent = True
        outcomes: dict[str, Outcome] = {}
        records = [r for i in run.open_items if (r := self._ledger.item(run.mailbox, i))]
        try:
            self._send(run, records, outcomes)
        except AnswerUnknown:
            log.info("answer unknown, looking", extra={"mailbox": run.mailbox})
        finally:
            for record in records:
                if isinstance(outcome := outcomes.get(record.item), Done):
                    self._finish(run.mailbox, record, outcome)
        self.settle_open(run)

    def settle_open(self, run: Run) -> None:
        """Settle every intent of the run that is still open; CallFailed leaves the rest open."""
        for item in run.open_items:
            record = self._ledger.item(run.mailbox, item)
            if record and record.intent:
                kind = record.intent.kind
                settled = self.settle(run, record)
                self._metrics.settled.labels(kind=kind.value, finding=settled.finding.name).inc()

    def _send(self, run: Run, records: list[ItemRecord], outcomes: dict[str, Outcome]) -> None:
        kinds: defaultdict[tuple[IntentKind, str], list[tuple[ItemRecord, Intent]]] = defaultdict(list)
        for record in records:
            if intent := record.intent:
                is_moved = intent.kind in {IntentKind.PLACE, IntentKind.MOVE}
                kinds[intent.kind, intent.folder_id if is_moved else ""].append((record, intent))
        for (kind, folder_id), group in kinds.items():
            ids = [intent.target_id for _, intent in group]
            match kind:
                case IntentKind.PLACE | IntentKind.MOVE:
                    destination = self._folders.target_id(run.mailbox, folder_id)
                    found = self._target.move(run.address, ids, destination)
                case IntentKind.MARK:
                    found = self._target.update(run.address, [self._update(r, i) for r, i in group])
                case IntentKind.DELETE:
                    found = self._target.delete(run.address, ids, hard=False)
            self._drop_replaced(run, group, found)
            for (record, _), outcome in zip(group, found, strict=True):
                outcomes[record.item] = outcome

    def _drop_replaced(self, run: Run, group: list[tuple[ItemRecord, Intent]], found: list[Outcome]) -> None:
        """Delete for good what new content stands in for now; any doubt of it leaves the intent unsettled."""
        replaced = [
            i.replaced_id for (_, i), o in zip(group, found, strict=True) if i.replaced_id and isinstance(o, Done)
        ]
        if replaced:
            for outcome in self._target.delete(run.address, replaced, hard=True):
                if isinstance(outcome, Refused):
                    raise AnswerUnknown(outcome.code, outcome.text)

    def _update(self, record: ItemRecord, intent: Intent) -> Update:
        marks = intent.marks
        if marks is None:
            raise CallRefused(ReplicationFault.INTENT_DAMAGED, f"item {record.item}: an intent to mark names no marks")
        return Update(
            item_id=intent.target_id,
            change_key=intent.change_key,
            stamp=str(Stamp(self._target_name, record.item, intent.nonce)),
            marks=marks,
        )

    def settle(self, run: Run, record: ItemRecord) -> Settled:
        """Find out what became of an open intent, and put that into the ledger."""
        settled = self._recovery.settle(run.address, run.mailbox, record)
        record = self._ledger.item(run.mailbox, record.item) or record
        step = next((s for s in run.steps if s.operation.ref.item == record.item), None)
        match settled.finding:
            case Finding.DONE if settled.done:
                self._finish(run.mailbox, record, settled.done)
            case Finding.PARKED:
                self._park_settled(run, step, record, settled.reason)
            case Finding.LOST:
                lost = replace(intents.blank(record.item, record.folder_id), marks=record.marks)
                version = record.intent or record
                self._want(run.mailbox, record.item)
                self._ledger.put_item(
                    run.mailbox, replace(lost, generation=version.generation, sequence=version.sequence)
                )
            case _:
                self._stage_again(run, step, record)
        return settled

    def _stage_again(self, run: Run, step: Step | None, record: ItemRecord) -> None:
        """Put a change back, a few times: one whose staged item can never be moved is parked."""
        key = (run.mailbox, record.item)
        self._staged_again[key] += 1
        if step and self._staged_again[key] > STAGED_AGAIN_MAX:
            del self._staged_again[key]
            self._park_settled(run, step, record, ReplicationFault.NEVER_PLACED)
        else:
            self._put_back(run, step, record)

    def _put_back(self, run: Run, step: Step | None, record: ItemRecord) -> None:
        """Forget the intent: its change is planned again, by us or when the log is read again."""
        before = intents.forgotten(record)
        if before is None:
            self._ledger.drop_item(run.mailbox, record.item)
        else:
            self._ledger.put_item(run.mailbox, before)
        if step:
            run.again.append(step.received)

    def _park_settled(self, run: Run, step: Step | None, record: ItemRecord, reason: str) -> None:
        if step and not isinstance(step.operation, ItemDeleted):
            step.record = replace(record, intent=None)
            self._park(run, step, reason)
        else:
            self._put_back(run, step, record)

    def _finish(self, mailbox: str, record: ItemRecord, done: Done) -> None:
        self._dead_letters.applied(mailbox)
        self._staged_again.pop((mailbox, record.item), None)
        finished = intents.after(record, done)
        if finished is None:
            self._ledger.drop_item(mailbox, record.item)
        else:
            self._ledger.put_item(mailbox, finished)
