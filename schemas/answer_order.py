"""Which answer is about which item: ids in answers are compared with those asked for, whatever their order. Pure."""

from collections.abc import Callable, Sequence

from schemas.ports import Element, ServerAnswer


def matched(
    asked: Sequence[str], answers: Sequence[ServerAnswer], id_in: Callable[[Element], Element | None]
) -> list[ServerAnswer | None]:
    """Return the answer about each asked id; None where none can be told to be about it.

    `id_in` finds the element that holds the id in what was done; a refusal holds none. Refusals keep their places
    where everything else does; else they are told apart only if they all say the same, or there is one.
    """
    ids = [_id_of(id_in(answer.element)) if answer.is_done else "" for answer in answers]
    if all(not answered or answered == wanted for wanted, answered in zip(asked, ids, strict=True)):
        return [a if answered or not a.is_done else None for a, answered in zip(answers, ids, strict=True)]
    by_id: dict[str, list[ServerAnswer]] = {}
    for answered, answer in zip(ids, answers, strict=True):
        by_id.setdefault(answered, []).append(answer)
    by_place = [by_id[wanted].pop(0) if by_id.get(wanted) else None for wanted in asked]
    refusals = [answer for answer in by_id.get("", ()) if not answer.is_done]
    is_clear = len({answer.code for answer in refusals}) == 1 and len(refusals) == by_place.count(None)
    return [answer or (refusals.pop() if is_clear else None) for answer in by_place]


def _id_of(element: Element | None) -> str:
    return "" if element is None else str(element.get("Id", ""))
