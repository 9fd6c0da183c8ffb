"""The loop of one partition: log in, runs of its mailboxes, intents before calls, results after them.

State: the ledger with its overlay, the position that is complete, mailboxes that fell behind.
Order: settle restored intents → read a batch → for each mailbox runs in strict order: prepare, commit (results of
the run before, positions complete, intents of this one), perform → when idle commit results, clean staging.
Failure: design §6. Before the commit a run is planned again; after it, it is settled by looking. A mailbox that
can't go on falls behind with an offset of its own and holds nobody; PartitionLost drops everything here.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from consumers.breaker import BreakerLimit
from consumers.dead_letters import DeadLetterLimit, DeadLetters
from consumers.feed_orders import FeedOrders
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.holding import HeldReader, OpenLog, RunAhead
from consumers.intake import Intake, Verdict
from consumers.ledger import Ledger
from consumers.mailbox_run import MailboxWorker, Run, Step, Tools
from consumers.orders import Desk, OrderBook, obey
from consumers.patience import FellBehind, Patience, TargetHaltError
from consumers.plan import Action, Do
from consumers.recovery import Recovery
from consumers.redrive import Archive, Redriver
from consumers.seeds import stale_folders, stale_items, stale_records
from consumers.staging import Staging
from consumers.stragglers import Stragglers
from consumers.subscription import Batch, Received, Subscription
from consumers.target import Target
from consumers.tidying import Tidying
from schemas.change import FolderDeleted, FolderSaved, SeedBegin, SeedEnd
from schemas.faults import ReplicationFault
from schemas.identity import target_id
from schemas.metrics import ReplayMetrics
from schemas.ports import CallFailed, Clock, LogReader, OwnedPartition
from schemas.topics import Topics

log = logging.getLogger(__name__)

RUN_STEPS_MAX = 200
RUN_SIZE_BYTES_MAX = 16_000_000
READ_TIMEOUT_SECONDS = 0.1
_ITEM_OPERATIONS = ("ItemSaved", "ItemMarked", "ItemMoved", "ItemDeleted", "ItemUnreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """The target's name, whether streams are to be ignored, how long the log is held back, and the limits."""

    target: str
    portable_only: bool = False
    hold_seconds: float = 0.0
    dead_letter_limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)
    breaker_limit: BreakerLimit = field(default_factory=BreakerLimit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is read beside the log: the orders of this target, and the log once more from an offset."""

    orders: LogReader
    open_log: OpenLog


class Replayer:
    """Replays one owned partition into one target until it is asked to stop."""

    def __init__(
        self,
        owned: OwnedPartition,
        target: Target,
        topics: Topics,
        settings: ReplaySettings,
        clock: Clock,
        mint: Callable[[], str],
        metrics: ReplayMetrics,
    ) -> None:
        self._owned = owned
        self._topics = topics
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        name = target_id(topics.pipeline, settings.target)
        self._ledger = Ledger(owned, topics.target_state(settings.target))
        self._folders = FolderMap(target, self._ledger, self._commit)
        staging = Staging(target, self._ledger, self._folders, name, portable_only=settings.portable_only)
        recovery = Recovery(target, self._ledger, self._folders, name, self._commit)
        letters = topics.dead_letters(settings.target)
        self._dead_letters = DeadLetters(letters, settings.target, settings.dead_letter_limit, clock, metrics)
        self._orders = FeedOrders(topics, settings.target, self._ledger, clock)
        self._gate = Gate(self._ledger, settings.breaker_limit, clock, metrics)
        tools = Tools(
            target=target,
            ledger=self._ledger,
            folders=self._folders,
            staging=staging,
            recovery=recovery,
            dead_letters=self._dead_letters,
            gate=self._gate,
            want=self._orders.want,
        )
        self._worker = MailboxWorker(tools, name, mint, clock, metrics)
        self._tidying = Tidying(staging, self._ledger, clock, metrics)
        self._patience = Patience(owned.still_owned, metrics)
        self._intake = Intake(self._ledger)
        self._stragglers = Stragglers(
            self._ledger, self._intake, self._patience, self._tidying, self._worker.settle_open, clock
        )
        self._addresses: Mapping[str, str] = {}
        self._book: OrderBook | None = None
        self._ahead: RunAhead | None = None
        self._desk: Desk | None = None
        self._complete = 0
        self._committed: int | None = None

    def start_offset(self, committed: int | None) -> int | None:
        """Return where reading begins: the group's offset, or that of the mailbox furthest behind."""
        return self._stragglers.start_offset(committed)

    def run(
        self,
        registered: Callable[[], Mapping[str, str]],
        reader: LogReader,
        committed: int | None = None,
        side: Side | None = None,
    ) -> None:
        """Work until the partition is to be given up.

        `registered` is mailbox id to target address, `committed` the offset the group committed.
        """
        self._refuse_lost_ledger(committed)
        held = HeldReader(reader, self._settings.hold_seconds, self._clock) if self._settings.hold_seconds else None
        reader = held or reader
        subscription = Subscription(reader)
        self._open_side(side)
        self._complete, self._committed = reader.position, committed
        self._addresses = registered()
        self._stragglers.resume([m.mailbox for m in self._ledger.mailboxes()], self._addresses, self._complete)
        self._commit()
        while self._owned.still_owned():
            self._addresses = registered()
            self._obey()
            self._retry_behind(subscription)
            self._orders.remind()
            if held and self._ahead:
                self._replay(self._ahead.next_batch(self._complete))
                held.show(self._metrics, self._owned.number)
            batch = subscription.next_batch(READ_TIMEOUT_SECONDS)
            if batch.changes:
                self._replay(batch)
            self._complete = batch.position
            if not batch.changes:
                self._rest()
            self._metrics.records_behind.labels(partition=self._owned.number).set(reader.lag_records())

    # -- operators -----------------------------------------------------------------------------------------

    def _open_side(self, side: Side | None) -> None:
        if side is None:
            return
        topics, target = self._topics, self._settings.target
        archive = Archive(letters=lambda: self._owned.history(topics.dead_letters(target)), open_log=side.open_log)
        redriver = Redriver(self._ledger, archive, self._orders.want, lambda run: self._carry_out([run]))
        self._book = OrderBook(side.orders, topics.orders(target))
        self._ahead = RunAhead(side.open_log, self._ledger.mailboxes, self._clock)
        self._desk = Desk(
            ledger=self._ledger,
            gate=self._gate,
            fall_behind=lambda mailbox, code: self._stragglers.fall_behind(mailbox, self._complete, code),
            retry=self._stragglers.retry_now,
            redrive=lambda o: redriver.redrive(o, self._addresses.get(o.mailbox, ""), self._complete),
            is_lagged=self._settings.hold_seconds > 0,
            clock=self._clock,
        )
        for record in self._ledger.mailboxes():
            self._gate.show(record.mailbox)

    def _obey(self) -> None:
        """Do what operators ordered since; everything read of the log so far is done."""
        while self._book and self._desk and self._ahead and (given := self._book.next()):
            obey(self._desk, given)
            self._book.done()
            self._commit()
            self._ahead.restart()

    def _refuse_lost_ledger(self, committed: int | None) -> None:
        """Raise TargetHaltError if the group has read the log and left no record: all mail would come twice."""
        if committed and next(self._ledger.mailboxes(), None) is None:
            raise TargetHaltError(
                f"{self._topics.target_state(self._settings.target)} partition {self._owned.number} is empty although "
                f"the log was applied up to offset {committed}: its ledger is lost, and starting again would copy "
                "every item a second time. See the runbook"
            )

    # -- a batch -------------------------------------------------------------------------------------------

    def _replay(self, batch: Batch) -> None:
        queues: dict[str, deque[Received]] = {}
        taken = [received for received in batch.changes if self._take_in(received)]
        for received in taken:
            queues.setdefault(received.change.mailbox, deque()).append(received)
        while queues:
            runs = [run for m, queue in queues.items() if (run := self._next_run(m, queue))]
            self._carry_out(runs)
            queues = {m: q for m, q in queues.items() if q and not self._ledger.mailbox(m).behind}
        for mailbox in self._intake.lost():
            self._wait_for_seed(mailbox)
        for received in taken:
            self._observe(received)

    def _take_in(self, received: Received) -> bool:
        mailbox = received.change.mailbox
        verdict = self._intake.judge(received)
        if verdict is Verdict.TAKE and mailbox not in self._addresses:
            self._stragglers.fall_behind(mailbox, received.offset, ReplicationFault.NOT_REGISTERED)
            return False
        return verdict is Verdict.TAKE

    def _wait_for_seed(self, mailbox: str) -> None:
        log.error("changes lost, ordering a seed", extra={"mailbox": mailbox})
        self._ledger.put_mailbox(replace(self._ledger.mailbox(mailbox), waiting="lost sequence"))
        self._metrics.waiting.labels(mailbox=mailbox).set(1)
        self._orders.seed(mailbox, "lost sequence")

    def _next_run(self, mailbox: str, queue: deque[Received]) -> Run | None:
        """Take the next changes that may share a transaction; folders and seeds are done at once."""
        run = Run(mailbox, self._addresses.get(mailbox, ""))
        items: set[str] = set()
        size_bytes = 0
        while queue and len(run.steps) < RUN_STEPS_MAX and size_bytes < RUN_SIZE_BYTES_MAX:
            received = queue[0]
            operation = received.change.operation
            if type(operation).__name__ not in _ITEM_OPERATIONS:
                if run.steps or not self._whole(run, received, queue):
                    break
                continue
            if operation.ref.item in items:  # type: ignore[union-attr] # every item operation has a ref
                break
            if self._is_stopped(run, received):
                break
            items.add(operation.ref.item)  # type: ignore[union-attr] # as above
            run.steps.append(Step(received, operation, Action(Do.SKIP), None))  # type: ignore[arg-type] # as above
            size_bytes += received.size_bytes
            queue.popleft()
        run.first_offset = run.steps[0].received.offset if run.steps else -1
        return run if run.steps else None

    def _is_stopped(self, run: Run, received: Received) -> bool:
        """Tell whether the breaker holds the mailbox at this change; if nothing runs before it, it is held now."""
        before = [step.received for step in run.steps]
        counted = self._gate.stops(received, received.change.operation, before)
        if counted and not run.steps:
            self._gate.trip(run.mailbox, ReplicationFault.DELETION_BREAKER, counted)
            self._stragglers.fall_behind(run.mailbox, received.offset, ReplicationFault.DELETION_BREAKER)
        return bool(counted)

    def _whole(self, run: Run, received: Received, queue: deque[Received]) -> bool:
        """Do a change of the whole mailbox or a folder; False if its mailbox fell behind or steps come first."""
        change = received.change
        try:
            self._patience.endure(lambda: self._do_whole(run, received))
        except FellBehind as behind:
            self._stragglers.fall_behind(change.mailbox, received.offset, behind.code)
            return False
        if run.steps:
            return False
        self._advance(change.mailbox, received)
        queue.popleft()
        return True

    def _do_whole(self, run: Run, received: Received) -> None:
        change, mailbox = received.change, run.mailbox
        match change.operation:
            case SeedBegin():
                self._begin_seed(received)
            case FolderSaved() as saved:
                self._folders.save(run.address, change, saved)
            case FolderDeleted() as deleted:
                self._folders.delete(run.address, mailbox, deleted)
            case SeedEnd() as end:
                if counted := self._gate.stops_seed(received, stale_records(self._ledger, change, end)):
                    self._gate.trip(mailbox, ReplicationFault.DELETION_BREAKER, counted)
                    raise FellBehind(ReplicationFault.DELETION_BREAKER)
                run.steps = stale_items(self._ledger, received, end, RUN_STEPS_MAX)
                if not run.steps:
                    for folder in stale_folders(self._ledger, change, end):
                        self._folders.delete(run.address, mailbox, folder)

    def _begin_seed(self, received: Received) -> None:
        change = received.change
        record = self._ledger.mailbox(change.mailbox)
        self._metrics.waiting.labels(mailbox=change.mailbox).set(0)
        self._ledger.put_mailbox(replace(record, waiting="", seed_begun=change.sequence))

    # -- a run ---------------------------------------------------------------------------------------------

    def _carry_out(self, runs: list[Run]) -> None:
        """Prepare all, commit once, perform all; what has to be staged again goes around."""
        while runs:
            ready = [run for run in runs if self._attempt(run, self._prepare)]
            for run in ready:
                self._mark_unsettled(run)
            self._commit()
            done = [run for run in ready if self._attempt(run, self._perform)]
            for run in done:
                if not run.again:
                    self._complete_run(run)
            runs = [self._rerun(run) for run in done if run.again]

    def _attempt(self, run: Run, work: Callable[[Run], None]) -> bool:
        """Do one half of a run, waiting out what heals; False if its mailbox fell behind."""
        try:
            self._patience.endure(lambda: work(run))
        except FellBehind as behind:
            self._stragglers.fall_behind(run.mailbox, run.first_offset, behind.code)
            return False
        return True

    def _prepare(self, run: Run) -> None:
        self._worker.prepare(run, self._settings.target)

    def _perform(self, run: Run) -> None:
        if run.is_sent:
            self._worker.settle_open(run)
        else:
            self._worker.perform(run)

    def _rerun(self, run: Run) -> Run:
        again = {r.offset for r in run.again}
        steps = [Step(s.received, s.operation, s.action, None) for s in run.steps if s.received.offset in again]
        last = run.last or run.steps[-1].received
        return Run(run.mailbox, run.address, steps, last=last, first_offset=run.first_offset, is_redrive=run.is_redrive)

    def _mark_unsettled(self, run: Run) -> None:
        self._gate.count(run.mailbox, [s.received for s in run.steps if s.action.do is Do.DELETE])
        record = self._ledger.mailbox(run.mailbox)
        self._ledger.put_mailbox(replace(record, unsettled=self._worker.open_items(run)))

    def _complete_run(self, run: Run) -> None:
        last = run.last or run.steps[-1].received
        record = self._ledger.mailbox(run.mailbox)
        self._ledger.put_mailbox(replace(record, unsettled=()))
        if not isinstance(last.change.operation, SeedEnd) and not run.is_redrive:
            self._advance(run.mailbox, last)
        self._tidying.touched(run.mailbox)

    def _advance(self, mailbox: str, received: Received) -> None:
        change = received.change
        record = self._ledger.mailbox(mailbox)
        self._ledger.put_mailbox(
            replace(
                record,
                generation=change.generation,
                applied_sequence=change.sequence,
                applied_at=change.captured_at,
            )
        )

    def _commit(self) -> None:
        """Write the ledger, orders and dead letters with the position that is complete."""
        records = self._ledger.drain() + self._orders.drain() + self._dead_letters.drain()
        positions = dict(self._book.positions) if self._book else {}
        if self._complete != self._committed:
            positions[self._topics.changes] = self._complete
        if records or positions:
            self._owned.transact(records, positions)
            self._ledger.settle()
            self._committed = self._complete
            if self._book:
                self._book.settle()

    # -- between batches -----------------------------------------------------------------------------------

    def _retry_behind(self, subscription: Subscription) -> None:
        """Let mailboxes that fell behind try again: the log is read again from where they stopped."""
        if due := self._stragglers.due(self._addresses):
            # one that fell behind while it ran ahead stands after what is held of the others
            self._complete = min(self._complete, *due.values())
            subscription.rewind(self._complete)
            self._stragglers.resume(due, self._addresses, self._complete)
            self._commit()
            if self._ahead:
                self._ahead.restart()

    def _rest(self) -> None:
        """Nothing to read: commit results, then clean staging."""
        self._commit()
        try:
            self._tidying.tidy(self._addresses)
        except CallFailed as failure:
            log.info("staging not cleaned", extra={"code": failure.code})

    def _observe(self, received: Received) -> None:
        change = received.change
        if self._ledger.mailbox(change.mailbox).applied < change.version:
            return
        lag_seconds = max(0.0, (self._clock() - change.captured_at) / 1000)
        self._metrics.lag_seconds.labels(mailbox=change.mailbox).set(lag_seconds)
        self._metrics.applied.observe(lag_seconds)
        self._metrics.changes.labels(operation=type(change.operation).__name__).inc()
