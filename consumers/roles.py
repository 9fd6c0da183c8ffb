"""The orders that end a replay's role in a mailbox, or begin another one, and who obeys each (design §8)."""

from collections.abc import Callable, Iterable, Mapping

from consumers.opening import Opening
from consumers.originals import Originals
from consumers.progress import Progress
from consumers.replay_settings import ReplaySettings
from consumers.taking_over import Opposite, TakingOver
from consumers.workshop import Workshop
from schemas.ports import Clock, Incoming
from schemas.roles import OrderKind
from schemas.state import Order

MERGED = "what was captured and not applied is merged"


class Roles:
    """OPEN, REOPEN, MERGE and TAKE_OVER for the mailboxes of one partition at one target."""

    def __init__(
        self,
        made: Workshop,
        progress: Progress,
        settings: ReplaySettings,
        originals: Originals,
        opposite: Opposite,
        history: Callable[[], Iterable[Incoming]],
        clock: Clock,
    ) -> None:
        tools = made.lane_tools
        self._intake = made.intake
        self._progress = progress
        self._history = history
        self._stragglers = stragglers = tools.stragglers
        self._opening = Opening(
            made.ledger,
            settings.target,
            lambda mailbox, address, items: stragglers.settle(mailbox, address, items, progress.complete),
            tools.tidying,
            tools.patience,
            clock,
        )
        self._taking_over = TakingOver(
            made.ledger, originals, tools.patience, opposite, progress.commit, settings.scope.digest, clock
        )

    def obey(self, order: Order, addresses: Mapping[str, str]) -> None:
        """Do what the order says; once more changes nothing. The caller commits with the order's position."""
        match order.kind:
            case OrderKind.MERGE:
                self._merge(order)
            case OrderKind.TAKE_OVER:
                self._intake.forget(order.mailbox)
                self._taking_over.obey(order, addresses.get(order.mailbox, ""))
            case _:
                self._opening.obey(order, addresses)

    def _merge(self, order: Order) -> None:
        if self._opening.merge(order):
            first = next(iter(self._history()), None)
            begins_at = first.offset if first else self._progress.complete
            self._stragglers.fall_behind(order.mailbox, begins_at, MERGED)
            self._stragglers.retry_now(order.mailbox)
