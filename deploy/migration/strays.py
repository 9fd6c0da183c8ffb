"""What came to the old source of a wave since its barrier: what nobody captured, what did not come over. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.migration.book import Contents
from deploy.promotion.office import DrivenError, said
from deploy.promotion.picture import Seen
from deploy.promotion.strays import not_at_target
from deploy.promotion.tail import Left
from schemas.failover import Stage
from schemas.state import Registration


def row(mailbox: str, tail: Sequence[Left] | None, seen: Seen, *, with_subjects: bool = False) -> dict[str, Any]:
    """Return one mailbox as plain values; its `tail` is None where the old source does not let it be read."""
    kinds = Counter(left.kind for left in tail or ())
    names = ("kind", "item", "item_id", *(("subject", "sender") if with_subjects else ()))
    return {
        "mailbox": mailbox,
        "read": tail is not None,
        "kinds": dict(sorted(kinds.items())),
        "strays": [{n: getattr(left, n) for n in names} for left in tail or ()],
        "not_at_target": not_at_target(seen),
    }


def is_clean(one: Mapping[str, Any]) -> bool:
    """Tell whether a row says that the old source holds nothing the target lacks."""
    return bool(one["read"]) and not one["strays"] and not one["not_at_target"]


def line(one: Mapping[str, Any]) -> str:
    """Return a row for people."""
    counts = ", ".join(f"{number} {kind}" for kind, number in one["kinds"].items()) or "nothing came"
    told = counts if one["read"] else "the old source does not let it be read to its end"
    missing = f"  not at the target: {'; '.join(one['not_at_target'])}" if one["not_at_target"] else ""
    subjects = "".join(f"\n    {s['subject']}  from {s['sender']}" for s in one["strays"] if s.get("subject"))
    return f"{one['mailbox']}  {told}{missing}{subjects}"


def is_to_be_resumed(contents: Contents, promoted: Sequence[Registration]) -> bool:
    """Tell whether a merge of these mailboxes' strays is in hand; DrivenError where it is one of others."""
    found = contents.promotion
    if found is None or not contents.in_hand or found.stage != Stage.STRAYS:
        return False
    if strangers := {o.mailbox for o in found.mailboxes} - {m.mailbox for m in promoted}:
        raise DrivenError(
            f"another merge of strays is not at its end: {said(found)} ({found.reason}; {len(strangers)} mailboxes "
            "are not this wave's); `mailshadow migrate watch` of that wave with `--merge` goes on with it"
        )
    return True
