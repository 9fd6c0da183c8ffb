"""The report of a wave, user by user: items, losses by kind, grade. Pure, but for the two files it is written to."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from deploy.migration.outlook import WaveView
from deploy.migration.stages import Stage, Standing
from deploy.promotion import readiness
from deploy.promotion.picture import Seen
from deploy.promotion.report import LossReportError
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.result import MailboxResult
from schemas.backlog import changes_not_applied
from schemas.roles import users_work_at
from schemas.state import ItemState, Registration, SourceRole, TargetFolder, TargetRole, Wave

PORTABLE = "carried as MIME: properties that MIME does not hold"
ARCHIVE = "archive mailbox, left at the source"
UNPROVED = "folders not found equal by a checksum"
CHANGED = "folders changed since they were found equal by a checksum"
NO_FOLDER = "no folder is known at the target: nothing was compared"
UNREAD = "the source was not read to its end"
NOT_IN_LEDGER = "known at the source, not recorded at the target"


class Grade(StrEnum):
    """What a user may be told."""

    IDENTICAL = "identical"
    LISTED = "identical but listed losses"
    REFUSED = "refused"


def losses(member: Registration, known: MailboxKnowledge, *, is_portable: bool) -> dict[str, int]:
    """Return, by kind, what the log says the target lacks or holds otherwise."""
    folders = [f for f in known.target_folders.values() if not f.left_out]
    found = Counter[str]()
    for entry in known.index.values():
        found["not handed out by the source"] += entry.owed is not None
        found["deleted at the source or moved, unclear"] += entry.pending
        found[NOT_IN_LEDGER] += not (entry.owed or entry.pending) and _is_unrecorded(known, entry.item)
    for record in known.ledger.values():
        found[f"parked: {record.reason or 'no reason'}"] += record.state is ItemState.PARKED and not record.dropped_at
        found[f"given up: {record.reason or 'no reason'}"] += record.state is ItemState.PARKED and record.dropped_at > 0
        found["left out by the target's scope"] += record.state is ItemState.LEFT_OUT
        found["awaited from the source"] += record.is_wanted
    for folder in folders:
        for kind, number in folder.divergence.items():
            found[f"differs: {kind}"] += number
        found[UNPROVED] += not (folder.compared_at or folder.divergence)
        found[CHANGED] += bool(folder.compared_at) and not (folder.checksum or folder.divergence)
    found[NO_FOLDER] += not folders
    found["folders left out by the target's scope"] += len(known.target_folders) - len(folders)
    found["unsettled at the target"] += len(known.target.unsettled)
    found["captured and not applied"] += changes_not_applied(known.source, known.target)
    found[ARCHIVE] += member.archive == "leave"
    found[PORTABLE] += _items(known)[1] if is_portable else 0
    whole = Seen(known.source, known.target)  # its items are counted above, by kind
    found.update(readiness.doubts(whole))
    found[UNREAD] += bool(readiness.unread(whole)) or not known.source.certain_up_to
    return {kind: number for kind, number in sorted(found.items()) if number}


def _is_unrecorded(known: MailboxKnowledge, item: str) -> bool:
    record = known.ledger.get(item)
    return record is None or (record.state is ItemState.PRESENT and not record.target_id)


def _is_proved(folder: TargetFolder) -> bool:
    """Tell whether a folder equals a checksum that still holds: any later change of it drops the checksum."""
    return bool(folder.checksum and folder.compared_at and not folder.divergence)


def _items(known: MailboxKnowledge) -> tuple[int, int]:
    at_source = sum(bool(e.item_id) and not e.pending for e in known.index.values())
    return at_source, sum(bool(r.target_id) for r in known.ledger.values())


def grade(standing: Standing, stage: Stage, lost: Mapping[str, int], *, is_accepted: bool) -> Grade:
    """Return the grade of one mailbox: refused where it did not go, or could not go now."""
    is_refused = not standing.is_promoted and (
        stage in {Stage.STRAY_WATCH, Stage.CLOSED}
        or not standing.is_copied
        or (bool(standing.why_not) and not is_accepted)
    )
    if is_refused:
        return Grade.REFUSED
    return Grade.LISTED if lost else Grade.IDENTICAL


def row(
    view: WaveView, position: int, known: MailboxKnowledge, compared: MailboxResult | None, *, is_portable: bool
) -> dict[str, Any]:
    """Return one user's row."""
    member, standing = view.members[position], view.standings[position]
    lost = losses(member, known, is_portable=is_portable)
    if compared and compared.is_equal:
        for kind in (UNPROVED, CHANGED):
            lost.pop(kind, None)  # every item of them was compared just now
    if compared:
        lost |= {f"compared: {kind}": number for kind, number in compared.by_kind.items()}
        lost |= {f"compared: {kind}": number for kind, number in compared.behind.items()}
        lost |= {"compared: not readable": compared.unreadable} if compared.unreadable else {}
        lost |= {f"compared: failed with {compared.failure}": 1} if compared.failure else {}
    lost |= dict.fromkeys(standing.why_not, 1)
    at_source, at_target = _items(known)
    is_accepted = member.mailbox in view.wave.accepted
    folders = [f for f in known.target_folders.values() if not f.left_out]
    return {
        "mailbox": member.mailbox,
        "place": place(view.wave, view.stage, known),
        "grade": grade(standing, view.stage, lost, is_accepted=is_accepted).value,
        "items_source": at_source,
        "items_target": at_target,
        "folders": len(folders),
        "folders_verified": sum(map(_is_proved, folders)),
        "losses": lost,
        "why_not": list(standing.why_not),
        "accepted": is_accepted,
    }


def place(wave: Wave, stage: Stage, known: MailboxKnowledge) -> str:
    """Return where a mailbox's users are, by its roles in the log."""
    source, target = known.source, known.target
    if users_work_at(target):
        if stage is Stage.RETURNING:
            return "on the way back from the target"
        merging = ", its strays are being merged" if target.role == TargetRole.MERGING else ""
        by_whom = "" if target.promotion in wave.promotions else f", by promotion {target.promotion} of no cut-over"
        return f"at the target{by_whom}{merging}"
    if source.role != SourceRole.MIRRORING:
        if source.opening not in {"", wave.target}:
            return f"closed at the source: its barrier opens {source.opening}"
        return f"in between: closed at the source, not open at {wave.target}"
    if not source.generation:
        return "at the source, not captured yet"
    return "at the source, paused" if source.paused else "at the source, mirrored"


def whole(view: WaveView, rows: Sequence[dict[str, Any]], made_at: str) -> dict[str, Any]:
    """Return the report of a wave as plain values."""
    counts = Counter(r["grade"] for r in rows)
    return {
        "wave": view.wave.wave,
        "stage": view.stage.value,
        "target": view.wave.target,
        "made_at": made_at,
        "approved_by": view.wave.approved_by,
        "promotions": list(view.wave.promotions),
        "grades": {g.value: counts[g.value] for g in Grade},
        "mailboxes": list(rows),
    }


def text_of(report: Mapping[str, Any]) -> str:
    """Return the report as a page of text."""
    grades = ", ".join(f"{number} {name}" for name, number in report["grades"].items())
    lines = [f"Wave {report['wave']} to {report['target']}: {report['stage']} ({report['made_at']})", grades]
    for one in report["mailboxes"]:
        user = f"  {one['address']}" if "address" in one else ""
        lines += ["", f"{one['mailbox']}{user}  {one['grade'].upper()}  {one['place']}"]
        lines.append(
            f"    items: {one['items_target']} at the target, {one['items_source']} at the source when it was read; "
            f"folders equal by checksums: {one['folders_verified']} of {one['folders']}"
        )
        lines += [f"    {number}  {kind}" for kind, number in one["losses"].items() if kind not in one["why_not"]]
        lines += [f"    not ready: {why}" for why in one["why_not"]]
    return "\n".join(lines) + "\n"


def write(directory: Path, report: Mapping[str, Any]) -> Path:
    """Write `wave.json` and `wave.txt`, and return the one for people; LossReportError if that is not possible."""
    page = directory / "wave.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in (directory / "wave.json", page):
            path.touch(mode=0o600)
        (directory / "wave.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
        page.write_text(text_of(report), "utf-8")
    except OSError as error:
        raise LossReportError(f"--report {directory}: can't be written ({error.strerror}); name another") from error
    return page
