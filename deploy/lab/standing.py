"""Is the target level with the source? Decided from the rows of `mailshadow status --json`, as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class StalledError(Exception):
    """Nothing moved for so long that waiting makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the pipeline stands: mailboxes that are level, changes not applied yet, items parked, paused mailboxes.

    `held`: why the target's mailboxes wait for an operator, one entry a mailbox.
    """

    level: int
    changes_left: int
    parked: int
    paused: int
    held: tuple[str, ...] = ()


def standing(rows: Iterable[Mapping[str, Any]], target: str, certain_after_ms: int) -> Standing:
    """Return where a target stands.

    A mailbox is level when the source is certain up to a time after `certain_after_ms`, everything captured is
    applied, and nothing is owed, pending, wanted, unsettled or behind.
    """
    level = changes_left = parked = paused = 0
    held_on: list[str] = []
    for row in rows:
        source, held = row["source"], row["targets"].get(target)
        paused += bool(source["paused"])
        if held is None:
            changes_left += source["next_sequence"] - 1
            continue
        parked += held["parked"]
        held_on += [held["held_on"]] if held.get("held_on") else []
        left = held["changes_not_applied"]
        changes_left += left
        waits = (
            source["seed_running"], source["owed"], source["pending"], held["unsettled"], held["behind"],
            held["waiting"], held.get("wanted", 0),
            held["generation"] != source["generation"], left,
        )  # fmt: skip
        level += not any(waits) and source["certain_up_to_ms"] > certain_after_ms
    return Standing(level=level, changes_left=changes_left, parked=parked, paused=paused, held=tuple(held_on))
