"""What the scratch mailboxes hold against what the log says: folders and items with what a listing shows of them.

The source is not asked, and nothing the replay says of itself is believed but which folder stands for which: what is
there is listed anew, and what should be there is folded from the records that were copied.
"""

from collections.abc import Mapping

from consumers.exchange_target import ExchangeTarget
from consumers.folding import FoldedItem
from consumers.verifier import Divergence, Kind, SourceItem, TargetItem, judge
from deploy.rehearsal.excerpt import Taken
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.listed_folder import Side, read_side
from deploy.verification.result import MailboxResult
from schemas.canonical_row import CanonicalRow, canonical_row
from schemas.change import Marks, Summary
from schemas.identity import Stamp
from schemas.ports import CallFailed

PLAIN = Marks(is_read=False)


def compare(
    target: ExchangeTarget, address: str, taken: Taken, known: MailboxKnowledge, stamp_name: str
) -> MailboxResult:
    """Return how a scratch mailbox differs from the log; `known` says which folders stand for which."""
    mailbox = taken.record.mailbox
    try:
        sides = {
            folder_id: read_side(target.listing, address, known.target_folders[folder_id].target_id)
            for folder_id in taken.folded.folders
            if folder_id in known.target_folders
        }
    except CallFailed as failure:
        return MailboxResult(mailbox=mailbox, target=stamp_name, failure=failure.code)
    return _judged(taken, known, sides, stamp_name)


def _judged(taken: Taken, known: MailboxKnowledge, sides: Mapping[str, Side], stamp_name: str) -> MailboxResult:
    missing_folders = [f for f in taken.folded.folders if f not in sides or sides[f].is_gone]
    held = [
        TargetItem(item_id=i.item_id, folder_id=folder_id, stamp=stamp, row=i.row)
        for folder_id, side in sides.items()
        for i in side.items.values()
        if (stamp := Stamp.parse(i.stamp)) and stamp.target == stamp_name
    ]
    rows = {i.stamp.item: i.row for i in held}
    has_flags = all(side.has_flags for side in sides.values())
    expected = [
        SourceItem(
            item=item.item,
            item_id="",
            folder_id=item.folder_id,
            row=expected_row(item, taken.summaries.get(item.item), rows.get(item.item), has_flags=has_flags),
        )
        for item in taken.folded.items.values()
        if item.content_offset >= 0
    ]
    verdict = judge(expected, held, known.for_verifier())
    found = [d for d in verdict.divergences if d.folder_id not in missing_folders]
    found += [Divergence(kind=Kind.FOLDER_MISSING, item="", folder_id=f) for f in missing_folders]
    behind: dict[str, int] = {}
    for why, _ in verdict.behind:
        behind[why.value] = behind.get(why.value, 0) + 1
    differing = {d.folder_id for d in found}
    return MailboxResult(
        mailbox=taken.record.mailbox,
        target=stamp_name,
        folders=len(taken.folded.folders),
        folders_equal=len(set(taken.folded.folders) - differing),
        items_source=len(expected),
        items_target=len(held),
        foreign=sum(len(side.items) for side in sides.values()) - len(held),
        behind=behind,
        divergences=tuple(found),
    )


def expected_row(
    item: FoldedItem, summary: Summary | None, seen: CanonicalRow | None, *, has_flags: bool
) -> CanonicalRow:
    """Return the row a listing has to show of an item; the log does not say its sensitivity, so that is as seen."""
    said = summary or Summary(
        item_class="", subject="", sender="", message_id="", sent_at="", received_at="", size_bytes=0,
        has_attachments=False, is_draft=False,
    )  # fmt: skip
    return canonical_row(
        item_class=said.item_class,
        message_id=said.message_id,
        subject=said.subject,
        sent=said.sent_at,
        received=said.received_at,
        is_draft=said.is_draft,
        marks=item.marks or PLAIN,
        sensitivity=seen.sensitivity if seen else "Normal",
        with_flag=has_flags,
    )
