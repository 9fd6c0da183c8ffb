"""Ties answers of writes to what was written, where they name new ids only: by the stamps that the items carry.

CreateItem and MoveItem answer ids that nobody has seen before, UploadItems as well, and DeleteItem none at all. Their
order is the request's at every server we know; where a batch holds several items it is looked at all the same,
because the wrong content under a name would show nowhere.
"""

from collections.abc import Callable, Sequence

from consumers.target import Done, Held, Outcome, Refused
from schemas.change import ItemSaved
from schemas.faults import GONE, ReplicationFault
from schemas.ports import AnswerUnknown, CallFailed

_MIXED = Refused(ReplicationFault.ANSWER_MIXED, "the answers are about other items than asked")
Look = Callable[[list[str]], list[Held | Refused]]
"""Returns items by id, as `Target.look` of one mailbox."""


def by_stamp(stamps: Sequence[str], outcomes: Sequence[Outcome], look: Look) -> list[Outcome]:
    """Return the outcomes in the order of the stamps; one that no item carries any more can't be told.

    An empty stamp is not known, and its outcome keeps its place. AnswerUnknown where the items can't be looked at.
    """
    done = [outcome for outcome in outcomes if isinstance(outcome, Done) and outcome.item_id]
    if len(done) < 2:  # noqa: PLR2004 - one can't be mistaken for another
        return list(outcomes)
    items = dict(zip([outcome.item_id for outcome in done], _looked(look, done), strict=True))
    shown = [_stamp(items, outcome) for outcome in outcomes]
    if all(not stamp or not seen or stamp == seen for stamp, seen in zip(stamps, shown, strict=True)):
        return list(outcomes)
    by_place = {seen: outcome for seen, outcome in zip(shown, outcomes, strict=True) if seen}
    return [by_place.get(stamp.lower(), _MIXED) if stamp else _MIXED for stamp in stamps]


def by_content(saves: Sequence[ItemSaved], outcomes: Sequence[Outcome], look: Look) -> list[Outcome]:
    """Return the outcomes of uploads in the order of the saves, told by Message-ID, or by subject where there is none.

    An upload is stamped after it, so its stamp can't tell. What both servers show alike, or show nothing of, keeps its
    place: only an item that shows what another of the batch says was answered for that one.
    """
    done = [outcome for outcome in outcomes if isinstance(outcome, Done) and outcome.item_id]
    if len(done) < 2:  # noqa: PLR2004 - one can't be mistaken for another
        return list(outcomes)
    items = dict(zip([outcome.item_id for outcome in done], _looked(look, done), strict=True))
    seen = [items.get(outcome.item_id) if isinstance(outcome, Done) else None for outcome in outcomes]
    shows = [[isinstance(h, Held) and _says(save, h) for h in seen] for save in saves]
    is_own = [shows[number][number] for number in range(len(saves))]
    tied = list(outcomes)
    for number, row in enumerate(shows):
        others = [other for other, is_alike in enumerate(row) if is_alike and not is_own[other]]
        is_others = any(shows[other][number] for other in range(len(saves)) if other != number)
        if not is_own[number] and (others or is_others):
            tied[number] = outcomes[others[0]] if len(others) == 1 else _MIXED
    return tied


def by_absence(item_ids: Sequence[str], outcomes: Sequence[Outcome], look: Look) -> list[Outcome]:
    """Return the outcomes of deletions; where some were refused, none is taken for done whose item is still there."""
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    if not refused or len(refused) == len(outcomes):
        return list(outcomes)
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    looked = zip(done, _looked(look, done), strict=True)
    if all(isinstance(item, Refused) and item.code in GONE for _, item in looked):
        return list(outcomes)
    everything = [Done(item_id, "") for item_id in item_ids]
    looked = zip(everything, _looked(look, everything), strict=True)
    return [gone if isinstance(item, Refused) and item.code in GONE else refused[0] for gone, item in looked]


def _says(save: ItemSaved, item: Held) -> bool:
    """Tell whether an item shows the Message-ID of a save, or its subject where one of them has none."""
    if save.summary.message_id and item.message_id:
        return save.summary.message_id.strip() == item.message_id.strip()
    return bool(item.subject) and save.summary.subject.split() == item.subject.split()


def _looked(look: Look, done: Sequence[Done]) -> list[Held | Refused]:
    try:
        return look([outcome.item_id for outcome in done])
    except CallFailed as failure:
        # it was sent and answered: only looking can tell what came of it
        raise AnswerUnknown(failure.code, failure.detail, failure.back_off_seconds) from failure


def _stamp(items: dict[str, Held | Refused], outcome: Outcome) -> str:
    seen = items.get(outcome.item_id) if isinstance(outcome, Done) else None
    return seen.stamp.lower() if isinstance(seen, Held) else ""
