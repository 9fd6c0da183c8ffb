"""Verifies one mailbox after another at one target, and has repaired what the pipeline may repair.

Order: a look at every folder → further looks at those that differ, until what differs stays the same while the
pipeline is level, because a difference may be on its way → repairs ordered of the feed → looked at until done.
Failure: a mailbox that can't be read is reported with the code; the others go on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from consumers.verifier import Divergence
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.looking import Addresses, Counts, Look, Looking, is_on_its_way
from deploy.verification.result import MailboxResult, kinds_of
from schemas.ports import CallFailed

LOOK_SPACING_SECONDS = 2.0
ORDER_ITEMS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What verifying asks of the pipeline: fresh knowledge of a mailbox, and wanting items of it again."""

    know: Callable[[str], MailboxKnowledge]
    want: Callable[[str, tuple[str, ...]], None]


class Verification:
    """Verifies mailboxes at one target; waits at most `wait_seconds` for each, and as long again for repairs."""

    def __init__(
        self,
        target: str,
        looking: Looking,
        pipeline: Pipeline,
        wait_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._looking = looking
        self._pipeline = pipeline
        self._wait_seconds = wait_seconds
        self._sleep = sleep
        self._monotonic = monotonic

    def verify(
        self, mailbox: str, addresses: Addresses, known: MailboxKnowledge, *, is_repairing: bool
    ) -> MailboxResult:
        """Return what differs in the end; `known` may be a little old."""
        try:
            first = self._looking.look(known, addresses)
            settled = last = self._settled(mailbox, addresses, first)
            ordered = 0
            if is_repairing and (items := _repairable(last)):
                ordered = len(items)
                for start in range(0, ordered, ORDER_ITEMS_MAX):
                    self._pipeline.want(mailbox, items[start : start + ORDER_ITEMS_MAX])
                last = self._repaired(mailbox, addresses, last)
        except CallFailed as failure:
            return MailboxResult(mailbox=mailbox, target=self._target, failure=failure.code)
        return self._result(mailbox, (first, settled, last), ordered)

    def _settled(self, mailbox: str, addresses: Addresses, look: Look) -> Look:
        """Look again until two looks agree and nothing is on its way, or the time is over."""
        deadline = self._monotonic() + self._wait_seconds
        while not look.is_clean:
            before = look.verdict.divergences
            look = self._again(mailbox, addresses, look)
            is_same = look.verdict.divergences == before and not is_on_its_way(look)
            if is_same or self._monotonic() >= deadline:
                break
        return look

    def _repaired(self, mailbox: str, addresses: Addresses, look: Look) -> Look:
        """Look again until nothing repairable is left and nothing is on its way, or the time is over."""
        deadline = self._monotonic() + self._wait_seconds
        while (_repairable(look) or is_on_its_way(look)) and self._monotonic() < deadline:
            look = self._again(mailbox, addresses, look)
        return look

    def _again(self, mailbox: str, addresses: Addresses, look: Look) -> Look:
        self._sleep(LOOK_SPACING_SECONDS)
        return self._looking.look(self._pipeline.know(mailbox), addresses, look.differing)

    def _result(self, mailbox: str, looks: tuple[Look, Look, Look], ordered: int) -> MailboxResult:
        """Sum up: the first look saw every folder, the later ones only those that differed."""
        first, settled, last = looks
        counts = first.counts | settled.counts | last.counts
        total = reduce(Counts.plus, counts.values(), Counts())
        return MailboxResult(
            mailbox=mailbox,
            target=self._target,
            folders=len(counts),
            folders_equal=len(counts) - len(last.differing),
            items_source=total.source,
            items_target=total.target,
            foreign=total.foreign,
            deeply_compared=first.deeply_compared,
            unreadable=first.unreadable,
            behind=last.behind,
            divergences=tuple(last.verdict.divergences),
            repairs_ordered=ordered,
            repaired=kinds_of(_mended(settled, last)) if ordered else {},
        )


def _mended(before: Look, after: Look) -> list[Divergence]:
    """Return what differed before and is equal now; what is known to be behind is ordered, and not repaired."""
    behind = {item for _, item in after.verdict.behind}
    left = {(d.kind, d.item, d.folder_id) for d in after.verdict.divergences}
    return [d for d in before.verdict.divergences if d.item not in behind and (d.kind, d.item, d.folder_id) not in left]


def _repairable(look: Look) -> tuple[str, ...]:
    return tuple(dict.fromkeys(d.item for d in look.verdict.divergences if d.is_repairable and d.item))
