"""The lane of one mailbox: its changes of a batch, in strict order, in runs that share a transaction.

Order: take the next changes of distinct items → prepare → commit (results of the run before, intents of this one) →
perform → results in the ledger. A folder or the begin or end of a seed is a barrier: done at once, between runs.
Failure: design §6. Before the commit a run is planned again, after it it is settled by looking. A mailbox that can't
go on falls behind with an offset of its own and leaves its lane; the lanes beside it don't notice.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from consumers.addresses import Addresses, digest_of
from consumers.adoption import Adoption
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.ledger import TRANSACTION_RECORDS_MAX, Ledger
from consumers.mailbox_run import MailboxWorker
from consumers.patience import FellBehind, Patience
from consumers.plan import Action, Do
from consumers.proof import Proof
from consumers.run import Run
from consumers.scope import Scope
from consumers.seeds import stale_folders, stale_items, stale_records
from consumers.step import Step
from consumers.stragglers import Stragglers
from consumers.subscription import Received
from consumers.tidying import Tidying
from schemas import roles
from schemas.change import (
    Barrier,
    Change,
    Checksum,
    FolderDeleted,
    FolderSaved,
    Handover,
    ItemOperation,
    SeedBegin,
    SeedEnd,
    Version,
)
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock
from schemas.state import ItemState

LEDGER_LOST = "ledger lost"
RUN_STEPS_MAX = 200
RUN_SIZE_BYTES_MAX = 16_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTools:
    """What every lane of a partition works with.

    `commit` returns once the ledger as it stands is committed, `want` orders an item's content of the feed and `seed`
    that of a whole mailbox, and `await_seed` has the mailbox wait for it.
    """

    ledger: Ledger
    folders: FolderMap
    worker: MailboxWorker
    patience: Patience
    stragglers: Stragglers
    tidying: Tidying
    gate: Gate
    proof: Proof
    adoption: Adoption
    await_seed: Callable[[str, str], None]
    commit: Callable[[], None]
    clock: Clock
    want: Callable[[str, str], None]
    seed: Callable[[str, str], None]
    scope: Scope
    metrics: ReplayMetrics
    target: str


class Lane:
    """Works off one mailbox's changes of one batch; used by one thread."""

    def __init__(self, tools: LaneTools, mailbox: str, address: str, changes: deque[Received]) -> None:
        self._ledger = tools.ledger
        self._folders = tools.folders
        self._worker = tools.worker
        self._patience = tools.patience
        self._stragglers = tools.stragglers
        self._tidying = tools.tidying
        self._gate = tools.gate
        self._proof = tools.proof
        self._adoption = tools.adoption
        self._await_seed = tools.await_seed
        self._commit = tools.commit
        self._clock = tools.clock
        self._want = tools.want
        self._seed = tools.seed
        self._scope = tools.scope
        self._metrics = tools.metrics
        self._target = tools.target
        self._mailbox = mailbox
        self._address = address
        self._changes = changes

    def work_off(self) -> None:
        """Apply every change, or fall behind at the first that can't be."""
        if self._changes and self._adoption.is_due(self._mailbox) and self._adopt(self._changes[0].begins_at) != 0:
            return
        while self._changes and not self._ledger.mailbox(self._mailbox).behind:
            self._patience.require_owned()
            if run := self._next_run():
                self.carry_out(run)

    def rebuild(self, offset: int) -> None:
        """Adopt what is there and wait for a seed: the log up to `offset` was applied, and the ledger is lost."""
        self._adopt(offset, is_lost=True)

    def readdress(self, addresses: Addresses, offset: int) -> None:
        """Look whether the address leads to the mailbox the ledger is of; else fill the other one by a seed."""
        is_same = False

        def look() -> None:
            nonlocal is_same
            is_same = addresses.is_same_mailbox(self._mailbox, self._address)

        try:
            self._patience.endure(look)
        except FellBehind as behind:
            self._stragglers.fall_behind(self._mailbox, offset, behind.code)
            return
        if is_same:
            addresses.note(self._mailbox, self._address)
            return
        addresses.forget(self._mailbox, self._address)
        self._adopt(offset, is_lost=True)

    def _adopt(self, offset: int, *, is_lost: bool = False) -> int | None:
        """Look what the target holds of ours, and have the mailbox wait for a seed if there is any, or it is `is_lost`.

        Returns how many items, or None if the mailbox fell behind.
        """
        found = 0

        def adopt() -> None:
            nonlocal found
            found = self._adoption.adopt(self._address, self._mailbox)

        try:
            self._patience.endure(adopt)
        except FellBehind as behind:
            self._stragglers.fall_behind(self._mailbox, offset, behind.code)
            return None
        if found or is_lost:
            self._await_seed(self._mailbox, LEDGER_LOST)
        else:
            self._ledger.put_mailbox(replace(self._ledger.mailbox(self._mailbox), looked_at=self._clock()))
        self._ledger.put_mailbox(replace(self._ledger.mailbox(self._mailbox), address=digest_of(self._address)))
        return found

    # -- what comes next -----------------------------------------------------------------------------------

    def _next_run(self) -> Run | None:
        """Take the next changes that may share a transaction; folders and seeds are done at once."""
        run = Run(self._mailbox, self._address)
        items: set[str] = set()
        deletions: list[Received] = []
        size_bytes = 0
        while self._changes and len(run.steps) < RUN_STEPS_MAX and size_bytes < RUN_SIZE_BYTES_MAX:
            received = self._changes[0]
            operation = received.change.operation
            if not isinstance(operation, ItemOperation):
                if run.steps or not self._whole(run, received):
                    break
                continue
            if operation.ref.item in items or self._is_stopped(run, received, deletions):
                break
            items.add(operation.ref.item)
            run.steps.append(Step(received, operation, Action(Do.SKIP), None))
            size_bytes += received.size_bytes
            self._changes.popleft()
        run.first_offset = run.steps[0].received.begins_at if run.steps else -1
        return run if run.steps else None

    def _is_stopped(self, run: Run, received: Received, deletions: list[Received]) -> bool:
        """Tell whether the breaker holds the mailbox at this change; if nothing runs before it, it is held now."""
        if not self._gate.hits(received, is_withdrawn=self._is_withdrawn(received)):
            return False
        counted = self._gate.stops(received, deletions)
        deletions.append(received)
        if counted and not run.steps:
            self._gate.trip(self._mailbox, ReplicationFault.DELETION_BREAKER, counted)
            self._stragglers.fall_behind(self._mailbox, received.begins_at, ReplicationFault.DELETION_BREAKER)
        return bool(counted)

    def _is_withdrawn(self, received: Received) -> bool:
        """Tell whether a change puts its item into a folder the target leaves out."""
        operation = received.change.operation
        return isinstance(operation, ItemOperation) and self._folders.is_left_out(
            self._mailbox, operation.ref.folder_id
        )

    def _whole(self, run: Run, received: Received) -> bool:
        """Do a change of the whole mailbox or a folder; False if its mailbox fell behind or steps come first."""
        try:
            self._patience.endure(lambda: self._do_whole(run, received))
        except FellBehind as behind:
            self._stragglers.fall_behind(self._mailbox, received.begins_at, behind.code)
            return False
        if run.steps:
            return False
        self._advance(received)
        self._changes.popleft()
        return True

    def _do_whole(self, run: Run, received: Received) -> None:
        change = received.change
        match change.operation:
            case SeedBegin():
                self._begin_seed(received)
            case Handover():
                self._hand_over()
            case Barrier() as barrier:
                self._come_to_barrier(change, barrier)
            case Checksum() as checksum if self._scope.holds_whole_folders:
                self._proof.take(change, checksum)
            case FolderSaved() as saved:
                self._proof.touch(self._mailbox, [saved])
                if self._folders.changes_scope(change, saved) and self._has_named_items(change):
                    # before the folder's record: dead in between, it is ordered once more
                    self._seed(self._mailbox, "a folder came into scope or left it")
                self._folders.save(self._address, change, saved)
            case FolderDeleted() as deleted:
                in_seed = bool(self._ledger.mailbox(self._mailbox).seed_begun)
                self._folders.delete(self._address, self._mailbox, deleted, in_seed=in_seed)
            case SeedEnd() as end:
                self._end_seed(run, received, end)

    def _come_to_barrier(self, change: Change, barrier: Barrier) -> None:
        """Rest, or end a merge: everything before the barrier is applied."""
        record = self._ledger.mailbox(self._mailbox)
        if roles.is_merging(record) and record.barrier is not None:
            self._tidying.clean(self._mailbox, self._address)  # from here on nobody writes there, nor tidies
        self._ledger.put_mailbox(roles.drain(record, change.version, barrier))
        if not roles.is_merging(record):
            self._proof.confirm(self._mailbox)

    def _hand_over(self) -> None:
        """Go on in a generation without a seed; what was wanted before is asked for again, now that somebody reads."""
        record = self._ledger.mailbox(self._mailbox)
        if roles.is_resting(record):
            self._ledger.put_mailbox(roles.follow_generation(record))
        wanted = [item.item for item in self._ledger.items(self._mailbox) if item.state is ItemState.WANTED]
        for number, item in enumerate(wanted, 1):
            self._want(self._mailbox, item)
            if number % TRANSACTION_RECORDS_MAX == 0:
                self._commit()  # dead before the rest, all of them are asked for again

    def _end_seed(self, run: Run, received: Received, end: SeedEnd) -> None:
        change = received.change
        if roles.is_merging(self._ledger.mailbox(self._mailbox)):
            return
        if counted := self._gate.stops_seed(received, stale_records(self._ledger, change, end)):
            self._gate.trip(self._mailbox, ReplicationFault.DELETION_BREAKER, counted)
            raise FellBehind(ReplicationFault.DELETION_BREAKER)
        run.steps = stale_items(self._ledger, received, end, RUN_STEPS_MAX)
        if not run.steps:
            for folder in stale_folders(self._ledger, change, end):
                self._folders.delete(self._address, self._mailbox, folder)
                if self._ledger.is_full:
                    self._commit()
            self._folders.withdraw(self._address, self._mailbox)

    def _has_named_items(self, change: Change) -> bool:
        """Tell whether items were said already that a folder's scope decides over: in a seed, folders come first."""
        begun = self._ledger.mailbox(self._mailbox).seed_begun
        said = Version(generation=change.generation, sequence=begun)
        return not begun or any(record.version >= said for record in self._ledger.items(self._mailbox))

    def _begin_seed(self, received: Received) -> None:
        record = self._ledger.mailbox(self._mailbox)
        self._metrics.waiting.labels(mailbox=self._mailbox).set(0)
        self._proof.forget_all(self._mailbox)
        if roles.is_merging(record):
            # the feed refuses a seed while it reads a tail; one all the same must not make users' work a mirror's
            log.error("a seed in the middle of a merge passed over", extra={"mailbox": self._mailbox})
            return
        begun = replace(
            roles.follow_generation(record), waiting="", seed_begun=received.change.sequence, scope=self._scope.digest
        )
        self._ledger.put_mailbox(begun)

    # -- a run ---------------------------------------------------------------------------------------------

    def carry_out(self, run: Run) -> None:
        """Prepare, commit, perform; what has to be staged again goes around."""
        while self._attempt(run, self._prepare):
            self._gate.count(self._mailbox, [s.received for s in run.steps if s.action.do in {Do.DELETE, Do.WITHDRAW}])
            left = [step.record.folder_id for step in run.steps if step.record]
            self._proof.touch(self._mailbox, [step.operation for step in run.steps], left)
            self._note_unsettled(run, self._worker.open_items(run))
            self._commit()
            if not self._attempt(run, self._perform):
                return
            if not run.again:
                self._complete(run)
                return
            run = self._rerun(run)

    def _attempt(self, run: Run, work: Callable[[Run], None]) -> bool:
        """Do one half of a run, waiting out what heals; False if its mailbox fell behind."""
        try:
            self._patience.endure(lambda: work(run))
        except FellBehind as behind:
            self._stragglers.fall_behind(self._mailbox, run.first_offset, behind.code)
            return False
        return True

    def _prepare(self, run: Run) -> None:
        self._worker.prepare(run, self._target)

    def _perform(self, run: Run) -> None:
        if run.is_sent:
            self._worker.settle_open(run)
        else:
            self._worker.perform(run)

    @staticmethod
    def _rerun(run: Run) -> Run:
        again = {r.offset for r in run.again}
        steps = [Step(s.received, s.operation, s.action, None) for s in run.steps if s.received.offset in again]
        last = run.last or run.steps[-1].received
        return Run(run.mailbox, run.address, steps, last=last, first_offset=run.first_offset, is_redrive=run.is_redrive)

    def _note_unsettled(self, run: Run, items: tuple[str, ...]) -> None:
        self._ledger.put_mailbox(replace(self._ledger.mailbox(run.mailbox), unsettled=items))

    def _complete(self, run: Run) -> None:
        last = run.last or run.steps[-1].received
        self._note_unsettled(run, ())
        if not isinstance(last.change.operation, SeedEnd) and not run.is_redrive:
            self._advance(last)
        self._tidying.touched(self._mailbox)

    def _advance(self, received: Received) -> None:
        change = received.change
        record = self._ledger.mailbox(self._mailbox)
        self._ledger.put_mailbox(
            replace(
                record,
                generation=change.generation,
                applied_sequence=change.sequence,
                applied_at=change.captured_at,
                seed_begun=0 if isinstance(change.operation, SeedEnd) else record.seed_begun,
            )
        )
