"""Every visible write of the product needs a permit: an intent that its ledger had committed and not yet closed.

Invariants 3, 5, 6 and 7 as rules over single writes: nothing is made where users see it, nothing carries content the
source never had, nothing of somebody else is touched, and no write arrives that the ledger does not name at that time.
"""

from collections.abc import Iterator

from deploy.lab.chaos.checker.case import Case, Pairing, anomaly, item_of
from deploy.lab.chaos.checker.names import PRODUCT_AGENT, stamp_of
from deploy.lab.chaos.checker.shore import Life, Moment
from deploy.lab.chaos.evidence import Anomaly
from schemas.state import Intent, IntentKind

_PLACING = frozenset({IntentKind.PLACE, IntentKind.MOVE})


def writes_have_permits(case: Case) -> Iterator[Anomaly]:
    """Yield every write of the product at a target that it had no right to send, or that came too late."""
    for pairing in case.pairings:
        for life in pairing.shore.lives:
            before: Moment | None = None
            for moment in life.moments:
                if moment.write.agent == PRODUCT_AGENT:
                    yield from _judge(case, pairing, life, before, moment)
                before = moment


def source_is_only_read(case: Case) -> Iterator[Anomaly]:
    """Yield every write of the product at the source."""
    for address, shore in case.sources.items():
        for moment, _ in shore.moments:
            if moment.write.agent == PRODUCT_AGENT:
                detail = f"{moment.write.operation} of {moment.write.subject!r} at the source"
                yield Anomaly(rule="source-written", mailbox=address, item="", detail=detail)


def _judge(case: Case, pairing: Pairing, life: Life, before: Moment | None, moment: Moment) -> Iterator[Anomaly]:
    write, item = moment.write, item_of(pairing, moment)
    said = f"{write.operation} of {write.subject!r} at position {write.position}"
    if not life.is_ours:
        yield anomaly("foreign-touched", pairing, item, f"{said} hits an item that a user made")
        return
    if before is None:
        if moment.is_visible:
            yield anomaly("visible-before-complete", pairing, item, f"{said} makes an item where users see it")
        return
    if moment.is_visible:
        yield from _judge_state(case, pairing, moment, item, said)
    if (before.is_visible or moment.is_visible) and item:
        yield from _judge_permit(pairing, before, moment, item, said)


def _judge_state(case: Case, pairing: Pairing, moment: Moment, item: str, said: str) -> Iterator[Anomaly]:
    if not item:
        yield anomaly("unstamped", pairing, "", f"{said} shows an item without our stamp ({moment.write.stamp!r})")
        return
    lives = case.source_lives(pairing, item)
    if not lives:
        yield anomaly("unknown-item", pairing, item, f"{said} shows an item that the source never had")
    elif all(moment.write.content != m.write.content for life in lives for m in life.moments):
        yield anomaly("altered", pairing, item, f"{said} shows content that the source never had")


def _judge_permit(pairing: Pairing, before: Moment, moment: Moment, item: str, said: str) -> Iterator[Anomaly]:
    write = moment.write
    if write.kind in {"mark", "update"} and write.stamp == before.write.stamp:
        yield anomaly("nonce-kept", pairing, item, f"{said} writes in place without a new nonce")
        return
    records = pairing.ledger.item_at(pairing.mailbox, item, write.time_ms)
    intents = [record.intent for record in records if record.intent]
    if any(_permits(intent, moment) for intent in intents):
        return
    past = pairing.ledger.items.get((pairing.mailbox, item), ())
    is_late = any(h.value and h.value.intent and _permits(h.value.intent, moment) for h in past)
    rule = "late-write" if is_late else "no-intent"
    yield anomaly(rule, pairing, item, f"{said} without an open intent (the ledger says {_intents(intents)})")


def _permits(intent: Intent, moment: Moment) -> bool:
    """Whether an intent names this write: by the id it is sent to, and for marks by its nonce."""
    write = moment.write
    if write.deletion == "hard":
        return intent.replaced_id == write.id or (intent.kind is IntentKind.DELETE and intent.target_id == write.id)
    if write.kind != "move":
        stamp = stamp_of(write.stamp)
        is_named = stamp is not None and stamp.nonce == intent.nonce.lower()
        return intent.kind is IntentKind.MARK and intent.target_id == write.id and is_named
    if moment.is_visible:
        return intent.kind in _PLACING and intent.target_id == write.previous_id
    return intent.kind is IntentKind.DELETE and intent.target_id == write.previous_id


def _intents(intents: list[Intent]) -> str:
    return ", ".join(f"{i.kind.value} of …{i.target_id[-16:]} nonce {i.nonce}" for i in intents) or "none"
