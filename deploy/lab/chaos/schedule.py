"""When which fault begins and how long it lasts: drawn from a seed, as values."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_AT_SECONDS = 1.0
SPACING_SECONDS = (0.5, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How a kind of fault is drawn: its share, and how long it lasts in seconds, from and to."""

    weight: int
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault to come: its number from 1, when it begins after the start, how long it lasts, its own chance."""

    number: int
    kind: str
    at_seconds: float
    lasts_seconds: float
    seed: int


def plan(seed: int, seconds: float, draws: Mapping[str, Draw]) -> Sequence[Planned]:
    """Return the faults of a run of so many seconds, in order of their begin.

    Every kind comes once, in an order of chance, before shares decide, as far as the time allows. A fault that would
    outlast the run is cut short at its end.
    """
    chance = random.Random(seed)  # noqa: S311 - a seeded choice is no secret
    names = sorted(draws)
    waiting = chance.sample(names, len(names))
    found: list[Planned] = []
    at = FIRST_AT_SECONDS
    while at < seconds:
        kind = waiting.pop() if waiting else chance.choices(names, [max(draws[name].weight, 1) for name in names])[0]
        lasts = min(chance.uniform(*draws[kind].seconds), seconds - at)
        number = len(found) + 1
        own = chance.getrandbits(32)
        found.append(Planned(number=number, kind=kind, at_seconds=at, lasts_seconds=lasts, seed=own))
        at += chance.uniform(*SPACING_SECONDS)
    return found
