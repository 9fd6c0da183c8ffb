"""What the replay of one partition into one target works with, put together. No behaviour of its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from consumers.adoption import Adoption
from consumers.dead_letters import DeadLetters
from consumers.feed_orders import FeedOrders
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.intake import Intake
from consumers.lane import LaneTools
from consumers.ledger import Ledger
from consumers.likeness import Likeness
from consumers.mailbox_run import MailboxWorker
from consumers.merging import Merging
from consumers.patience import Patience
from consumers.proof import Proof
from consumers.recovery import Recovery
from consumers.replay_settings import ReplaySettings
from consumers.run import Tools
from consumers.staging import Staging
from consumers.stragglers import Stragglers
from consumers.target import Target
from consumers.tidying import Tidying
from schemas.identity import target_id
from schemas.metrics import ReplayMetrics
from schemas.ports import Clock, Incoming, OwnedPartition
from schemas.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the loop lends to its parts.

    `commit` returns once the ledger as it stands is committed, `prove_owned` finds out about another owner,
    `await_seed` has a mailbox wait for a seed ordered now, `history` is the log from its first record.
    """

    commit: Callable[[], None]
    prove_owned: Callable[[], None]
    await_seed: Callable[[str, str], None]
    history: Callable[[], Iterable[Incoming]]


class Workshop:
    """The parts of one partition's replay; `name` is the target's in stamps, `mint` makes nonces nobody has used."""

    def __init__(
        self,
        owned: OwnedPartition,
        target: Target,
        topics: Topics,
        settings: ReplaySettings,
        clock: Clock,
        mint: Callable[[], str],
        metrics: ReplayMetrics,
        hooks: Hooks,
    ) -> None:
        self._owned = owned
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self.name = target_id(topics.pipeline, settings.target)
        self.ledger = Ledger(owned, topics.target_state(settings.target))
        self.folders = FolderMap(target, self.ledger, hooks.commit, settings.scope, hooks.prove_owned)
        letters = topics.dead_letters(settings.target)
        self.dead_letters = DeadLetters(letters, settings.target, settings.dead_letter_limit, clock, metrics)
        self.orders = FeedOrders(topics, settings.target, self.ledger, clock)
        self.gate = Gate(self.ledger, settings.breaker_limit, clock, metrics)
        self.intake = Intake(self.ledger)
        self.lane_tools = self._lane_tools(target, mint, hooks)

    def _lane_tools(self, target: Target, mint: Callable[[], str], hooks: Hooks) -> LaneTools:
        settings, ledger, clock, metrics = self._settings, self.ledger, self._clock, self._metrics
        staging = Staging(target, ledger, self.folders, self.name, portable_only=settings.portable_only)
        tools = Tools(
            target=target,
            ledger=ledger,
            folders=self.folders,
            staging=staging,
            recovery=Recovery(target, ledger, self.folders, self.name, hooks.commit),
            dead_letters=self.dead_letters,
            gate=self.gate,
            merging=Merging(target, ledger, self.name, clock),
            likeness=Likeness(target, is_in_place=settings.edits_in_place),
            want=self.orders.want,
            scope=settings.scope,
        )
        worker = MailboxWorker(tools, self.name, mint, clock, metrics)
        tidying = Tidying(staging, ledger, clock, metrics)
        patience = Patience(self._owned.still_owned, metrics, refusals=settings.refusals)
        return LaneTools(
            ledger=ledger,
            folders=self.folders,
            worker=worker,
            patience=patience,
            stragglers=Stragglers(ledger, self.intake, patience, tidying, worker.settle_open, clock),
            tidying=tidying,
            gate=self.gate,
            proof=Proof(
                target,
                ledger,
                self.name,
                clock,
                metrics,
                settings.checksum_interval_seconds,
                settings.probe_interval_seconds,
            ),
            adoption=Adoption(target, ledger, self.name, hooks.history, hooks.commit, self._owned.still_owned, clock),
            await_seed=hooks.await_seed,
            commit=hooks.commit,
            clock=clock,
            want=self.orders.want,
            seed=self.orders.seed,
            scope=settings.scope,
            metrics=metrics,
            target=settings.target,
        )
