"""What users changed at a target since a cut-over, and how much of it an older source can take.

Read like a tail: the target is listed against an index made of the ledger (`schemas.turning`), as its feed would begin
the way back; nothing is written anywhere.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import click

from deploy import wiring
from deploy.promotion.tail import Left, read_tails
from deploy.promotion.turned import TurnedSettings, is_lossy
from deploy.sections import Settings
from deploy.verification import knowledge
from deploy.verification.knowledge import MailboxKnowledge
from producers.contents import is_message
from producers.index import MailboxIndex
from schemas.change import Form
from schemas.state import MailboxRecord, Registration
from schemas.turning import Known, index_entries, index_folders

IN_PART = "no message: of what was changed EWS elements alone come back, what is new is parked"
FLATTENED = "message: properties that MIME does not hold"
MAILBOXES_AT_ONCE = 20
"""How many mailboxes' state is held in memory together."""


def read(there: Settings, back: TurnedSettings, members: Sequence[Registration]) -> dict[str, list[Left] | None]:
    """Return what changed at the target, by mailbox id; None where the target does not let it be read to its end."""
    # the class of what changed is wanted, which every form tells; streams alone are the cheaper reading
    reading = replace(back, feed=replace(back.feed, forms=(Form.STREAM,)))
    addresses = {m.mailbox: m.targets[back.source.name] for m in members}
    found = read_tails(reading, addresses, _indexes(there, back, list(addresses)))
    return {m: found.get(m) for m in addresses}


def losses(changes: Sequence[Left], *, is_older: bool) -> dict[str, int]:
    """Return, by kind, how many of the changes an older source takes only in part, or not at all. Pure."""
    if not is_older:
        return {}
    kinds = Counter(FLATTENED if is_message(c.item_class) else IN_PART for c in changes if c.kind == "ItemSaved")
    return dict(sorted(kinds.items()))


def row(mailbox: str, changes: Sequence[Left] | None, *, is_older: bool, with_subjects: bool) -> dict[str, Any]:
    """Return one mailbox as plain values. Pure."""
    if changes is None:
        return {"mailbox": mailbox, "read": False, "changes": {}, "losses": {}, "items": []}
    hidden = set() if with_subjects else {"subject", "sender"}
    return {
        "mailbox": mailbox,
        "read": True,
        "changes": dict(sorted(Counter(c.kind for c in changes).items())),
        "losses": losses(changes, is_older=is_older),
        "items": [{k: v for k, v in asdict(c).items() if v and k not in hidden} for c in changes],
    }


def tell(back: TurnedSettings, found: Mapping[str, Sequence[Left] | None], options: Mapping[str, Any]) -> None:
    """Print what changed and what of it the way back loses."""
    source, is_older = next(iter(back.targets)), is_lossy(back)
    rows = [row(m, c, is_older=is_older, with_subjects=options["with_subjects"]) for m, c in found.items()]
    if options["as_json"]:
        click.echo(json.dumps({"to": source, "older": is_older, "mailboxes": rows}, indent=2))
        return
    versions = f"{source} ({back.targets[source].version}) ← {back.source.name} ({back.source.version})"
    click.echo(f"{versions}: {'older, so the way back is lossy' if is_older else 'nothing is lost on the way back'}")
    for one in rows:
        if not one["read"]:
            click.echo(f"{one['mailbox']}  {back.source.name} does not let it be read to its end")
            continue
        click.echo(f"{one['mailbox']}  changed at {back.source.name}: {_counts(one['changes'])}")
        click.echo(f"    lost on the way back: {_counts(one['losses'])}")
        for item in one["items"]:
            click.echo(f"    {', '.join(f'{name} {value}' for name, value in item.items())}")
    click.echo("nothing was changed; without --dry-run the wave is led back")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"


def _indexes(there: Settings, back: TurnedSettings, mailboxes: Sequence[str]) -> Iterator[MailboxIndex]:
    connection, topics, target = wiring.kafka_settings(there), wiring.topics_of(there), back.source.name
    for start in range(0, len(mailboxes), MAILBOXES_AT_ONCE):
        part = mailboxes[start : start + MAILBOXES_AT_ONCE]
        known = knowledge.read(connection, topics, target, part)
        for mailbox in part:
            yield index_of(mailbox, known.pop(mailbox), topics.source, wiring.now_ms())


def index_of(mailbox: str, known: MailboxKnowledge, source: str, now: int) -> MailboxIndex:
    """Return the index with which the feed of the way back would begin. Pure."""
    both = Known(
        source=known.source,
        target=known.target,
        folders=known.folders,
        entries=known.index,
        target_folders=known.target_folders,
        records=known.ledger,
    )
    index = MailboxIndex(MailboxRecord(mailbox=mailbox))
    for folder in index_folders(both):
        index.put_folder(folder)
    for entry in index_entries(both, source, now):
        index.put(entry)
    return index
