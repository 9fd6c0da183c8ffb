"""What users of a target see of an item over time (invariants 2 and 3): never backwards, never twice, gone is gone.

Content, folder and marks are followed each by itself: the feed reads them by several calls, and a state that joins the
folder of one moment with the marks of the next is what a user of a slow client sees too. Items with copies beside them
are judged at the end only (`Case.twins`).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator

from deploy.lab.chaos.checker.case import Case, Pairing, anomaly, traces
from deploy.lab.chaos.checker.names import PRODUCT_AGENT
from deploy.lab.chaos.checker.shore import Life, Moment
from deploy.lab.chaos.evidence import Anomaly


def items_never_go_backwards(case: Case) -> Iterator[Anomaly]:
    """Yield every item whose states at a target are no subsequence of those it had at the source."""
    for pairing in case.pairings:
        for item, lives in traces(pairing):
            source = case.twins(pairing, item)
            if len(source) == 1:
                yield from _compare(pairing, item, source[0].seen, [m for m, _ in _in_order(lives) if m.is_visible])


def nothing_vanishes_or_comes_twice(case: Case) -> Iterator[Anomaly]:
    """Yield what is taken from users while the source has it, what comes back, and what stands there twice."""
    for pairing in case.pairings:
        for item, lives in traces(pairing):
            yield from _presence(case, pairing, item, lives)


def subsequence_break(source: Iterable[Hashable], seen: Iterable[Hashable]) -> int | None:
    """Return the first place of `seen` that a greedy walk through `source` can't reach; None if it reaches all."""
    states = list(source)
    at = 0
    for place, state in enumerate(seen):
        while at < len(states) and states[at] != state:
            at += 1
        if at == len(states):
            return place
    return None


def _in_order(lives: Iterable[Life]) -> list[tuple[Moment, Life]]:
    return sorted(((m, life) for life in lives for m in life.moments), key=lambda pair: pair[0].write.position)


def _compare(pairing: Pairing, item: str, source: list[Moment], seen: list[Moment]) -> Iterator[Anomaly]:
    stands_for = pairing.ledger.folders

    def folder(moment: Moment) -> str:
        """Name a target folder by the source folder it stands for (its path is judged at the end)."""
        known = stands_for.get(moment.write.folder_id, set())
        possible = [m.write.folder_id for m in source if m.write.folder_id in known]
        return possible[0] if len(set(possible)) == 1 else f"unmapped …{moment.write.folder_id[-16:]}"

    aspects: tuple[tuple[str, Callable[[Moment], Hashable], Callable[[Moment], Hashable]], ...] = (
        ("content", lambda m: m.write.content, lambda m: m.write.content),
        ("marks", lambda m: m.marks, lambda m: m.marks),
        ("folder", lambda m: m.write.folder_id, folder),
    )
    for aspect, of_source, of_target in aspects:
        place = subsequence_break(map(of_source, source), map(of_target, seen))
        if place is not None:
            write = seen[place].write
            is_known = of_target(seen[place]) in set(map(of_source, source))
            rule = f"backwards-{aspect}" if is_known else f"never-so-{aspect}"
            detail = f"{write.operation} at position {write.position} shows {aspect} {_shown(seen[place], aspect)}"
            yield anomaly(rule, pairing, item, detail + (" again, after a later one" if is_known else ""))


def _shown(moment: Moment, aspect: str) -> str:
    write = moment.write
    return {"content": repr(write.subject), "marks": str(moment.marks), "folder": f"…{write.folder_id[-16:]}"}[aspect]


def _presence(case: Case, pairing: Pairing, item: str, lives: list[Life]) -> Iterator[Anomaly]:
    visible: dict[int, str] = {}
    was_gone = False
    for moment, life in _in_order(lives):
        write, others = moment.write, [ident for number, ident in visible.items() if number != id(life)]
        is_placed = moment.is_visible and id(life) not in visible
        if is_placed and was_gone and not others:
            yield anomaly("resurrected", pairing, item, f"{write.subject!r} is back at position {write.position}")
        if is_placed and others and not _replaces(pairing, item, moment, others):
            yield anomaly(
                "twice", pairing, item, f"{write.subject!r} stands beside itself at position {write.position}"
            )
        if moment.is_visible:
            visible[id(life)] = write.id
        elif visible.pop(id(life), None) and not visible and write.agent == PRODUCT_AGENT:
            was_gone = True
            source = case.twins(pairing, item)
            is_taken = len(source) == 1 and is_alive(source[0], write.time_ms)
            if is_taken and not _stands_under_another_key(case, pairing, item, write.time_ms):
                detail = f"{write.operation} takes {write.subject!r} away while the source has it"
                yield anomaly("vanished", pairing, item, detail)


def _stands_under_another_key(case: Case, pairing: Pairing, item: str, time_ms: int) -> bool:
    """Whether users see the same item of the source under a key it got later: its index was lost after a move."""
    lives, born = case.source_lives(pairing, item), _born(case, pairing, item)
    return any(
        _born(case, pairing, other) > born and any(life in lives for life in case.source_lives(pairing, other))
        for other, seen in traces(pairing)
        if any(is_alive(life, time_ms) for life in seen)
    )


def _born(case: Case, pairing: Pairing, item: str) -> int:
    """Return the generation that first told of an item: a lost index begins another."""
    told = case.log.changes_of(pairing.mailbox, item)
    return told[0].change.generation if told else 0


def _replaces(pairing: Pairing, item: str, moment: Moment, others: list[str]) -> bool:
    records = pairing.ledger.item_at(pairing.mailbox, item, moment.write.time_ms)
    return any(record.intent and record.intent.replaced_id in others for record in records)


def is_alive(life: Life, time_ms: int) -> bool:
    """Whether users of its server saw an item at a time."""
    past = [m for m in life.moments if m.write.time_ms <= time_ms]
    return bool(past) and past[-1].is_visible
