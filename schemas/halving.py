"""One item can make a whole call fail: halve the batch until the item at fault stands alone, and go on without it.

For calls that only read, or whose repetition does no harm. What fails is split only while the server answers something
else, so a server that is away costs two calls. Pieces are asked breadth first: where many of them fail and none is
answered, a sample of single items tells a broken operation from broken items.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from schemas.faults import DISPOSITIONS, Disposition, TransportFault, disposition_of
from schemas.ports import CallFailed

Item = TypeVar("Item")
Answer = TypeVar("Answer")

PIECES_SAMPLED = 16
_OF_THE_SERVER = frozenset(
    {TransportFault.CONNECTION_REFUSED, TransportFault.TLS_FAILED, TransportFault.HTTP_UNAUTHORIZED}
)


def may_be_one_items(failure: CallFailed) -> bool:
    """Tell whether a failed call may be the fault of one item in it; throttling and a server that is away are not."""
    return failure.code not in _OF_THE_SERVER and disposition_of(failure.code) is not Disposition.THROTTLE


def may_be_refused_alone(failure: CallFailed) -> bool:
    """Tell whether a failed write may be the fault of one item, so that the item may be given up for it.

    A refusal of our account or our way in, and what only the mailbox's administrator can mend, never are.
    """
    disposition = disposition_of(failure.code)
    is_odd = failure.code == TransportFault.HTTP_BAD_REQUEST or failure.code not in DISPOSITIONS
    return may_be_one_items(failure) and (disposition in {Disposition.RETRY, Disposition.PARK} or is_odd)


class Halving(Generic[Item, Answer]):
    """One batch: `ask` returns one answer an item, `confirm` raises CallFailed where the server answers nothing."""

    def __init__(
        self, items: Sequence[Item], ask: Callable[[list[Item]], Sequence[Answer]], confirm: Callable[[], object]
    ) -> None:
        self._items = list(items)
        self._ask = ask
        self._confirm = confirm
        self._answers: dict[int, Answer | CallFailed] = {}
        self._is_answering = False

    def answers(self) -> list[Answer | CallFailed]:
        """Return an answer an item, in order, or why there is none; CallFailed where it is not the items' fault."""
        pieces = [range(len(self._items))] if self._items else []
        while pieces:
            failed = [(piece, failure) for piece in pieces if (failure := self._attempt(piece))]
            for piece, failure in failed:
                if len(piece) == 1:
                    self._answers[piece[0]] = failure
            larger = [(piece, failure) for piece, failure in failed if len(piece) > 1]
            if len(larger) == len(pieces) >= PIECES_SAMPLED and not self._is_any_answered(larger):
                raise larger[0][1]
            pieces = [half for piece, _ in larger for half in _halves(piece)]
        return [self._answers[number] for number in range(len(self._items))]

    def _attempt(self, piece: range) -> CallFailed | None:
        """Ask for a piece and keep its answers; return why it failed."""
        try:
            answers = self._ask([self._items[number] for number in piece])
        except CallFailed as failure:
            if not may_be_one_items(failure):
                raise
            self._require_answering(failure)
            return failure
        self._answers.update(zip(piece, answers, strict=True))
        return None

    def _require_answering(self, failure: CallFailed) -> None:
        if self._is_answering:
            return
        try:
            self._confirm()
        except CallFailed:
            raise failure from None
        self._is_answering = True

    def _is_any_answered(self, larger: list[tuple[range, CallFailed]]) -> bool:
        """Ask for one item of each piece; tell whether any was answered."""
        sample = [piece[number % len(piece)] for number, (piece, _) in enumerate(larger[:PIECES_SAMPLED])]
        return any(self._attempt(range(number, number + 1)) is None for number in sample)


def _halves(piece: range) -> tuple[range, range]:
    middle = len(piece) // 2
    return piece[:middle], piece[middle:]
