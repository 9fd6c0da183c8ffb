"""Where a wave stands, for people and for programs. Pure."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from deploy.migration.outlook import WaveView
from deploy.migration.stages import MEANING
from schemas.state import Wave

_NAMES = (
    "wave", "target", "window_from", "window_until", "mailboxes_max", "at_once_max", "behind_max", "approved_by",
    "promotions", "way_back", "closed_by",
)  # fmt: skip


def row(view: WaveView) -> dict[str, Any]:
    """Return a wave as plain values; mailboxes by their ids."""
    wave = view.wave
    mailboxes = [
        {
            "mailbox": one.mailbox,
            "priority": member.priority,
            "copied": one.is_copied,
            "not_ready": list(one.why_not),
            "accepted": one.mailbox in wave.accepted,
            "cut_over": one.is_promoted,
            "not_applied": view.picture.of(one.mailbox).not_applied,
        }
        for member, one in zip(view.members, view.standings, strict=True)
    ]
    return {"stage": view.stage.value} | _decided(wave) | {"mailboxes": mailboxes}


def lost_row(wave: Wave, why: str) -> dict[str, Any]:
    """Return a wave of which nothing can be read, as plain values: as `row`, its stage empty and `lost` the reason."""
    return {"stage": "", "lost": why} | _decided(wave) | {"mailboxes": []}


def _decided(wave: Wave) -> dict[str, Any]:
    times = {f"{name}_ms": getattr(wave, name) for name in ("approved_at", "ended_at", "closed_at")}
    return {n: getattr(wave, n) for n in _NAMES} | times


def lost_line(wave: Wave, why: str) -> str:
    """Return a wave of which nothing can be read, in one line."""
    return f"{wave.wave}  not readable: {why}; put it back there"


def line(view: WaveView) -> str:
    """Return a wave in one line."""
    wave, standings = view.wave, view.standings
    counts = Counter(
        "cut over" if s.is_promoted else "not copied" if not s.is_copied else "not ready" if s.why_not else "ready"
        for s in standings
    )
    count = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no mailboxes"
    window = f"window {wave.window_from} to {wave.window_until}" if wave.window_from else "no window yet"
    approved = f"; approved by {wave.approved_by} {_time(wave.approved_at)}" if wave.approved_at else ""
    return f"{wave.wave}  {view.stage}: {MEANING[view.stage]}  ({count}; to {wave.target}; {window}{approved})"


def mailbox_lines(view: WaveView) -> Iterator[str]:
    """Yield the mailboxes of a wave, in the order in which they go."""
    for member, one in zip(view.members, view.standings, strict=True):
        behind = view.picture.of(one.mailbox).not_applied
        why = "; ".join(one.why_not)
        where = "at the target" if one.is_promoted else "ready" if not why else f"not ready: {why}"
        accepted = "  (accepted)" if one.mailbox in view.wave.accepted else ""
        note = f"  ({member.notes})" if member.notes else ""
        yield f"  {one.mailbox}  {member.source}  {behind} changes behind  {where}{accepted}{note}"


def _time(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))
