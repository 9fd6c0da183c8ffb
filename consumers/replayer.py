"""The loop of one partition: log in, a lane for each mailbox of a batch, results and positions out.

State: the ledger with its overlay, the position that is complete, mailboxes that fell behind.
Order: settle restored intents → read a batch → every mailbox's changes in its lane, lanes side by side, each
committing its intents before its calls → once all are done the batch's position is complete and goes with the next
commit → when idle commit results, clean staging.
Failure: design §6, `consumers.lane`. What lanes put into the ledger may be committed at any moment, because nothing
visible is sent before the commit its lane waited for; the position waits for all of them. PartitionLost drops
everything here.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from consumers.addresses import Addresses
from consumers.coalescing import coalesced
from consumers.holding import HeldReader, OpenLog, RunAhead
from consumers.intake import Verdict
from consumers.lane import Lane
from consumers.lost_end import LostEnd, named_in
from consumers.opening import is_open
from consumers.orders import Desk, OrderBook, obey
from consumers.originals import Originals
from consumers.progress import Progress
from consumers.redrive import Archive, Redriver
from consumers.replay_settings import ReplaySettings
from consumers.roles import Roles
from consumers.run import Run
from consumers.subscription import Batch, Received, Subscription
from consumers.taking_over import Opposite
from consumers.target import Target
from consumers.workshop import Hooks, Workshop
from schemas import roles
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.ports import CallFailed, Clock, Incoming, LogReader, OwnedPartition
from schemas.state import TargetRole
from schemas.topics import Topics

log = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 0.1
CAUGHT_UP_RECORDS = 500


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
        opposite: Opposite = lambda _order: None,
    ) -> None:
        self._owned = owned
        self._topics = topics
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        state_topic = topics.target_state(settings.target)
        self._progress = Progress(owned, topics.changes, state_topic, clock)
        self._commit = self._progress.commit
        hooks = Hooks(
            commit=self._commit,
            prove_owned=self._progress.prove_owned,
            await_seed=self._await_new_seed,
            history=self._history,
        )
        made = Workshop(owned, target, topics, settings, clock, mint, metrics, hooks)
        self._ledger, self._intake, self._gate = made.ledger, made.intake, made.gate
        self._orders, self._lane_tools = made.orders, made.lane_tools
        self._tidying, self._stragglers = self._lane_tools.tidying, self._lane_tools.stragglers
        self._proof = self._lane_tools.proof
        self._progress.write(made.ledger, made.orders, made.dead_letters)
        originals = Originals(target, made.name, mint)
        self._roles = Roles(made, self._progress, settings, originals, opposite, self._history, clock)
        self._addresses: Mapping[str, str] = {}
        self._lost_end = LostEnd(made.ledger, lambda: owned.history(topics.mailboxes), clock)
        self._mailbox_addresses = Addresses(target, made.ledger, self._commit)
        self._book: OrderBook | None = None
        self._ahead: RunAhead | None = None
        self._desk: Desk | None = None
        self._open_log: OpenLog | None = None
        self._is_caught_up = False
        self._end = self._again_until = 0
        self._log_end: Callable[[], int] = lambda: 0

    def _history(self) -> Iterable[Incoming]:
        return self._owned.history(self._topics.changes)

    def start_offset(self, committed: int | None) -> int | None:
        """Return where reading begins: the position committed last, or that of the mailbox furthest behind."""
        return self._stragglers.start_offset(committed)

    def run(
        self,
        registered: Callable[[], Mapping[str, str]],
        reader: LogReader,
        committed: int | None = None,
        side: Side | None = None,
    ) -> None:
        """Work until the partition is to be given up.

        `registered` is mailbox id to target address, `committed` the position in the log that was committed last.
        """
        held = HeldReader(reader, self._settings.hold_seconds, self._clock) if self._settings.hold_seconds else None
        reader = held or reader
        subscription = Subscription(reader)
        self._open_side(side, committed)
        self._progress.begin(reader.position, committed)
        self._log_end = reader.end
        self._addresses = registered()
        self._stragglers.resume([m.mailbox for m in self._ledger.mailboxes()], self._addresses, self._progress.complete)
        self._order_seeds_of_other_scope()
        self._rebuild_lost_ledger(committed)
        self._look_at_addresses()
        self._commit()
        with ThreadPoolExecutor(self._settings.mailboxes_at_once, f"lane-{self._owned.number}") as lanes:
            while self._owned.still_owned():
                self._addresses = registered()
                self._obey()
                self._retry_behind(subscription)
                self._look_at_addresses()
                self._orders.remind(self._addresses, self._settings.hold_seconds)
                if held and self._ahead:
                    self._replay(self._ahead.next_batch(self._progress.complete), lanes)
                    held.show(self._metrics, self._owned.number)
                batch = subscription.next_batch(READ_TIMEOUT_SECONDS)
                self._replay(batch, lanes)
                self._progress.complete = batch.position
                if self._ledger.is_full:  # folders and checksums, of which no run commits the results
                    self._commit()
                self._look_how_far(reader, held, batch)
                if not batch.changes:
                    self._rest()
                    self._look_for_lost_end(reader, held)
                self._prove()
                self._metrics.records_behind.labels(partition=self._owned.number).set(reader.lag_records())

    # -- operators -----------------------------------------------------------------------------------------

    def _open_side(self, side: Side | None, committed: int | None) -> None:
        if side is None:
            return
        is_blank = committed is None and next(self._ledger.mailboxes(), None) is None
        topics, target = self._topics, self._settings.target
        self._open_log = side.open_log
        archive = Archive(letters=lambda: self._owned.history(topics.dead_letters(target)), open_log=side.open_log)
        redriver = Redriver(self._ledger, archive, self._orders.want, self._carry_out)
        self._book = OrderBook(side.orders, topics.orders(target), self._clock)
        self._progress.keep(self._book)
        self._ahead = RunAhead(side.open_log, self._ledger.mailboxes, self._clock)
        self._desk = Desk(
            ledger=self._ledger,
            gate=self._gate,
            fall_behind=lambda mailbox, code: self._stragglers.fall_behind(mailbox, self._progress.complete, code),
            retry=self._stragglers.retry_now,
            change_role=lambda order: self._roles.obey(order, self._addresses),
            redrive=lambda o: redriver.redrive(o, self._addresses.get(o.mailbox, ""), self._progress.complete),
            is_lagged=self._settings.hold_seconds > 0,
            clock=self._clock,
            void_before=side.orders.end() if is_blank else 0,
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

    def _carry_out(self, run: Run) -> None:
        Lane(self._lane_tools, run.mailbox, run.address, deque()).carry_out(run)

    def _rebuild_lost_ledger(self, committed: int | None) -> None:
        """Adopt what is at the target if the group has read the log and the ledger is empty: it was lost."""
        if not committed or next(self._ledger.mailboxes(), None) is not None:
            return
        topic = self._topics.target_state(self._settings.target)
        log.error("ledger lost, rebuilding from stamps", extra={"topic": topic, "partition": self._owned.number})
        for mailbox, address in self._addresses.items():
            Lane(self._lane_tools, mailbox, address, deque()).rebuild(committed)
            self._commit()

    def _look_at_addresses(self) -> None:
        """Fill anew the mailboxes whose corrected address leads to another one than their ledger is of."""
        for mailbox in self._mailbox_addresses.changed(self._addresses):
            lane = Lane(self._lane_tools, mailbox, self._addresses[mailbox], deque())
            lane.readdress(self._mailbox_addresses, self._progress.complete)
            self._commit()

    def _order_seeds_of_other_scope(self) -> None:
        """Order anew the mailboxes that were filled by another scope than the settings have now."""
        digest = self._settings.scope.digest
        for record in list(self._ledger.mailboxes()):
            if (
                record.generation
                and record.scope != digest
                and not (roles.is_resting(record) or roles.is_merging(record))
            ):
                self._orders.seed(record.mailbox, "the target's scope changed")
                self._ledger.put_mailbox(replace(record, scope=digest))
                if self._ledger.is_full:
                    self._commit()

    # -- a batch -------------------------------------------------------------------------------------------

    def _replay(self, batch: Batch, lanes: ThreadPoolExecutor) -> None:
        """Apply a batch, mailboxes side by side; the first thing that stops them all is raised at the end."""
        taken_at = self._clock()
        taken = [received for received in batch.changes if self._take_in(received)]
        queues: dict[str, list[Received]] = {}
        for received in taken:
            queues.setdefault(received.change.mailbox, []).append(received)
        in_place = self._settings.edits_in_place
        kept = {m: coalesced(q, edits_in_place=in_place) for m, q in queues.items()}
        found = [Lane(self._lane_tools, m, self._addresses.get(m, ""), q) for m, q in kept.items()]
        if len(found) == 1:
            found[0].work_off()
        else:
            for done in [lanes.submit(lane.work_off) for lane in found]:
                done.result()
        for mailbox in self._intake.lost():
            self._await_seed(mailbox, "lost sequence")
        for received in taken:
            self._observe(received, taken_at)

    def _take_in(self, received: Received) -> bool:
        mailbox = received.change.mailbox
        record = self._ledger.mailbox(mailbox)
        if is_open(record):
            return False
        if mailbox in self._addresses:
            return self._intake.judge(received) is Verdict.TAKE
        if not record.behind and received.change.version > record.applied:
            self._stragglers.fall_behind(mailbox, received.begins_at, ReplicationFault.NOT_REGISTERED)
        return False

    def _await_seed(self, mailbox: str, reason: str, begins_at: int = 0, looked_at: int = 0) -> None:
        """Order a seed and have the mailbox wait for it, or for one in the log from an offset on.

        When it was looked at goes into the same record: a commit of the lane beside must not split them.
        """
        log.error("a seed is needed and ordered", extra={"mailbox": mailbox, "reason": reason})
        self._intake.forget(mailbox)
        known = self._ledger.mailbox(mailbox)
        if known.role == TargetRole.DRAINED:
            # what comes after the barrier is of a generation that is not ours: the source mirrors again
            self._ledger.put_mailbox(known := roles.follow_generation(known))
        self._orders.seed(mailbox, reason)
        self._ledger.put_mailbox(
            replace(known, waiting=reason, waiting_from=begins_at, looked_at=known.looked_at or looked_at)
        )
        self._metrics.waiting.labels(mailbox=mailbox).set(1)

    def _await_new_seed(self, mailbox: str, reason: str) -> None:
        """Order a seed and wait for it alone: what the log holds already may be older than what the target does."""
        end = max(self._log_end(), self._progress.committed or 0)
        self._await_seed(mailbox, reason, end, looked_at=self._clock())

    # -- between batches -----------------------------------------------------------------------------------

    def _look_how_far(self, reader: LogReader, held: HeldReader | None, batch: Batch) -> None:
        """Note whether what was there at the last going back was read again, or all that is due."""
        lag_records = reader.lag_records()
        self._end = reader.position + lag_records
        is_idle = not batch.changes and lag_records <= CAUGHT_UP_RECORDS
        is_all_due = held is not None and held.is_level
        self._is_caught_up |= self._progress.complete >= self._again_until or is_idle or is_all_due

    def _look_for_lost_end(self, reader: LogReader, held: HeldReader | None) -> None:
        """Order a seed for mailboxes whose captured changes the log does not hold any more."""
        if self._open_log is None or not self._is_caught_up or (held and not held.is_level):
            return
        if lost := self._lost_end.look(reader, self._addresses):
            with closing(self._open_log(reader.position)) as rest:
                lost = sorted(set(lost) - named_in(rest))
            for mailbox in lost:
                self._await_new_seed(mailbox, "lost end of the log")
            if self._ledger.is_full:
                self._commit()

    def _retry_behind(self, subscription: Subscription) -> None:
        """Let mailboxes that fell behind try again: the log is read again from where they stopped.

        Only once all that was there the last time was read: reading again must not keep the others from what comes.
        """
        if not self._is_caught_up:
            return
        if due := self._stragglers.due(self._addresses):
            # one that fell behind while it ran ahead stands after what is held of the others
            self._progress.complete = min(self._progress.complete, *due.values())
            subscription.rewind(self._progress.complete)
            self._is_caught_up, self._again_until = False, self._end
            self._stragglers.resume(due, self._addresses, self._progress.complete)
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

    def _prove(self) -> None:
        """Compare a page of a target folder with the source's checksum."""
        try:
            self._proof.step(self._addresses)
        except CallFailed as failure:
            log.info("folder not compared", extra={"code": failure.code})

    def _observe(self, received: Received, taken_at: int) -> None:
        change = received.change
        if self._ledger.mailbox(change.mailbox).applied < change.version:
            return
        now = self._clock()
        self._metrics.applied.observe(max(0, now - change.captured_at) / 1000)
        self._metrics.stage_seconds.labels(stage="taken").observe(max(0, taken_at - received.appended_at) / 1000)
        self._metrics.stage_seconds.labels(stage="visible").observe(max(0, now - taken_at) / 1000)
        self._metrics.content_bytes.inc(received.size_bytes)
        self._metrics.changes.labels(operation=type(change.operation).__name__).inc()
