"""How long a live change took, from the journals of both servers: the write at the source to the write at the target.

A change is paired by Message-ID, in order, with the write that carries it over: what is created or edited arrives
with the move out of staging, a move as a move, marks as an update, a deletion as a deletion. Writes inside staging
are not seen by users and do not count; changes of items without Message-ID, of which the journals cannot tell
one from another, are left out, and so are those that a later change overtook before they were captured.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

_PLACED = "placed"
_ARRIVES_AS: Final[Mapping[str, frozenset[str]]] = {
    "create": frozenset({_PLACED}),
    "update": frozenset({_PLACED, "update", "mark"}),
    "mark": frozenset({_PLACED, "update", "mark"}),
    "move": frozenset({"move"}),
    "delete": frozenset({"delete"}),
}

Entry = Mapping[str, Any]


def lags_seconds(
    source: Iterable[Entry],
    target: Iterable[Entry],
    mailboxes: Mapping[str, str],
    staging_folder_ids: Collection[str],
) -> list[float]:
    """Return the lag of every change that can be paired; `mailboxes` maps source to target addresses."""
    arrivals = _arrivals(target, staging_folder_ids)
    found: list[float] = []
    for entry in source:
        waiting = arrivals.get((mailboxes[entry["mailbox"]], entry["message_id"]), [])
        wanted = _ARRIVES_AS.get(entry["kind"], frozenset())
        for place, (kind, moment) in enumerate(waiting):
            if kind in wanted and moment >= entry["time"]:
                found.append(moment - entry["time"])
                del waiting[place]
                break
    return found


def _arrivals(
    target: Iterable[Entry], staging_folder_ids: Collection[str]
) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """Return kind and time of what users could see, by mailbox and message: placed is moved out of staging."""
    staged: Counter[tuple[str, str]] = Counter()
    found: defaultdict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for entry in target:
        key, kind = (entry["mailbox"], entry["message_id"]), entry["kind"]
        if not entry["message_id"]:
            continue
        if entry["folder_id"] in staging_folder_ids:
            staged[key] += (kind == "create") - (kind == "delete")
        elif kind == "move" and staged[key] > 0:
            staged[key] -= 1
            found[key].append((_PLACED, entry["time"]))
        else:
            found[key].append((kind, entry["time"]))
    return found


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the nearest-rank percentile, None for no values; `share` 1 is the largest."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def seconds_text(seconds: float | None, digits: int = 1) -> str:
    """Return a lag for people; one that was not measured is none of zero seconds."""
    return "not measured" if seconds is None else f"{seconds:.{digits}f} s"
