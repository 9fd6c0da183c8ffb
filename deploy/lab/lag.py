"""How long a live change took, from the journals of both servers: the write at the source to the write at the target.

A change is paired by Message-ID, in order, with the write that carries it over: what is created or edited arrives
with the move out of staging, a move as a move, marks as an update, a deletion as a deletion. Writes inside staging
are not seen by users and do not count; changes of items without Message-ID, of which the journals cannot tell
one from another, are left out, and so are those that a later change overtook before they were captured.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

_ARRIVES_AS: Final[Mapping[str, frozenset[str]]] = {
    "create": frozenset({"create", "move"}),
    "update": frozenset({"move", "update", "mark"}),
    "mark": frozenset({"update", "mark"}),
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
    arrivals: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in target:
        if entry["message_id"] and entry["folder_id"] not in staging_folder_ids:
            arrivals[entry["mailbox"], entry["message_id"]].append(entry)
    places: dict[tuple[str, str], int] = {}
    found: list[float] = []
    for entry in source:
        key = mailboxes[entry["mailbox"]], entry["message_id"]
        candidates, wanted = arrivals.get(key, []), _ARRIVES_AS.get(entry["kind"], frozenset())
        for place in range(places.get(key, 0), len(candidates)):
            arrival = candidates[place]
            if arrival["kind"] in wanted and arrival["time"] >= entry["time"]:
                found.append(arrival["time"] - entry["time"])
                places[key] = place + 1
                break
    return found


def percentile(values: Iterable[float], share: float) -> float:
    """Return the nearest-rank percentile, 0 for no values; `share` 1 is the largest."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
