"""One run of one mailbox: a few changes of distinct items, from plan to result.

Order: prepare → (its lane commits intents) → perform → results in the ledger, not committed yet.
Failure: before the commit nothing visible was done, and the run is planned again; after it every input ends as
done, refused or unknown, and what is not done is settled by looking before anything else of the mailbox.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from consumers import intents
from consumers.edits import edited
from consumers.item_writes import properties_of
from consumers.likeness import elements_of, mime_of
from consumers.plan import WRITES
from consumers.preparation import Preparation
from consumers.recovery import ABSENT, Finding, Settled
from consumers.refused_alone import UNSETTLED_MAX, RefusedAlone
from consumers.run import Run, Tools
from consumers.step import Step
from consumers.target import Done, Edit, Outcome, Refused, Update
from schemas.change import ItemDeleted, ItemSaved, Marks
from schemas.faults import Disposition, ReplicationFault, disposition_of
from schemas.halving import may_be_refused_alone
from schemas.identity import Stamp
from schemas.metrics import ReplayMetrics
from schemas.ports import AnswerUnknown, CallFailed, CallRefused, Clock
from schemas.roles import is_merging
from schemas.state import Intent, IntentKind, ItemRecord

log = logging.getLogger(__name__)

STAGED_AGAIN_MAX = 5


class MailboxWorker:
    """Carries out runs at one target."""

    def __init__(
        self, tools: Tools, target_name: str, mint: Callable[[], str], clock: Clock, metrics: ReplayMetrics
    ) -> None:
        self._target = tools.target
        self._ledger = tools.ledger
        self._folders = tools.folders
        self._recovery = tools.recovery
        self._dead_letters = tools.dead_letters
        self._target_name = target_name
        self._want = tools.want
        self._staged_again: Counter[tuple[str, str]] = Counter()
        self._metrics = metrics
        self._preparation = Preparation(tools, mint, clock)
        self._gate = tools.gate
        self._alone = RefusedAlone(clock)

    def prepare(self, run: Run, target: str) -> None:
        """Plan and stage a run, and put its intents into the ledger; nothing visible is written."""
        self._preparation.prepare(run, target)

    # -- after the commit ----------------------------------------------------------------------------------

    def open_items(self, run: Run) -> tuple[str, ...]:
        """Note and return the items of a run whose intent is open, to be committed with it."""
        written = [s for s in run.steps if s.action.do in WRITES]
        records = (self._ledger.item(run.mailbox, s.operation.ref.item) for s in written)
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
        self.settle_open(run, {item: o.code for item, o in outcomes.items() if isinstance(o, Refused)})

    def settle_open(self, run: Run, refused: Mapping[str, str] | None = None) -> None:
        """Settle every intent of the run that is still open; CallFailed leaves open what could not be settled.

        `refused` are the codes of items whose write was answered, by key. An item whose own calls fail holds no other:
        it comes last, and is given up once that is not the server's.
        """
        failed: list[tuple[str, CallFailed]] = []
        for item in self._alone.last(run.mailbox, run.open_items):
            record = self._ledger.item(run.mailbox, item)
            if not record or not record.intent:
                continue
            kind = record.intent.kind
            try:
                settled = self.settle(run, record, (refused or {}).get(item, ""))
            except CallFailed as failure:
                self._require_answering(run, failure)
                failed.append((item, failure))
                if len(failed) >= UNSETTLED_MAX:
                    raise  # it is not an item's
            else:
                self._alone.settled(run.mailbox, item)
                self._metrics.settled.labels(kind=kind.value, finding=settled.finding.name).inc()
        lasting = [f for i, f in failed if not (self._alone.is_final(run.mailbox, i) and self._give_up(run, i, f))]
        if lasting:
            raise lasting[0]

    def _require_answering(self, run: Run, failure: CallFailed) -> None:
        """Raise a failure that is not one item's: the server answers nothing else either."""
        if not may_be_refused_alone(failure):
            raise failure
        try:
            self._target.root(run.address, "msgfolderroot")
        except CallFailed:
            raise failure from None

    def _give_up(self, run: Run, item: str, failure: CallFailed) -> bool:
        """Park an item whose own calls fail, once nothing that was sent can place it any more; tell whether it is."""
        record = self._ledger.item(run.mailbox, item)
        step = next((s for s in run.steps if s.operation.ref.item == item), None)
        if record is None or record.intent is None:
            return True
        if record.intent.kind is IntentKind.PLACE and not self._is_out_of_reach(run, record, record.intent):
            return False
        log.warning("item refused alone", extra={"mailbox": run.mailbox, "item": item, "code": failure.code})
        if step and isinstance(step.operation, ItemDeleted):
            self._gate.orphan(step.received, replace(record, intent=None))
        else:
            self._park_settled(run, step, record, ReplicationFault.REFUSED_ALONE)
        if step:  # else its change is read again, and given up at its first failure
            self._alone.settled(run.mailbox, item)
        return True

    def _is_out_of_reach(self, run: Run, record: ItemRecord, intent: Intent) -> bool:
        """Delete a staged item for good, so that a request that comes late moves nothing; False if that can't be."""
        try:
            outcome = self._target.delete(run.address, [intent.target_id], hard=True)[0]
            stamp = str(Stamp(self._target_name, record.item, intent.nonce))
            destination = self._folders.target_id(run.mailbox, intent.folder_id)
            return isinstance(outcome, Done) or (
                outcome.code == ABSENT and not self._target.find(run.address, [destination], [stamp])
            )
        except CallFailed:
            return False

    def _send(self, run: Run, records: list[ItemRecord], outcomes: dict[str, Outcome]) -> None:
        kinds: defaultdict[tuple[IntentKind, str], list[tuple[ItemRecord, Intent]]] = defaultdict(list)
        unguarded = [r for r in records if r.intent and r.intent.kind in {IntentKind.MOVE, IntentKind.DELETE}]
        touched = self._recovery.touched(run.address, run.mailbox, unguarded)
        for record in records:
            if (intent := record.intent) and record.item not in touched:
                is_moved = intent.kind in {IntentKind.PLACE, IntentKind.MOVE}
                kinds[intent.kind, intent.folder_id if is_moved else ""].append((record, intent))
        self._folders.require_visible(run.address, run.mailbox, {folder_id for _, folder_id in kinds if folder_id})
        for (kind, folder_id), group in kinds.items():
            ids = [intent.target_id for _, intent in group]
            match kind:
                case IntentKind.PLACE | IntentKind.MOVE:
                    destination = self._folders.target_id(run.mailbox, folder_id)
                    found = self._target.move(run.address, ids, destination)
                case IntentKind.MARK:
                    found = self._target.update(run.address, [self._update(r, i) for r, i in group])
                case IntentKind.EDIT:
                    found = edited(self._target, run.address, [self._edit(run, r, i) for r, i in group])
                case IntentKind.DELETE:
                    found = self._target.delete(run.address, ids, hard=False)
            self._drop_replaced(run, group, found)
            for (record, _), outcome in zip(group, found, strict=True):
                outcomes[record.item] = outcome

    def _drop_replaced(self, run: Run, group: list[tuple[ItemRecord, Intent]], found: list[Outcome]) -> None:
        """Delete for good what new content stands in for now; any doubt of it leaves the intent unsettled."""
        done = [(r, i) for (r, i), o in zip(group, found, strict=True) if i.replaced_id and isinstance(o, Done)]
        replaced = [(r, i) for r, i in done if not self._recovery.keeps_beside(run.address, run.mailbox, r)]
        if not replaced:
            return
        # what a user did to it a moment ago stays recoverable
        is_hard = not is_merging(self._ledger.mailbox(run.mailbox))
        outcomes = self._target.delete(run.address, [i.replaced_id for _, i in replaced], hard=is_hard)
        for (record, _), outcome in zip(replaced, outcomes, strict=True):
            if isinstance(outcome, Refused):
                if outcome.code != ABSENT:
                    raise AnswerUnknown(outcome.code, outcome.text)
                # nobody but a user took it away: this was the first request to delete it, and it found nothing
                self._recovery.drop_moved(run.address, run.mailbox, record)

    def _update(self, record: ItemRecord, intent: Intent) -> Update:
        return Update(
            item_id=intent.target_id,
            change_key=intent.change_key,
            stamp=str(Stamp(self._target_name, record.item, intent.nonce)),
            marks=_marks_of(record, intent),
        )

    def _edit(self, run: Run, record: ItemRecord, intent: Intent) -> Edit:
        step = next(s for s in run.steps if s.operation.ref.item == record.item)
        saved = step.operation if isinstance(step.operation, ItemSaved) else None
        return Edit(
            item_id=intent.target_id,
            change_key=intent.change_key,
            stamp=str(Stamp(self._target_name, record.item, intent.nonce)),
            marks=_marks_of(record, intent),
            mime=mime_of(step),
            properties=properties_of(saved) if saved else {},
            subject=saved.summary.subject if saved else "",
            elements=elements_of(step),
            present=step.present,
        )

    def settle(self, run: Run, record: ItemRecord, refusal: str = "") -> Settled:
        """Find out what became of an open intent, and put that into the ledger; an edit refused for good is parked."""
        settled = self._recovery.settle(run.address, run.mailbox, record)
        record = self._ledger.item(run.mailbox, record.item) or record
        step = next((s for s in run.steps if s.operation.ref.item == record.item), None)
        is_edit = record.intent is not None and record.intent.kind is IntentKind.EDIT
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
            case _ if refusal and is_edit and disposition_of(refusal) is Disposition.PARK:
                self._park_settled(run, step, record, refusal)
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
        is_ambiguous = reason == ReplicationFault.AMBIGUOUS_STAMP
        record = intents.ambiguous(record) if is_ambiguous else record
        if step and not isinstance(step.operation, ItemDeleted):
            step.record = replace(record, intent=None)
            self._preparation.park(run, step, reason)
        elif is_ambiguous:
            # what was to be done is planned again when the log is read again, and parked then
            self._ledger.put_item(run.mailbox, record)
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


def _marks_of(record: ItemRecord, intent: Intent) -> Marks:
    if intent.marks is None:
        raise CallRefused(ReplicationFault.INTENT_DAMAGED, f"item {record.item}: an intent to mark names no marks")
    return intent.marks
