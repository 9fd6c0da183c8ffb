"""What a promotion would do, how long that may take, and what would be lost if it began now. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from deploy.promotion import loss, readiness
from deploy.promotion.picture import Picture

CHANGES_PER_SECOND = 100.0
"""How fast a replay is assumed to be; measured figures stand in the report of `make failover`."""
SESSION_SECONDS = 10.0
"""How long Kafka needs to give a dead feed's partitions to the one that takes its place (`group.consumer.session…`)."""


def mailboxes(
    picture: Picture, chosen: Iterable[str], target: str, accepted: Collection[str], now: int
) -> list[dict[str, Any]]:
    """Return, by mailbox, whether it would be promoted, what is not as it should be, and the loss at `now`."""
    rows = []
    for mailbox in chosen:
        seen = picture.of(mailbox)
        never, doubts = readiness.never(seen, target), "; ".join(readiness.doubts(seen))
        found = loss.loss_of(seen, now)
        rows.append(
            {
                "mailbox": mailbox,
                "promoted": not never and (mailbox in accepted or not doubts),
                "note": never or doubts,
                "not_applied": seen.not_applied,
                "loss_seconds": found.seconds,
                "loss_items": found.items,
                "loss_changes": found.changes,
            }
        )
    return rows


def steps(
    rows: Sequence[Mapping[str, Any]], target: str, door: str, *, is_planned: bool, has_feed: bool
) -> list[dict[str, Any]]:
    """Return each step with the seconds it may take and what it does."""
    part = [row for row in rows if row["promoted"]]
    changes = sum(row["not_applied"] for row in part)
    fence = 2.0 if is_planned else 0.5
    said = [
        ("check", 0.5, f"front door: {door}"),
        ("close", 0.1, f"{len(part)} mailboxes; front door closed"),
        ("fence", fence if has_feed else SESSION_SECONDS, _fence_text(is_planned=is_planned, has_feed=has_feed)),
        ("drain", changes / CHANGES_PER_SECOND + 0.5, f"{changes} changes to apply"),
        ("verify", 1.0, "every folder of the target, looked at once more"),
        ("open", 0.5, f"users may work at {target}"),
        ("lead", 0.5, f"front door: {door}"),
        ("confirm", 0.5, "a real request through the front door"),
    ]
    said += [("tail", 1.0, "read the source once more")] if is_planned else []
    return [{"step": step, "seconds": round(seconds, 1), "what": what} for step, seconds, what in said]


def _fence_text(*, is_planned: bool, has_feed: bool) -> str:
    who = "" if has_feed else "; no feed lives, one that needs only Kafka takes its place"
    return ("read to the end, then the barrier" if is_planned else "the barrier at once") + who


def text_of(said: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the forecast for people."""
    lines = [f"{step['step']:<12} {step['seconds']:6.1f} s  {step['what']}" for step in said]
    for row in rows:
        seconds = f"{row['loss_seconds']:.1f} s" if row["loss_seconds"] >= 0 else "everything"
        verdict = "promoted" if row["promoted"] else "LEFT OUT"
        note = f"  ({row['note']})" if row["note"] else ""
        changes = f", {row['loss_changes']:,} changes" if row["loss_changes"] else ""
        lines.append(f"{row['mailbox']}  {verdict}  loss now: {seconds}, {row['loss_items']:,} items{changes}{note}")
    return "\n".join(lines)
