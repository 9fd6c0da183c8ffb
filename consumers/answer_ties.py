"""Ties answers of writes to what was written, where they name new ids only: by the stamps that the items carry.

CreateItem and MoveItem answer ids that nobody has seen before, UploadItems as well, and DeleteItem none at all. Their
order is the request's at every server we know; where a batch holds several items it is looked at all the same,
because the wrong content under a name would show nowhere.
"""

from collections.abc import Callable, Sequence

from consumers.target import Done, Held, Outcome, Refused
from schemas.faults import GONE, ReplicationFault
from schemas.ports import AnswerUnknown, CallFailed

Look = Callable[[list[str]], list[Held | Refused]]
"""Returns items by id, as `Target.look` of one mailbox."""


def by_stamp(stamps: Sequence[str], outcomes: Sequence[Outcome], look: Look) -> list[Outcome]:
    """Return the outcomes in the order of the stamps; one that no item carries any more can't be told.

    An empty stamp is not known, and its outcome keeps its place. AnswerUnknown where the items can't be looked at.
    """
    done = [outcome for outcome in outcomes if isinstance(outcome, Done) and outcome.item_id]
    if len(done) < 2:  # noqa: PLR2004 - one can't be mistaken for another
        return list(outcomes)
    held = dict(zip([outcome.item_id for outcome in done], _looked(look, done), strict=True))
    found = [_stamp(held, outcome) for outcome in outcomes]
    if all(not stamp or not seen or stamp == seen for stamp, seen in zip(stamps, found, strict=True)):
        return list(outcomes)
    by_place = {seen: outcome for seen, outcome in zip(found, outcomes, strict=True) if seen}
    mixed = Refused(ReplicationFault.ANSWER_MIXED, "the answers are about other items than asked")
    return [by_place.get(stamp.lower(), mixed) if stamp else mixed for stamp in stamps]


def by_absence(item_ids: Sequence[str], outcomes: Sequence[Outcome], look: Look) -> list[Outcome]:
    """Return the outcomes of deletions; where some were refused, none is taken for done whose item is still there."""
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    if not refused or len(refused) == len(outcomes):
        return list(outcomes)
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    looked = zip(done, _looked(look, done), strict=True)
    if all(isinstance(held, Refused) and held.code in GONE for _, held in looked):
        return list(outcomes)
    everything = [Done(item_id, "") for item_id in item_ids]
    looked = zip(everything, _looked(look, everything), strict=True)
    return [one if isinstance(held, Refused) and held.code in GONE else refused[0] for one, held in looked]


def _looked(look: Look, done: Sequence[Done]) -> list[Held | Refused]:
    try:
        return look([outcome.item_id for outcome in done])
    except CallFailed as failure:
        # it was sent and answered: only looking can tell what came of it
        raise AnswerUnknown(failure.code, failure.detail, failure.back_off_seconds) from failure


def _stamp(held: dict[str, Held | Refused], outcome: Outcome) -> str:
    seen = held.get(outcome.item_id) if isinstance(outcome, Done) else None
    return seen.stamp.lower() if isinstance(seen, Held) else ""
